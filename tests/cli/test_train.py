"""The whole training command on scans of a few pixels: seconds instead of minutes, the same path."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.cli.train import train
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
from lib.core.volume import Grid, Mask, Volume
from lib.errors import InputError
from lib.files import sha256_of
from lib.nets import fit
from lib.nets.weights import load_members
from lib.studies.nifti import write_mask, write_volume
from lib.versions import read_live

AFFINE = np.array([[-1.0, 0, 0, 0], [0, 0, -5, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]]) * np.array(
    [TRAINING_PIXEL_SPACING_MM] * 3 + [1]
)


def write_scan(folder: Path, images: str, masks: str | None, case_id: str) -> None:
    rng = np.random.default_rng(int(case_id))
    data = rng.random((16, 16, 3))
    data[4:12, 4:12] += 2.0
    grid = Grid(data.shape, AFFINE)
    (folder / images).mkdir(parents=True, exist_ok=True)
    write_volume(folder / images / f"{case_id}_T1W.nii.gz", Volume(data, grid))
    if masks:
        (folder / masks).mkdir(parents=True, exist_ok=True)
        write_mask(folder / masks / f"{case_id}_disease_region.nii.gz", Mask(data > 1.5, grid))


@pytest.fixture
def tiny_data(tmp_path, monkeypatch) -> Path:
    tiny = replace(fit.QUICK, steps=4, batch=4, widths=(4, 8))
    monkeypatch.setattr(fit, "QUICK", tiny)
    monkeypatch.setattr(fit, "STUDENT", replace(tiny, name="quick-student", pseudo=2))
    monkeypatch.setattr("lib.cli.train.FOLD_STEPS", 3)
    for n in range(1, 5):
        write_scan(tmp_path / "data", "images_study/T1W", "segmentations/disease_region", str(n))
    write_scan(tmp_path / "data", "images_atypical/T1W", "segmentations/disease_region_atypical", "5")
    write_scan(tmp_path / "data", "images_unlabelled/T1W", None, "6")
    return tmp_path / "data"


@pytest.mark.slow
def test_training_publishes_a_version_beside_the_existing_ones_and_resumes(tiny_data, tmp_path):
    model_dir = tmp_path / "model"
    train(
        data=tiny_data, out=tmp_path / "out", model_dir=model_dir, recipe="quick", folds=True, version="one", parent=None, jobs=2
    )
    manifest = read_live(model_dir).manifest
    assert (manifest.version, manifest.members, manifest.seeds) == ("one", 3, [0, 1, 2])
    assert [case.case_id for case in manifest.training_cases] == ["1", "2", "3", "4"]
    label = tiny_data / "segmentations/disease_region/1_disease_region.nii.gz"
    assert manifest.training_cases[0].label_sha256 == sha256_of(label)
    assert manifest.unlabelled_cases == ["6"]
    assert [recipe["name"] for recipe in manifest.recipes] == ["quick", "quick", "quick-student"]
    assert manifest.metrics is not None
    assert sorted(manifest.metrics["cross_validation"]["cases"]) == ["1", "2", "3", "4"]
    assert list(manifest.metrics["atypical"]["cases"]) == ["5"]
    assert manifest.metrics["test"] is None
    assert len(load_members(model_dir)) == 3
    assert (tmp_path / "out" / "fold3" / "curve.csv").exists()

    before = (model_dir / "versions" / "one" / "manifest.json").read_bytes()
    train(
        data=tiny_data,
        out=tmp_path / "out",
        model_dir=model_dir,
        recipe="quick",
        folds=False,
        version="two",
        parent="one",
        jobs=1,
    )
    again = read_live(model_dir).manifest
    assert (again.version, again.parent) == ("two", "one")
    assert again.sha256 == manifest.sha256, "a finished run is taken up, not trained again"
    assert (model_dir / "versions" / "one" / "manifest.json").read_bytes() == before
    assert json.loads((model_dir / "live.json").read_text()) == {"version": "two"}


def test_an_existing_version_is_refused_before_training(tiny_data, tmp_path):
    (tmp_path / "model" / "versions" / "one").mkdir(parents=True)
    with pytest.raises(InputError, match="never overwritten"):
        train(data=tiny_data, out=tmp_path / "out", model_dir=tmp_path / "model", version="one")
    assert not (tmp_path / "out").exists()


def test_an_unknown_recipe_is_refused(tiny_data, tmp_path):
    with pytest.raises(InputError, match="choose quick or paper"):
        train(data=tiny_data, out=tmp_path / "out", model_dir=tmp_path / "model", recipe="slow")
