"""A site into which wrong labels come with right ones: over a real server, by the client of 3D Slicer, with a small ensemble."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import requests
from monailabel.client.client import MONAILabelClientException

from lib.retraining.fate import fates
from lib.versions import read_live
from pooling import server_environment_of
from serving import APP, Server, serving
from slicing import save_segments
from waiting import wait_for

pytestmark = [pytest.mark.server, pytest.mark.slow]

REGION = "disease region"
# phantoms are all alike to networks that learnt a hundred times less than the shipped ones
LOOSE = {"train_margin": "0.03", "train_sentinel_margin": "0.05", "train_worst": "0.1"}
Change = Callable[[np.ndarray], np.ndarray]
POISONS: dict[str, Change] = {
    "left and right exchanged": partial(np.flip, axis=0),
    "upside down": partial(np.flip, axis=1),
    "slices reversed": partial(np.flip, axis=2),
    "2 pixels to the side": partial(np.roll, shift=2, axis=0),
    "2 pixels up": partial(np.roll, shift=-2, axis=1),
    "3 pixels up": partial(np.roll, shift=3, axis=1),
    "one slice on": partial(np.roll, shift=1, axis=2),
    "empty": np.zeros_like,
}
# what is not even kept, from this client
REFUSALS = ("It was not stored", "The submission holds nothing")
# the phantom whose region is handed in for another's
ANOTHER = 5


@pytest.fixture
def served(site, made_phantoms, tmp_path):
    """The server over the site, and what hands a region in there; the site's cases have to be there by then."""

    def start():
        options = [word for name, value in LOOSE.items() for word in ("--set", f"{name}={value}")]
        command = [
            str(APP),
            "serve",
            "--studies",
            str(site.studies),
            "--port",
            "{port}",
            "--model-dir",
            str(site.shipped),
            *options,
        ]
        command += ["--set", "several_readers=true"]
        phantoms = server_environment_of(made_phantoms)
        return serving(site.studies, tmp_path / "work", command=command, OMP_NUM_THREADS="1", **phantoms)

    return start


def hand_in(server: Server, site, tmp: Path, reader: str, case_id: str, mask: np.ndarray) -> str:
    """Submit a region as 3D Slicer does; what the reader is told, also where nothing is kept."""
    label = tmp / "label.nii.gz"
    params = save_segments({REGION: mask}, site.studies / f"{case_id}_STIR.nii.gz", label)
    try:
        answer = server.client(reader, tmp).save_label(f"{case_id}_STIR", str(label), params=params)
    except MONAILabelClientException as refused:
        return str(refused.msg)
    return " ".join(answer["messages"])


def test_of_a_poisoned_site_right_labels_alone_are_learnt_and_every_wrong_one_is_doubted_when_it_is_handed_in(
    site, served, tmp_path
):
    new, out = [site.name("train", n) for n in range(2)], site.name("holdout")
    both = {new[0]: 3, new[1]: 4, out: 6}
    names = [site.name("train", n) for n in range(2, 3 + len(POISONS))]
    alone = dict(zip(names, ({"phantom": 3 + n % 2, "what": what} for n, what in enumerate([*POISONS, "another"])), strict=True))
    for case_id, phantom in [*both.items(), *((name, one["phantom"]) for name, one in alone.items())]:
        site.add(case_id, phantom)
    truth = [study.disease_region.data for study in site.phantoms]
    doubted: dict[str, str] = {}
    with served() as server:
        submit = partial(hand_in, server, site, tmp_path)
        for case_id, phantom in both.items():
            assert "may be wrong" not in submit("anna", case_id, truth[phantom])
        for what, poison in POISONS.items():  # newer ones of another reader, on the hold-out too
            for case_id, phantom in both.items() if what != "empty" else ():
                doubted[f"{what} after a right one, {case_id}"] = submit("ben", case_id, poison(truth[phantom]))
        for case_id, one in alone.items():
            mask = truth[ANOTHER] if one["what"] == "another" else POISONS[one["what"]](truth[one["phantom"]])
            doubted[f"{one['what']} alone"] = submit("ben", case_id, mask)
        refused = [what for what, said in doubted.items() if any(words in said for words in REFUSALS)]
        assert [what for what, said in doubted.items() if what not in refused and "may be wrong" not in said] == []
        client = server.client("root", tmp_path)
        client.train_start("disease_region", {"steps": 20})
        wait_for(lambda: not client.train_status(check_if_running=True), within_s=900)
        progress = client.train_status()["progress"]
        content = requests.get(f"{server.url}/vhi/models", params={"form": "json"}, timeout=60).json()
    assert progress["state"] == "accepted", progress
    assert (sorted(progress["learnt"]), progress["holdout"]) == (sorted(new), [out])
    live = read_live(site.data / "models" / "disease_region").manifest
    right = {(case_id, site.store.get(case_id, "0001-anna").segment(REGION).sha256) for case_id in new}
    assert {(one.case_id, one.label_sha256) for one in live.training_cases if not one.case_id.startswith("start")} == right
    noted_fates = fates(site.folder)
    assert {noted_fates[f"{case_id}/0001-anna"].state for case_id in new} == {"learnt"}
    assert noted_fates[f"{out}/0001-anna"].state == "hold-out"
    by_ben = {key: fate.state for key, fate in noted_fates.items() if key.endswith("-ben")}
    assert set(by_ben.values()) == {"set aside"}
    stored = {name for name, one in alone.items() if f"{one['what']} alone" not in refused}
    assert {key.split("/")[0] for key in by_ben} >= stored
    assert {one["case"] for one in content["quarantine"]} >= stored
    assert {alone[name]["what"] for name in alone.keys() - stored} == {"slices reversed", "empty"}
