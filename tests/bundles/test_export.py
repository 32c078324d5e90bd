"""A version as a bundle: complete, sound by MONAI's own checks, and with the program's own masks."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from bundling import SHIPPED, run_in
from lib.bundles.export import _files, _for_all_scans, export_bundle, scripts
from lib.cli.ensemble import MODEL_DIR
from lib.core.disease_region import segment_disease_region
from lib.errors import ModelError, OutputError
from lib.nets.weights import load_members
from lib.phantom.study import make_phantom
from lib.studies.nifti import read_volume, write_mask, write_scan
from lib.versions import read_live, read_version

pytestmark = pytest.mark.slow

# the specification's mandatory keys; `optional_packages_version` has become `required_packages_version`, and MONAI says so
MANDATORY = {
    "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task", "description", "authors",
    "copyright", "network_data_format", "changelog", "schema",
}  # fmt: skip
TENSOR = {
    "type": str, "format": str, "modality": str, "num_channels": int, "spatial_shape": list, "dtype": str, "value_range": list,
    "is_patch_data": bool, "channel_def": dict,
}  # fmt: skip
INFERENCE = {"bundle_root", "device", "dataset_dir", "dataset", "evaluator", "network_def", "inferer", "output_dir"}
TRAINING = {
    "bundle_root", "device", "dataset_dir", "output_dir", "val_interval", "train#trainer#max_epochs", "train#dataset#data", "train#handlers",
    "train#inferer", "validate#evaluator", "validate#handlers", "validate#dataset#data",
}  # fmt: skip


def content_of(folder: Path, name: str) -> dict:
    return json.loads((folder / "configs" / f"{name}.json").read_text())


def has(content: dict, path: str) -> bool:
    for key in path.split("#"):
        if key not in content:
            return False
        content = content[key]
    return True


def test_the_folder_is_what_the_specification_and_the_model_zoo_ask_for(exported):
    for name in (
        "LICENSE",
        "docs/README.md",
        "docs/data_license.txt",
        "models/model.pt",
        "models/model.ts",
        "scripts/__init__.py",
    ):
        assert (exported / name).stat().st_size > 50, name
    assert max(path.stat().st_size for path in exported.rglob("*")) < 25_000_000
    assert "Apache License" in (exported / "LICENSE").read_text()
    assert f"version {SHIPPED}" in (exported / "docs" / "README.md").read_text()


def test_the_metadata_have_every_mandatory_field(exported):
    meta = content_of(exported, "metadata")
    assert meta.keys() >= MANDATORY
    assert meta["version"] in meta["changelog"]
    for tensor in (meta["network_data_format"]["inputs"]["image"], meta["network_data_format"]["outputs"]["pred"]):
        assert {name: type(tensor[name]) for name in TENSOR} == TENSOR
        assert tensor["num_channels"] == 1
    # one channel of format segmentation: its values are the classes
    assert tensor["channel_def"] == {"0": "background", "1": "disease region"}


@pytest.mark.parametrize(("name", "keys"), [("inference", INFERENCE), ("train", TRAINING)])
def test_a_configuration_has_the_keys_that_the_model_zoo_asks_for(exported, name, keys):
    assert not {key for key in keys if not has(content_of(exported, name), key)}


def test_what_a_bundle_takes_along_is_the_program_s_own_files():
    lib = Path(__file__).parents[2] / "apps" / "vhi" / "lib"
    for path, source in scripts().items():
        assert path == "__init__.py" or source == (lib / path).read_bytes()


@pytest.fixture(scope="module")
def phantom_files(tmp_path_factory) -> Path:
    """Two scans with their true regions, of few pixels, so that the networks see them resampled."""
    folder = tmp_path_factory.mktemp("scans")
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for seed in (1, 2):
        study = make_phantom(seed, (96, 112, 5))
        write_scan(folder / "images" / f"{seed}.nii.gz", study.t1w)
        write_mask(folder / "labels" / f"{seed}.nii.gz", study.disease_region)
    return folder


@pytest.fixture(scope="module")
def ran(exported, tiny_version, phantom_files, tmp_path_factory) -> dict[str, Path]:
    """Where MONAI's own commands wrote, all in one process, as importing MONAI takes longest; training is of tiny networks."""
    out, tiny = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("tiny") / "bundle"
    root, version = tiny_version
    export_bundle(read_version(root, version), tiny)
    code = f"""
import os, torch
torch.set_num_threads(1)
from monai.bundle import ckpt_export, run, verify_net_in_out
meta, configs, out, scans = "configs/metadata.json", "configs/inference.json", {str(out)!r}, {str(phantom_files)!r}
verify_net_in_out(net_id="network_def", meta_file=meta, config_file=configs, device="cpu")
ckpt_export(net_id="network_def", filepath=out + "/verified.ts", ckpt_file="models/model.pt", meta_file=meta, config_file=configs)
torch.jit.load(out + "/verified.ts"), torch.jit.load("models/model.ts")
cpu = dict(meta_file=meta, device="$torch.device('cpu')")
run(config_file=configs, dataset_dir=scans + "/images", output_dir=out + "/masks", **cpu)
run(config_file=[configs, "configs/evaluate.json"], dataset_dir=scans, output_dir=out + "/dice", **cpu)
os.chdir({str(tiny)!r})
run(config_file="configs/train.json", dataset_dir=scans, output_dir=out + "/train", **cpu, **{{"train#trainer#max_epochs": 1}})
"""
    run_in(exported, code)
    return {"out": out, "tiny": tiny}


def test_the_model_zoo_s_own_checks_pass(ran):
    assert (ran["out"] / "verified.ts").stat().st_size > 1_000_000


def test_the_bundle_s_masks_are_the_program_s_to_the_voxel(ran, phantom_files):
    members = load_members(MODEL_DIR, SHIPPED, torch.float32)
    for path in sorted((phantom_files / "images").iterdir()):
        scan = read_volume(path, "T1W")
        region = segment_disease_region(scan, members).mask
        found = nib.load(ran["out"] / "masks" / path.name.replace(".nii.gz", "_disease_region.nii.gz"))
        assert region.voxels > 500
        np.testing.assert_array_equal(np.asarray(found.dataobj) > 0, region.data)
        np.testing.assert_allclose(found.affine, scan.grid.affine, atol=1e-5)


def test_evaluate_tells_the_dice_of_each_scan(ran, phantom_files):
    rows = (ran["out"] / "dice" / "val_mean_dice_raw.csv").read_text().splitlines()[1:]
    for row in rows:
        path, dice, *_ = row.replace(",", "\t").split("\t")
        mask = nib.load(ran["out"] / "masks" / f"{Path(path).name.split('.')[0]}_disease_region.nii.gz")
        label = nib.load(phantom_files / "labels" / Path(path).name)
        a, b = (np.asarray(one.dataobj) > 0 for one in (mask, label))
        assert float(dice) == pytest.approx(2 * np.count_nonzero(a & b) / (a.sum() + b.sum()), abs=1e-4)
    assert len(rows) == 2


def test_training_goes_on_from_the_weights(ran):
    before, after = (torch.load(ran["tiny"] / "models" / name) for name in ("model.pt", "model_trained.pt"))
    assert before.keys() == after.keys()
    moved = [float((after[name] - one).abs().max()) for name, one in before.items() if name.endswith("last_layer.weight")]
    # AdamW moves a weight by about its learning rate a step: near where it was, and no longer there
    assert 0 < max(moved) < 0.05
    assert any(name.startswith("events") for name in os.listdir(ran["out"] / "train"))


def test_a_bundle_s_card_names_no_networks_that_it_does_not_hold():
    live = read_live(MODEL_DIR).manifest
    card = _files(_for_all_scans(live))["docs/README.md"].decode()
    assert live.kinds
    assert "cross_validation_kind" in live.metrics
    assert "for scans with pixels of" not in card
    assert "cross_validation_kind" not in card
    assert "0.9226" in card


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty and holds no earlier result"):
        export_bundle(read_version(MODEL_DIR, SHIPPED), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_member_that_sees_whole_stacks_cannot_be_exported(tiny_version, tmp_path):
    from dataclasses import replace

    root, version = tiny_version
    found = read_version(root, version)
    layout = {"name": "SegResNet", "arguments": {}, "inferer": {}}
    odd = replace(found, manifest=replace(found.manifest, network=[layout], members=1))
    with pytest.raises(ModelError, match="sees whole stacks"):
        export_bundle(odd, tmp_path / "bundle")
