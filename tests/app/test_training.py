"""The ensemble learns from corrected cases: by 3D Slicer's client and by OHIF's request, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from monailabel.client.client import MONAILabelClientException

from lib.cli.ensemble import MODEL_DIR
from lib.cli.phantom import write_phantom
from lib.versions import list_versions, read_live, read_version, verify
from phantoms_once import phantom_once
from pooling import make_ahead, server_environment_of
from serving import Server, serving
from slicing import read, save_segments
from waiting import wait_for

pytestmark = [pytest.mark.server, pytest.mark.slow]

SHAPE = (224, 224, 13)
SHAPE_OF_GATE = (112, 112, 9)
# p3 belongs to the hold-out by its name's hash; the others are learnt, or asked for afterwards
CASES = {"p3": 3, "p4": 4, "p5": 5, "p6": 6}
# enough to go through every step; too gentle to be worse
TINY = {"steps": 2, "learning_rate": 1e-5}
# more than lie between two checkpoints
TO_BE_KILLED = {"steps": 12, "learning_rate": 1e-5}
WITHIN_S = 900.0  # of a busy machine
SLICER = {"result_extension": ".nrrd", "result_dtype": "uint8"}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    for case, seed in CASES.items():
        write_phantom(phantom_once(seed, SHAPE), folder / case)
    return folder


@pytest.fixture(scope="module")
def of_gate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of servers whose gate's phantoms are made once, and smaller than the gate's own."""
    return server_environment_of(make_ahead(tmp_path_factory.mktemp("of-gate"), SHAPE_OF_GATE, phantom_once))


@pytest.fixture
def studies(phantoms: Path, tmp_path: Path) -> Path:
    return shutil.copytree(phantoms, tmp_path / "studies")


@pytest.fixture
def data(studies: Path) -> Path:
    return studies / ".vhi"


@pytest.fixture(scope="module")
def one_member(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The setting for the first network of the shipped ensemble alone: every step is the same, in less than a third of the time."""
    from lib.nets.engine_file import publish_networks
    from lib.nets.weights import load_networks, pack

    root, shipped = tmp_path_factory.mktemp("one-member") / "disease_region", read_live(MODEL_DIR)
    manifest = replace(
        shipped.manifest, version="one-1", network=shipped.manifest.networks[:1], members=1,
        recipes=shipped.manifest.recipes[:1], seeds=shipped.manifest.seeds[:1], parent=None, kinds=[],
    )  # fmt: skip
    publish_networks(root, manifest, pack(load_networks(shipped)[:1]))
    return {"models": str(root)}


@pytest.fixture
def server_of_one(studies: Path, one_member: dict[str, str], of_gate: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    with serving(studies, tmp_path / "work", conf=one_member, **of_gate) as running:
        yield running


@pytest.fixture
def server(studies: Path, of_gate: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    with serving(studies, tmp_path / "work", **of_gate) as running:
        yield running


until = partial(wait_for, within_s=WITHIN_S)


def correct(server: Server, studies: Path, tmp: Path, case: str, reader: str = "anna") -> None:
    """Submit the true region of a phantom, as a reader who corrects the automatic one."""
    client = server.client(reader, tmp)
    client.infer("disease_region", f"{case}_STIR", dict(SLICER))
    region = read(studies / case / "truth" / "disease_region.nii.gz")[0]
    params = save_segments({"disease region": region}, studies / case / "stir.nii.gz", tmp / "region.nii.gz")
    client.save_label(f"{case}_STIR", str(tmp / "region.nii.gz"), params=params)


def model_of(server: Server, tmp: Path, case: str, reader: str) -> str:
    return server.client(reader, tmp).infer("disease_region", f"{case}_STIR", dict(SLICER))[1]["model_version"]


def ended(client: Any) -> dict[str, Any]:
    """Wait as 3D Slicer's progress bar does."""
    until(lambda: not client.train_status(check_if_running=True))
    return dict(client.train_status())


def retrained(data: Path) -> list[str]:
    root = data / "models" / "disease_region"
    return [name for name in list_versions(root) if name.startswith("site-")] if root.is_dir() else []


def test_a_whole_cycle_with_the_client_of_3d_slicer(server, studies, data, tmp_path):
    client = server.client("anna", tmp_path)
    before = model_of(server, tmp_path, "p4", "anna")
    for case in ("p3", "p4", "p5"):
        correct(server, studies, tmp_path, case)
    info = client.info()
    assert info["trainers"]["disease_region"]["config"]["keep"] == ["auto", "replay", "pull", "none"]
    assert info["train_stats"]["disease_region"]["total_time"]  # not running: OHIF would show 100% of one epoch
    assert client.train_status(check_if_running=True) is False

    task = client.train_start("disease_region", {**info["trainers"]["disease_region"]["config"], "keep": "auto", **TINY})
    assert (task["status"], task["model"]) == ("RUNNING", "disease_region")
    assert client.train_status(check_if_running=True) is True
    with pytest.raises(MONAILabelClientException) as caught:
        client.train_start("disease_region", {})
    assert "Status: 429" in caught.value.msg
    seen, answered = [], 0
    while client.train_status(check_if_running=True):
        seen.append(client.info()["train_stats"]["disease_region"])
        # publishing included: an inference never fails
        assert model_of(server, tmp_path, "p6", f"reader{answered}") in (before, *retrained(data))
        answered += 1
    # what /info/ tells may be half a second old: of before the beginning, or of the end
    learning = [one for one in seen if one.get("state") == "training"]
    assert learning
    assert all("total_time" not in one for one in learning)
    assert all(0 < one["epoch"] <= one["total_epochs"] for one in seen)

    done = client.train_status()
    assert (done["status"], done["progress"]["state"]) == ("DONE", "accepted"), done
    (version,) = retrained(data)
    assert f"Version {version} is live; it learnt p4, p5" in done["details"][0]
    live = read_live(data / "models" / "disease_region")
    verify(live)
    assert (live.manifest.version, live.manifest.parent) == (version, before)
    assert {"p4", "p5"} <= {case.case_id for case in live.manifest.training_cases}
    assert "p3" not in {case.case_id for case in live.manifest.training_cases}
    assert live.manifest.gate["compared"]["hold-out"]["cases"] == 1

    assert model_of(server, tmp_path, "p6", "newcomer") == version
    assert model_of(server, tmp_path, "p6", "reader0") == before  # what a reader was shown stays for that reading
    until(lambda: "total_time" in client.info()["train_stats"]["disease_region"])  # not running
    sample = client.next_sample("uncertain", {"client_id": "newcomer"})
    assert version in sample["reason"]

    page, content = server.get("/vhi/models")
    told = json.loads(content)
    assert (page, told["live"], told["waiting"]) == (200, version, 0)
    assert [(one["version"], one["state"]) for one in told["versions"]] == [(before, "earlier"), (version, "live")]
    rolled = requests.post(f"{server.url}/vhi/models/live", params={"version": before}, timeout=60)
    assert rolled.json() == {"live": before}
    # the page, the training and the viewers' statistics name one live version
    assert f"now version {before} is live" in client.train_status()["details"][0]
    until(lambda: client.info()["train_stats"]["disease_region"].get("version") == before)
    assert json.loads(server.get("/vhi/models")[1])["live"] == before
    assert model_of(server, tmp_path, "p6", "another") == before
    # nothing new to learn against the version that is live again but what was learnt since
    assert json.loads(server.get("/vhi/models")[1])["waiting"] == 2


def test_the_train_button_of_ohif_starts_and_stops_and_goes_on(server_of_one, studies, data, tmp_path):
    for case in ("p3", "p4", "p5"):
        correct(server_of_one, studies, tmp_path, case)
    train = f"{server_of_one.url}/train/"
    headers = {"accept": "application/json, multipart/form-data"}
    assert requests.get(train, params={"check_if_running": "true"}, timeout=60).status_code == 404
    assert requests.delete(train, timeout=60).json() is None
    # OHIF sends what was changed in its option table, under the trainer's name, and nothing where nothing was
    options = {"disease_region": {"steps": 4000, "learning_rate": "1e-5"}}
    begun = requests.post(train, json=options, headers=headers, timeout=60)
    assert begun.status_code == 200, begun.text
    assert begun.json()["disease_region"]["result"]["status"] == "RUNNING"
    running = requests.get(train, params={"check_if_running": "true"}, timeout=60)
    assert running.json()["status"] == "RUNNING"
    until(lambda: requests.get(train, timeout=60).json()["progress"]["state"] == "training")
    stopped = requests.delete(train, headers=headers, timeout=60).json()
    assert stopped["status"] == "STOPPED"
    assert "can be gone on with" in stopped["details"][0]
    assert retrained(data) == []
    other = requests.post(train, json={"seed": 3}, timeout=60)
    assert (other.status_code, "goes on with seed 0, as it began; 3 was asked for" in other.json()["detail"]) == (400, True)
    assert requests.post(train, json={"go_on": False, **TINY}, timeout=60).status_code == 200
    done = ended(server_of_one.client("anna", tmp_path))
    assert (done["status"], done["progress"]["state"]) == ("DONE", "accepted"), done
    assert len(retrained(data)) == 1


def test_what_cannot_be_trained_is_said_in_a_sentence(server, tmp_path):
    client = server.client("anna", tmp_path)
    for options, status, words in (
        ({}, 422, "There is nothing new to learn"),
        ({"gpus": "all"}, 400, "Training takes no 'gpus'"),
        ({"minutes": "few"}, 400, "minutes must be a number"),
        ({"minutes": 5, "epochs": 3}, 400, "choose one budget"),
        ({"keep": "all"}, 400, "keep is 'all'"),
    ):
        with pytest.raises(MONAILabelClientException) as caught:
            client.train_start("disease_region", options)
        assert f"Status: {status}" in caught.value.msg
        assert words in caught.value.msg
    with pytest.raises(MONAILabelClientException) as caught:
        client.train_start("normal_bone", {})
    assert "Status: 404" in caught.value.msg


@pytest.mark.parametrize("who", ["trainer", "server"])
def test_kill_9_leaves_the_live_version_and_the_session_goes_on(studies, data, one_member, of_gate, tmp_path, who):
    with serving(studies, tmp_path / "first", conf=one_member, **of_gate) as server:
        for case in ("p3", "p4", "p5"):
            correct(server, studies, tmp_path, case)
        client = server.client("anna", tmp_path)
        before = model_of(server, tmp_path, "p6", "anna")
        client.train_start("disease_region", TO_BE_KILLED)
        until(lambda: client.train_status()["progress"]["state"] == "training")
        trainer = int((data / "retraining" / "pid").read_text())
        others = _of_session(trainer)
        assert len(others) > 1  # multiprocessing's own and one that trains
        if who == "trainer":
            os.kill(trainer, signal.SIGKILL)
            until(lambda: not client.train_status(check_if_running=True))
            assert client.train_status()["status"] in ("STOPPED", "ERROR")
            assert client.train_status()["details"][-1] == (
                "The process that trains was ended from outside (signal 9). What was learnt is kept: start training again to go on."
            )
        else:
            server.process.kill()
            server.process.wait(20)
        # nobody goes on behind the next session's back
        until(lambda: not any(_alive(pid) for pid in (trainer, *others)), within_s=60)
    live = read_live(data / "models" / "disease_region")
    verify(live)
    assert (live.manifest.version, retrained(data)) == (before, [])
    # what the end of a server interrupted goes on by itself where training does; else a person goes on with it
    by_itself = {"retrain": "after=1 quiet=1s"} if who == "server" else {}
    with serving(studies, tmp_path / "second", conf=one_member | by_itself, **of_gate) as server:
        client = server.client("anna", tmp_path)
        if not by_itself:
            assert client.train_status()["status"] == "STOPPED"
            client.train_start("disease_region", {})
        until(lambda: retrained(data))
        assert ended(client)["progress"]["state"] == "accepted"
    (version,) = retrained(data)
    # gone on with what it began with, not begun anew
    assert read_version(data / "models" / "disease_region", version).manifest.recipes[0]["steps"] == TO_BE_KILLED["steps"]


def _of_session(leader: int) -> list[int]:
    """The processes that the trainer started, and those that these started."""
    done = subprocess.run(["ps", "-o", "pid=", "-s", str(leader)], capture_output=True, text=True, check=False)
    return [int(line) for line in done.stdout.split() if int(line) != leader]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
