"""Automatic regions: from the networks once, afterwards from disk."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lib.core.pipeline import measure_vhi
from lib.core.volume import Grid, Volume
from lib.errors import ConflictError, SettingsError
from lib.service.service import MODEL_DIR, VhiService
from lib.studies.nifti import read_mask, read_volume, write_volume

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture
def without_weights(tmp_path):
    """The shipped model's folder without its tensors: a network that runs shows as an error."""
    folder = shutil.copytree(MODEL_DIR, tmp_path / "model")
    for path in folder.rglob("*.safetensors"):
        path.unlink()
    return folder


def test_a_study_is_precomputed_and_the_next_start_takes_it_from_disk(phantom, without_weights):
    service = VhiService(phantom, model_dir=without_weights)
    region, bone = service.disease_region("p_T1W"), service.normal_bone("p_STIR")
    assert region.names == {"disease region": 1}
    assert bone.names == {"normal bone": 1}
    live = json.loads((MODEL_DIR / "live.json").read_text())["version"]
    assert region.facts["model_version"] == bone.facts["model_version"] == live
    assert region.facts["source"] == "ensemble of 3"
    assert 0 < region.facts["member_disagreement"] < 1
    assert 0 < region.facts["entropy"] < 1
    assert region.facts["voxels"] == int(region.labels.sum()) > 1000
    assert bone.facts["voxels"] == int(bone.labels.sum()) > 30
    assert 0.5 <= bone.facts["confidence"] <= 1
    assert service.precomputing.one_case() == 0
    json.dumps([region.facts, bone.facts], allow_nan=False)


def test_an_unusual_scan_is_told_with_its_region_and_with_vhi_and_after_a_restart(phantom, without_weights, tmp_path):
    # the phantom again, its slices turned upright: the file says coronal, where the networks know slices along the sacrum
    upright = tmp_path / "upright"
    for role in ("T1W", "STIR"):
        volume = read_volume(phantom / f"p_{role}.nii.gz", role)
        spacing = volume.grid.spacing_mm
        affine = np.eye(4)
        affine[:3, :3] = np.array([[-1, 0, 0], [0, 0, -1], [0, 1, 0]]) * spacing
        upright.mkdir(exist_ok=True)
        write_volume(upright / f"p_{role}.nii.gz", Volume(volume.data, Grid(volume.grid.shape, affine), role))
    for model_dir in (MODEL_DIR, without_weights):
        service = VhiService(upright, model_dir=model_dir)
        for facts in (service.disease_region("p_T1W").facts, service.vhi("p_STIR", None, {}).facts):
            assert any("straight coronal by the file's geometry" in warning for warning in facts["warnings"])


def test_either_series_gives_the_same_region(phantom, without_weights):
    service = VhiService(phantom, model_dir=without_weights)
    np.testing.assert_array_equal(service.disease_region("p_T1W").labels, service.disease_region("p_STIR").labels)


def test_vhi_without_any_reader_is_that_of_the_method(phantom, without_weights):
    service = VhiService(phantom, model_dir=without_weights)
    answer = service.vhi("p_STIR", None, {})
    t1w, stir = (read_volume(phantom / f"p_{role}.nii.gz", role) for role in ("T1W", "STIR"))
    (folder,) = (phantom / ".vhi" / "precomputed" / "p").iterdir()
    expected = measure_vhi(t1w, stir, disease_region=read_mask(folder / "disease_region.nii.gz", "region"))
    assert answer.facts["vhi_mm3"]["sensitive"] == expected.measurement.total.sensitive_mm3 > 0
    assert answer.facts["normal_bone"]["source"] == "proposed"
    assert answer.facts["disease_region"]["source"] == "ensemble of 3"
    assert answer.facts["used"]["disease region"] == f"automatic, model {answer.facts['model_version']}"
    assert any("proposed automatically" in warning for warning in answer.facts["warnings"])


def test_the_automatic_region_handed_in_unchanged_is_still_the_networks(phantom, without_weights):
    service = VhiService(phantom, model_dir=without_weights)
    region = service.disease_region("p_STIR")
    made = service.submit("p_STIR", region.labels, region.grid, [("disease region", 1)], reader="anna", rating="satisfactory")
    content = json.loads(service.report("p_STIR", "anna", "json").read_text())
    assert made.changes["disease region"] == {"added": 0, "removed": 0}
    assert content["disease_region"]["source"] == "ensemble of 3"
    assert content["provenance"]["model"]["version"] == region.facts["model_version"]
    assert service.vhi("p_STIR", "ben", {}).facts["used"]["disease region"] == "shared by study (0001), the proposal unchanged"


@pytest.mark.parametrize("damage", ["truncated", "missing", "other grid"])
def test_a_damaged_cache_is_computed_again(phantom, damage):
    (folder,) = (phantom / ".vhi" / "precomputed" / "p").iterdir()
    path = folder / "disease_region.nii.gz"
    before = read_mask(path, "region").data
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "missing":
        path.unlink()
    else:
        from lib.core.volume import Grid, Mask
        from lib.studies.nifti import write_mask

        write_mask(path, Mask(before[:-1], Grid((before.shape[0] - 1, *before.shape[1:]), np.eye(4))))
    np.testing.assert_array_equal(VhiService(phantom).disease_region("p_T1W").labels, before)
    np.testing.assert_array_equal(read_mask(path, "region").data, before)


def test_a_scan_that_cannot_be_used_waits_and_is_not_tried_again(phantom, without_weights):
    shutil.copy(phantom / "p_T1W.nii.gz", phantom / "q_T1W.nii.gz")
    stir = read_volume(phantom / "p_STIR.nii.gz", "STIR")
    from lib.core.volume import Grid, Volume
    from lib.studies.nifti import write_volume

    moved = stir.grid.affine.copy()
    moved[:3, 3] += 5
    write_volume(phantom / "q_STIR.nii.gz", Volume(stir.data, Grid(stir.grid.shape, moved)))
    service = VhiService(phantom, model_dir=without_weights)
    service.disease_region("p_T1W")
    assert [case.case_id for case in service.cases.index.cases] == ["p", "q"]
    assert service.precomputing.one_case() == 0
    assert [case.case_id for case in service.cases.index.cases] == ["p"]
    assert "mm apart" in service.cases.index.waiting[0].reason
    assert service.precomputing.one_case() == 0


def test_a_scan_that_was_exchanged_is_not_taken_for_the_old_one(phantom, without_weights):
    service = VhiService(phantom, model_dir=without_weights)
    service.disease_region("p_T1W")
    stir = phantom / "p_STIR.nii.gz"
    shutil.copy(phantom / "p_T1W.nii.gz", stir)
    for again in (service, VhiService(phantom, model_dir=without_weights)):
        with pytest.raises(ConflictError, match="STIR scan of case p is no longer the file"):
            again.vhi("p_STIR", "anna", {})


def test_what_was_computed_goes_with_the_scans(phantom, without_weights):
    service = VhiService(phantom, model_dir=without_weights)
    for path in phantom.glob("*.nii.gz"):
        path.unlink()
    (phantom / "other_T1W.nii.gz").write_bytes(b"")  # else the whole share seems to be away
    service.cases.refresh()
    assert service.precomputing.one_case() == 0
    assert list((phantom / ".vhi" / "precomputed").iterdir()) == []


PUBLISHED = (443.8192749, 468.7841091, 104878, 95645)


@pytest.mark.data
def test_vhi_with_the_manual_masks_submitted_is_that_of_the_command_line(vhi_data: Path, tmp_path, without_weights):
    for role in ("T1W", "STIR"):
        (tmp_path / f"1013_{role}.nii.gz").symlink_to(vhi_data / "images_study" / role / f"1013_{role}.nii.gz")
    service = VhiService(tmp_path, data=tmp_path / "data", model_dir=without_weights / "none")
    masks = vhi_data / "segmentations"
    for name, path in (
        ("disease region", masks / "disease_region" / "1013_disease_region.nii.gz"),
        ("normal bone", masks / "normal_marrow" / "1013_normal_marrow.nii.gz"),
    ):
        mask = read_mask(path, name)
        service.submit("1013_STIR", mask.data.astype(np.uint8), mask.grid, [(name, 1)], reader="anna")
    facts = service.vhi("1013_T1W", "anna", {}).facts
    sensitive, conservative, voxels, of_grade_2 = PUBLISHED
    assert facts["thresholds"]["sensitive"] == pytest.approx(sensitive, abs=5e-8)
    assert facts["thresholds"]["conservative"] == pytest.approx(conservative, abs=5e-8)
    assert (facts["voxels"]["sensitive"], facts["voxels"]["conservative"]) == (voxels, of_grade_2)


def test_thresholds_follow_the_robust_rule_from_a_proposed_normal_bone_unless_another_is_asked_for(phantom, without_weights):
    service = VhiService(phantom, model_dir=without_weights)
    found = {rule: service.vhi("p_STIR", None, {"rule": rule} if rule else {}).facts for rule in ("", "robust", "paper")}
    assert [facts["thresholds"]["rule"] for facts in found.values()] == ["robust", "robust", "paper"]
    assert found[""]["thresholds"] == found["robust"]["thresholds"]
    assert found[""]["normal_bone"]["confidence"] == service.normal_bone("p_STIR").facts["confidence"]
    with pytest.raises(SettingsError, match="rule must be auto or paper or robust, found median"):
        service.vhi("p_STIR", None, {"rule": "median"})
