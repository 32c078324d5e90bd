"""`measure --proposal` and `train-cleaning`, through the command line; the loop from a submission to a new version."""

import json

import numpy as np
import pytest

from lib.cleaning.model import load_cleaning
from lib.cli.proposal import CLEANING_DIR
from lib.core.volume import Mask
from lib.phantom.study import make_phantom
from lib.service.service import VhiService
from lib.studies.nifti import read_labels, write_mask, write_volume


def numbers(out):
    return json.loads((out / "vhi.json").read_text())


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Four phantoms as labelled scans: both readers kept the true lesions, the second only those on the left too."""
    data = tmp_path_factory.mktemp("labelled")
    for name in ("T1W", "STIR"):
        (data / "images_study" / name).mkdir(parents=True)
    masks = {name: data / "segmentations" / name for name in ("disease_region", "normal_marrow")}
    readings = {name: data / "segmentations" / "inflammation_manual" / name for name in ("R11", "R21")}
    for folder in (*masks.values(), *readings.values()):
        folder.mkdir(parents=True)
    for seed in range(4):
        study = make_phantom(seed, (112, 112, 9), n_lesions=6)
        write_volume(data / "images_study" / "T1W" / f"p{seed}_T1W.nii.gz", study.t1w)
        write_volume(data / "images_study" / "STIR" / f"p{seed}_STIR.nii.gz", study.stir)
        write_mask(masks["disease_region"] / f"p{seed}_disease_region.nii.gz", study.disease_region)
        write_mask(masks["normal_marrow"] / f"p{seed}_normal_marrow.nii.gz", study.normal_bone)
        left = study.grid.world_mm(np.indices(study.grid.shape).transpose(1, 2, 3, 0))[..., 0] < 0
        for name, kept in (("R11", study.lesions > 0), ("R21", (study.lesions > 0) & left)):
            write_mask(readings[name] / f"p{seed}_inflammation_{name}.nii.gz", Mask(kept, study.grid))
    return data


@pytest.fixture(scope="module")
def trained(labelled, tmp_path_factory):
    """A version from the readers' masks."""
    from typer.testing import CliRunner

    from lib.cli.app import app

    root = tmp_path_factory.mktemp("model") / "cleaning"
    arguments = ["train-cleaning", "--data", str(labelled), "--model-dir", str(root), "--version", "first"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return root


@pytest.mark.slow
def test_readers_masks_become_a_live_version_that_keeps_their_disagreement(trained):
    model = load_cleaning(trained)
    assert [one.case_id for one in model.tables if one.as_measured] == ["p0", "p1", "p2", "p3"]
    assert all(one.readers == ("R1", "R2") for one in model.tables)
    assert any((one.kept[:, 0] != one.kept[:, 1]).any() for one in model.tables)


@pytest.mark.slow
def test_submissions_become_a_version_of_the_site_that_was_held_against_the_live_one(run, trained, labelled, tmp_path):
    studies = tmp_path / "studies"
    studies.mkdir()
    for seed in (10, 11, 12, 13):
        study = make_phantom(seed, (112, 112, 9), n_lesions=6)
        case = f"s{seed}"
        write_volume(studies / f"{case}_T1W.nii.gz", study.t1w)
        write_volume(studies / f"{case}_STIR.nii.gz", study.stir)
        service = VhiService(studies, cleaning_dir=trained)
        for name, mask in (("disease region", study.disease_region), ("normal bone", study.normal_bone)):
            service.submit(f"{case}_STIR", mask.data.astype(np.uint8), study.grid, [(name, 1)], reader="anna")
        result = service.vhi(f"{case}_STIR", "anna", {"proposal": "show"})
        kept = result.labels.astype(bool) & (study.lesions > 0)
        service.submit(f"{case}_STIR", kept.astype(np.uint8), study.grid, [("inflammation", 1)], reader="anna")
    # which side a patient is on follows from the id alone; the file says it for good
    root = studies / ".vhi" / "retraining"
    root.mkdir(exist_ok=True)
    from lib.retraining.holdout import HoldOut

    HoldOut(root, 1.0).write_down({f"s{seed}": f"s{seed}" for seed in (10, 12, 13)})
    HoldOut(root, 0.0).write_down({"s11": "s11"})
    options = ["train-cleaning", "--studies", str(studies), "--model-dir", str(trained), "--version", "second"]
    ended = run(options)
    own = studies / ".vhi" / "models" / "cleaning"
    assert ended.code in (0, 3), ended
    assert "4 readings of 4 cases, 3 cases held out" in ended.out
    assert ended.out.count("On the hold-out (3 cases) its ") == 2
    live = load_cleaning(own)
    assert live.version == ("second" if ended.code == 0 else "first")
    assert ("Version second is live" if ended.code == 0 else "Refused, the live version stays") in ended.out
    if ended.code == 0:
        assert {one.case_id for one in live.tables} == {"p0", "p1", "p2", "p3", "s11"}
    assert load_cleaning(trained).version == "first"
    after = VhiService(studies, cleaning_dir=trained).vhi("s11_STIR", "ben", {"proposal": "show"})
    assert after.facts["proposal"]["version"] == live.version


def test_without_a_source_there_is_one_sentence(run):
    ended = run(["train-cleaning"])
    assert (ended.code, ended.error.strip()) == (2, "Pass --data for labelled scans, or --studies for what readers submitted.")


@pytest.mark.slow
def test_show_lists_every_lesion_and_measures_as_before(run, study, tmp_path):
    off, show = tmp_path / "off", tmp_path / "show"
    assert run(study.arguments(off)).code == 0
    ended = run(study.arguments(show, proposal="show"))
    assert ended.code == 0, ended
    before, found = numbers(off), numbers(show)
    assert found["vhi_mm3"] == before["vhi_mm3"]
    assert (found["stage"], before["stage"]) == ("raw", "raw")
    assert before["stages"]["proposed"] is None
    assert [one["id"] for one in found["proposal"]["lesions"]] == [one["id"] for one in found["lesions"]]
    kept = sum(one["mm3"] for one in found["proposal"]["lesions"] if one["keep"])
    assert found["stages"]["proposed"]["vhi_mm3"]["sensitive"] == pytest.approx(kept)
    assert "Proposed volume" in ended.out


def test_apply_leaves_out_what_is_removed(run, study, tmp_path):
    out = tmp_path / "apply"
    ended = run(study.arguments(out, proposal="apply"))
    assert ended.code == 0, ended
    content = numbers(out)
    assert content["stage"] == "proposed"
    assert content["vhi_mm3"]["sensitive"] == pytest.approx(content["stages"]["proposed"]["vhi_mm3"]["sensitive"])
    labels, _ = read_labels(out / "lesions.nii.gz", "lesions")
    assert np.count_nonzero(labels) == content["voxels"]["sensitive"]
    assert content["proposal"]["version"] == load_cleaning(CLEANING_DIR).version


def test_another_word_is_refused(run, study, tmp_path):
    ended = run(study.arguments(tmp_path / "out", proposal="perhaps"))
    assert ended.code == 2
    assert "--proposal is 'perhaps'; it must be off, show or apply." in ended.error
