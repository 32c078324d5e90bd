"""The whole training command on scans of a few pixels: seconds instead of minutes, the same path."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

from lib.cli.card import card
from lib.cli.train import train
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
from lib.core.volume import Grid, Mask, Volume
from lib.errors import InputError
from lib.files import sha256_of
from lib.nets.fit import read_trained
from lib.nets.recipes import PLANS as RECIPES
from lib.studies.nifti import write_labels, write_mask, write_volume
from lib.versions import read_live, read_version
from programs import forks

AFFINE = np.array([[-1.0, 0, 0, 0], [0, 0, -5, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]]) * np.array(
    [TRAINING_PIXEL_SPACING_MM] * 3 + [1]
)
APP = Path(__file__).parents[2] / "apps" / "vhi"
pytestmark = pytest.mark.usefixtures("forked_pools")


def write_scan(folder: Path, images: str, masks: str | None, case_id: str, size: int = 16) -> None:
    """Noise with a bright square of half the size in two of three slices, which is the region."""
    rng = np.random.default_rng(int(case_id))
    data = rng.random((size, size, 3))
    square = slice(size // 4, 3 * size // 4)
    data[square, square, :2] += 2.0
    grid = Grid(data.shape, AFFINE)
    (folder / images).mkdir(parents=True, exist_ok=True)
    write_volume(folder / images / f"{case_id}_T1W.nii.gz", Volume(data, grid))
    if masks:
        (folder / masks).mkdir(parents=True, exist_ok=True)
        write_mask(folder / masks / f"{case_id}_disease_region.nii.gz", Mask(data > 1.5, grid))


def tiny_plans() -> dict:
    """The shipped plan with networks of a few pixels."""
    from lib.nets.recipes import PLANS

    shipped = PLANS["vhi"]
    tiny = {"steps": 60, "batch": 4, "widths": (4, 8)}
    members = (replace(recipe, **tiny | {"pseudo": min(recipe.pseudo, 2)}) for recipe in shipped.members)
    return {"vhi": replace(shipped, members=tuple(members))}


@pytest.fixture
def tiny_data(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("lib.nets.recipes.PLANS", tiny_plans())
    for n in range(1, 6):
        write_scan(tmp_path / "data", "images_study/T1W", "segmentations/disease_region", str(n))
    write_scan(tmp_path / "data", "images_atypical/T1W", "segmentations/disease_region_atypical", "7")
    write_scan(tmp_path / "data", "images_unlabelled/T1W", None, "8")
    return tmp_path / "data"


def run(data: Path, tmp_path: Path, **options) -> None:
    """`train` with the options' defaults, which a direct call of the function does not fill in."""
    plain = {
        "recipe": "vhi", "folds": False, "ensemble": True, "members": None, "steps": None, "cpu_minutes": None, "version": "one", "parent": None, "baseline": None,
        "live": True, "jobs": 2, "first_folds": None, "start": None, "start_folds": None, "measured": None, "out": tmp_path / "out", "model_dir": tmp_path / "model",
    }  # fmt: skip
    train(data=data, **plain | options)


@pytest.mark.slow
def test_folds_and_ensemble_are_trained_measured_and_published(tiny_data, tmp_path, capsys):
    run(tiny_data, tmp_path, folds=True)
    manifest = read_live(tmp_path / "model").manifest
    assert (manifest.version, manifest.members, manifest.seeds) == ("one", 3, [0, 1, 2])
    assert [layout["shuffle"] for layout in manifest.networks] == [2, 2, 4]
    assert [case.case_id for case in manifest.training_cases] == ["1", "2", "3", "4", "5", "7"]
    label = tiny_data / "segmentations/disease_region/1_disease_region.nii.gz"
    assert manifest.training_cases[0].label_sha256 == sha256_of(label)
    assert manifest.unlabelled_cases == ["8"]
    reference = manifest.reference
    assert reference["what"] == (
        "held-out study scans, each by the ensemble of its fold, and 1 scan without masks by this ensemble"
    )
    assert reference["scans"] == 6
    assert 0 <= reference["highest_disagreement"] < 1
    assert 0 < reference["highest_entropy"] <= 1
    assert 0 < reference["lowest_mm3"] <= reference["highest_mm3"]

    content = json.loads((tmp_path / "out" / "cross_validation.json").read_text())
    assert content["folds"]["fold0"] == {"learnt": ["2", "3", "4"], "held_out": ["1", "5", "7"]}
    assert content["folds"]["fold1"] == {"learnt": ["1", "3", "4", "5", "7"], "held_out": ["2"]}
    study = content["cross_validation"]
    assert list(study["cases"]) == ["1", "2", "3", "4", "5"]
    assert [entry["fold"] for entry in study["cases"].values()] == ["fold0", "fold1", "fold2", "fold3", "fold0"]
    assert study["slices"] >= 10
    for entry in study["cases"].values():
        assert len(entry["slice_dice"]) == 3
        assert [len(one) for one in entry["member_slice_dice"]] == [3, 3, 3]
    means = study["member_mean_slice_dice"]
    assert study["seed_spread"] == pytest.approx(max(means) - min(means), abs=1e-9)
    assert list(content["cross_validation_atypical"]["cases"]) == ["7"]
    assert content["test"] is None
    assert content["budget"]["steps"] == {"vhi-teacher": 60, "vhi-student": 60, "vhi-student-quarter": 60}
    assert content["budget"]["networks"]["vhi-student"]["count"] == 5
    assert manifest.metrics == {name: content.get(name) for name in manifest.metrics}
    assert manifest.metrics["baseline"] is None

    mask = np.load(tmp_path / "out" / "fold0" / "predictions" / "1.npz")["mask"]
    truth = np.zeros((16, 16, 3), dtype=bool)
    truth[4:12, 4:12, :2] = True
    k = study["cases"]["1"]["lowest_slice"] - 1
    dice = 2 * (mask & truth)[..., k].sum() / (mask[..., k].sum() + truth[..., k].sum())
    assert study["cases"]["1"]["lowest_slice_dice"] == pytest.approx(dice, abs=1e-4)

    assert (tmp_path / "out" / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    assert b"</svg>" in (tmp_path / "out" / "learning_curves.svg").read_bytes()
    card(tmp_path / "card", None, tmp_path / "model", None, tiny_data, tmp_path / "out", 2, baseline=tmp_path / "out")
    text = (tmp_path / "card" / "model-card.md").read_text()
    assert "version one" in text
    assert "same scans: +0.0000 (cross_validation, 5 of 5 scans), +0.0000 (cross_validation_atypical, 1 of 1 scans)" in text
    assert (tmp_path / "card" / "model-card-curves.svg").read_bytes() == (tmp_path / "out" / "learning_curves.svg").read_bytes()
    assert len(list((tmp_path / "card").glob("failure-*.png"))) == 2

    said = capsys.readouterr().out
    assert "fold3/member2 60/60 loss" in said
    assert "fold0 measured: mean slice Dice" in said


@pytest.mark.slow
def test_trained_networks_go_on_with_scans_of_other_scanners(tiny_data, tmp_path, monkeypatch):
    tiny = {"steps": 4, "batch": 4, "widths": (4, 8)}
    members = {name: replace(RECIPES[name].members[0], **tiny) for name in ("vhi", "scanners")}
    plans = {name: replace(RECIPES[name], members=(member,)) for name, member in members.items()}
    monkeypatch.setattr("lib.nets.recipes.PLANS", plans)
    for case_id in ("11", "12", "13", "14"):
        write_labelled(tiny_data, case_id)
    run(tiny_data, tmp_path, out=tmp_path / "base", folds=True, version="base")
    assert "11" not in [case.case_id for case in read_live(tmp_path / "model").manifest.training_cases]
    again = {"recipe": "scanners", "start": "base", "version": "on", "parent": "base", "out": tmp_path / "on"}
    run(tiny_data, tmp_path, folds=True, first_folds=1, start_folds=tmp_path / "base", **again)

    manifest = read_live(tmp_path / "model").manifest
    learnt = [case.case_id for case in manifest.training_cases]
    assert learnt == ["1", "11", "12", "13", "14", "2", "3", "4", "5", "7"]
    assert (manifest.recipes[0]["other"], manifest.recipes[0]["frozen_norm"]) == (2, True)
    folds = json.loads((tmp_path / "on" / "cross_validation.json").read_text())["folds"]
    assert folds == {"fold0": {"learnt": ["2", "3", "4", "12", "13", "14"], "held_out": ["1", "5", "7", "11"]}}
    run(
        tiny_data,
        tmp_path,
        out=tmp_path / "alone",
        measured=tmp_path / "on",
        **{name: again[name] for name in ("recipe", "start")} | {"version": "alone"},
    )
    borrowed = read_live(tmp_path / "model").manifest.metrics["cross_validation"]
    assert borrowed["what"].endswith("study subjects (1 folds of this recipe, 1 member(s) each)")
    assert list(borrowed["cases"]) == ["1", "5"]
    swapped = tmp_path / "base" / "cross_validation.json"
    swapped.write_text(json.dumps({"folds": {"fold0": {"learnt": ["1", "5", "7"], "held_out": []}}}))
    third = again | {"version": "third", "out": tmp_path / "x"}
    with pytest.raises(InputError, match="learnt 1, 5, 7, which measure fold0"):
        run(tiny_data, tmp_path, folds=True, first_folds=1, start_folds=tmp_path / "base", **third)


@pytest.mark.slow
def test_networks_for_another_scanner_stand_beside_those_that_they_go_on_from(tiny_data, tmp_path, monkeypatch):
    tiny = {"steps": 4, "widths": (4, 8)}
    members = {"vhi": replace(RECIPES["vhi"].members[0], shuffle=4, **tiny), "kind": replace(RECIPES["kind"].members[0], **tiny)}
    plans = {name: replace(RECIPES[name], members=(member,)) for name, member in members.items()}
    monkeypatch.setattr("lib.nets.recipes.PLANS", plans)
    run(tiny_data, tmp_path, out=tmp_path / "base", version="base")
    for case_id in ("11", "12", "13", "14"):
        write_labelled(tiny_data, case_id)
    asked = {"recipe": "kind", "start": "base", "out": tmp_path / "on", "version": "on"}
    run(tiny_data, tmp_path, folds=True, **asked)

    before, after = (read_version(tmp_path / "model", name) for name in ("base", "on"))
    old, new = (load(version.weights.read_bytes()) for version in (before, after))
    assert all(torch.equal(new[name], tensor) for name, tensor in old.items())
    own = {name.removeprefix("kind1.") for name in set(new) - set(old)}
    assert {name for name in own if name.startswith("member0.")} == set(old)
    assert any(not torch.equal(new[f"kind1.{name}"], new[f"kind1.{name.replace('0', '1', 1)}"]) for name in old)
    first = read_trained(tmp_path / "on" / "fold0" / "member0", replace(members["kind"], steps=4)).state_dict()
    kept = {name: new[f"kind1.member0.{name}"].float() for name in first if f"member0.{name}" in own}
    assert kept
    assert all(torch.equal(tensor, first[name].half().float()) for name, tensor in kept.items())
    (kind,) = after.manifest.kinds
    assert (kind["members"], kind["seeds"], kind["flip"], kind["network"][1]["shuffle"]) == (4, [0] * 4, True, 2)
    assert kind["pixel_spacing_mm"] == pytest.approx(2 * TRAINING_PIXEL_SPACING_MM)
    reference = kind["reference"]
    assert (reference["what"], reference["scans"]) == (
        "scans of this kind by these networks, of which all but those of its fold learnt each",
        4,
    )
    assert len(reference["disagreements"]) == 4
    assert after.manifest.of_kind(None).pixel_spacing_mm == before.manifest.pixel_spacing_mm
    measured = after.manifest.metrics["cross_validation_kind"]
    assert (kind["name"], kind["usual"], list(measured["cases"])) == (
        "kind1",
        measured["mean_slice_dice"],
        ["11", "12", "13", "14"],
    )
    assert "11" in [case.case_id for case in after.manifest.training_cases]
    again = asked | {"version": "again", "parent": "on", "out": tmp_path / "again", "first_folds": 1}
    run(tiny_data, tmp_path, folds=True, **again)
    replaced = read_version(tmp_path / "model", "again").manifest
    assert [(one["name"], one["members"]) for one in replaced.kinds] == [("kind1", 1)]
    assert (replaced.parent, list(replaced.metrics["cross_validation_kind"]["cases"])) == ("base", ["11"])
    assert [case.case_id for case in replaced.training_cases if case.case_id[0] == "1" and len(case.case_id) == 2] == [
        "12",
        "13",
        "14",
    ]
    assert len(load(read_version(tmp_path / "model", "again").weights.read_bytes())) == 2 * len(old)
    with pytest.raises(InputError, match="--start VERSION"):
        run(tiny_data, tmp_path, folds=True, **asked | {"start": None, "out": tmp_path / "none", "version": "none"})
    with pytest.raises(InputError, match="leave out --network, --with-test"):
        run(tiny_data, tmp_path, folds=True, with_test=True, **asked | {"out": tmp_path / "none", "version": "none"})
    with pytest.raises(InputError, match="those of the folds; pass --folds"):
        run(tiny_data, tmp_path, **asked | {"out": tmp_path / "none", "version": "none"})


def write_labelled(data: Path, case_id: str) -> None:
    """A larger scan of another scanner, whose bone is labelled 2 and 3."""
    write_scan(data, "images_other/T1W", None, case_id, size=40)
    labels = np.zeros((40, 40, 3), np.uint8)
    labels[10:30, 10:20, :2], labels[10:30, 20:30, :2] = 2, 3
    folder = data / "segmentations" / "bones_other"
    folder.mkdir(parents=True, exist_ok=True)
    write_labels(folder / f"{case_id}_labels.nii.gz", labels, Grid(labels.shape, AFFINE))
    (folder / "labels.json").write_text('{"region": [2], "partly": [3]}')


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_networks(tiny_data, tmp_path):
    """Killed in the first network, in the last, and while nothing is left to train but the version is not there yet."""
    run(tiny_data, tmp_path, out=tmp_path / "whole", model_dir=tmp_path / "whole-model")
    script = (
        "import multiprocessing, sys; from pathlib import Path; import lib.nets.recipes as recipes\n"
        "import lib.nets.pool_imports; from lib.training import process_pool; from cli.test_train import run, tiny_plans\n"
        "process_pool.get_context = lambda method: multiprocessing.get_context('fork')  # torch is imported once\n"
        "process_pool.fork_server.begin = lambda *modules: False\n"
        "recipes.PLANS = tiny_plans()\n"
        "run(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    driver = tmp_path / "driver.py"
    driver.write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(APP), str(Path(__file__).parents[1])])}
    for seen in ("member0/curve.csv", "pseudo_labels/8.npy", "member2/curve.csv"):
        process = forks().start([str(driver), str(tiny_data), str(tmp_path)], tmp_path, environment, tmp_path / "said.txt")
        while process.poll() is None and not (tmp_path / "out" / "ensemble" / seen).exists():
            time.sleep(0.02)
        process.kill()
        process.wait(60)
        assert (tmp_path / "out" / "ensemble" / seen).exists()
    if not (tmp_path / "model").exists():
        run(tiny_data, tmp_path)
    whole, again = (read_live(tmp_path / name).manifest for name in ("whole-model", "model"))
    assert again.sha256 == whole.sha256


@pytest.mark.slow
def test_own_data_needs_study_scans_alone_and_a_budget_in_cpu_time_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.nets.recipes.PLANS", tiny_plans())
    for n in range(1, 3):
        write_scan(tmp_path / "data", "images_study/T1W", "segmentations/disease_region", str(n))
    run(tmp_path / "data", tmp_path, folds=True, ensemble=False, cpu_minutes=0.01)
    budget = json.loads((tmp_path / "out" / "budget.json").read_text())
    assert budget["asked"] == {"cpu_minutes": 0.01}
    assert sorted(budget["steps"]) == ["vhi-student", "vhi-student-quarter", "vhi-teacher"]
    for name, steps in budget["steps"].items():
        assert steps == round(0.6 / budget["tried_s_per_step"][name])
    content = json.loads((tmp_path / "out" / "cross_validation.json").read_text())
    assert list(content["cross_validation"]["cases"]) == ["1", "2"]
    assert content["cross_validation_atypical"] is None
    assert sorted(content["dice_against_cpu"]) == sorted(budget["steps"])
    assert content["dice_against_cpu"]["vhi-student"]["points"][-1]["cpu_minutes"] > 0
    assert not (tmp_path / "model").exists()
    run(tmp_path / "data", tmp_path, members=1, steps=3, out=tmp_path / "one", baseline=tmp_path / "out")
    one = read_live(tmp_path / "model").manifest
    assert one.metrics is not None
    assert one.members == 1
    assert one.metrics["baseline"] == content
    with pytest.raises(InputError, match=r"cross_validation.json cannot be read"):
        run(tmp_path / "data", tmp_path, version="two", baseline=tmp_path / "one")
    with pytest.raises(InputError, match=r"holds a run of recipe vhi with --cpu-minutes 0.01, asked is vhi with --steps 5"):
        run(tmp_path / "data", tmp_path, folds=True, ensemble=False, steps=5)


def test_an_existing_version_is_refused_before_training(tiny_data, tmp_path):
    (tmp_path / "model" / "versions" / "one").mkdir(parents=True)
    with pytest.raises(InputError, match="never overwritten"):
        run(tiny_data, tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_folder_in_which_another_command_trains_is_refused(tiny_data, tmp_path):
    import fcntl

    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="Another command is training in"):
            run(tiny_data, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "slow"}, "no recipe 'slow'; choose one of vhi"),
        ({"steps": 5, "cpu_minutes": 1.0}, "choose one budget"),
        ({"ensemble": False}, "nothing to train"),
    ],
)
def test_what_cannot_be_trained_is_refused(tiny_data, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        run(tiny_data, tmp_path, **options)


def test_one_scan_cannot_be_cross_validated(tmp_path):
    write_scan(tmp_path / "data", "images_study/T1W", "segmentations/disease_region", "1")
    with pytest.raises(InputError, match="at least two labelled study scans"):
        run(tmp_path / "data", tmp_path, folds=True)
