"""Somebody's bundle: what becomes a member, what is refused, and that its answers are those that MONAI gives."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load
from typer.testing import CliRunner

from bundling import SHIPPED, another_bundle
from lib.bundles.foreign import read_bundle
from lib.bundles.importing import members_of, version_of, with_members
from lib.cli.app import app
from lib.cli.ensemble import MODEL_DIR
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM, NetworkFrame, normalise_t1w
from lib.core.volume import Grid, Volume
from lib.errors import InputError, ModelError
from lib.nets.stack import turning
from lib.nets.unet import UNet
from lib.nets.weights import load_members, pack, pack_onto
from lib.training.scans import probabilities
from lib.versions import Manifest, publish, read_live, read_version

pytestmark = pytest.mark.slow

NAMES = {"version": "new", "created": "2026-01-01T00:00:00+00:00", "code_version": "0"}


def two_inputs(meta, inference):
    meta["network_data_format"]["inputs"]["prompt"] = meta["network_data_format"]["inputs"]["image"]


def two_channels(meta, inference):
    meta["network_data_format"]["inputs"]["image"] |= {"num_channels": 2, "channel_def": {"0": "T1W", "1": "STIR"}}


def no_channel_def(meta, inference):
    del meta["network_data_format"]["outputs"]["pred"]["channel_def"]


def two_classes(meta, inference):
    meta["network_data_format"]["outputs"]["pred"] |= {
        "num_channels": 3,
        "channel_def": {"0": "background", "1": "ilium", "2": "sacrum"},
    }


def own_code(meta, inference):
    inference["network_def"]["_target_"] = "scripts.network.Net"


def an_expression(meta, inference):
    inference["network_def"]["init_filters"] = "$print('ran') or 8"


def wrong_spacing(meta, inference):
    inference["preprocessing"]["transforms"][3]["pixdim"] = [1.5, 1.5, 2.0]


def slices_resampled(meta, inference):
    inference["preprocessing"]["transforms"][3]["pixdim"] = [0.6, 1.0, 0.6]


def no_spacing(meta, inference):
    del inference["preprocessing"]["transforms"][3]


def no_orientation(meta, inference):
    del inference["preprocessing"]["transforms"][2]


def hounsfield(meta, inference):
    inference["preprocessing"]["transforms"][4] = {
        "_target_": "ScaleIntensityRanged",
        "keys": "image",
        "a_min": -57,
        "a_max": 164,
    }


def intensities(*steps):
    """Puts transforms of intensity, by name and arguments, in place of the bundle's."""

    def change(meta, inference):
        inference["preprocessing"]["transforms"][4:5] = [
            {"_target_": f"{name}d", "keys": "image", **rest} for name, rest in steps
        ]

    return change


BY_FIXED_NUMBERS = ("NormalizeIntensity", {"subtrahend": 300, "divisor": 150})
BY_ITSELF = ("NormalizeIntensity", {"nonzero": True})
BY_A_FACTOR = ("ScaleIntensity", {"minv": None, "maxv": None, "factor": -0.5})
CLIPPED = ("ClipIntensityPercentiles", {"lower": 1, "upper": 99})
SOFTLY_CLIPPED = ("ClipIntensityPercentiles", {"lower": 1, "upper": 99, "sharpness_factor": 10.0})


def a_transform_in_code(meta, inference):
    inference["preprocessing"]["transforms"].append("$lambda scan: scan")


def the_largest_of_three(meta, inference):
    two_classes(meta, inference)
    meta["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "background", "1": "bone", "2": "background"}


def sigmoid_and_argmax(meta, inference):
    inference["postprocessing"]["transforms"][0] = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}


def no_activation(meta, inference):
    inference["postprocessing"]["transforms"] = [{"_target_": "SaveImaged", "keys": "pred"}]


def another_inferer(meta, inference):
    inference["inferer"] = {"_target_": "scripts.inferer.Mine"}


def another_network(meta, inference):
    inference["network_def"]["init_filters"] = 16


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (two_inputs, "has 2 inputs"),
        (two_channels, "has 2 inputs, the channels T1W, STIR"),
        (no_channel_def, "does not say what the channels of pred are"),
        (two_classes, "has the classes ilium, sacrum; say with --class"),
        (own_code, "is scripts.network.Net, code that comes with no part of MONAI and is not run"),
        (an_expression, "expression .*code of a bundle is not run"),
        (wrong_spacing, "works at a spacing of 1.5 x 1.5 x 2 mm"),
        (slices_resampled, "works at a spacing of 0.6 x 1 x 0.6 mm"),
        (no_spacing, "does not say at what spacing"),
        (no_orientation, "does not say how volumes are turned"),
        (hounsfield, "prepares scans by ScaleIntensityRange, which"),
        (intensities(), "leaves intensities in the scanner's units, or shifts or divides them by fixed numbers"),
        (intensities(BY_FIXED_NUMBERS), "leaves intensities in the scanner's units"),
        (intensities(BY_FIXED_NUMBERS, BY_ITSELF), "leaves intensities in the scanner's units"),
        (intensities(("NormalizeIntensity", {"divisor": 150})), "leaves intensities in the scanner's units"),
        (intensities(BY_A_FACTOR), "leaves intensities in the scanner's units"),
        (intensities(CLIPPED), "leaves intensities in the scanner's units"),
        (intensities(SOFTLY_CLIPPED, BY_ITSELF), "leaves intensities in the scanner's units"),
        (intensities((*BY_ITSELF[:1], {"_disabled_": True})), "leaves intensities in the scanner's units"),
        (a_transform_in_code, "preprocessing of .* has '.lambda scan: scan' where a transform is needed"),
        (the_largest_of_three, r"takes the largest of 3 classes \(argmax\)"),
        (sigmoid_and_argmax, r"takes the largest of 2 classes \(argmax\)"),
        (no_activation, "does not say how answers become probabilities"),
        (another_inferer, "answers by scripts.inferer.Mine"),
        (another_network, "are not those of the network that its configuration names"),
    ],
)
def test_what_cannot_be_a_member_is_refused_in_one_sentence(tmp_path, capsys, change, sentence):
    with pytest.raises(ModelError, match=sentence):
        read_bundle(another_bundle(tmp_path, change))
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "steps",
    [
        (BY_ITSELF,),
        (CLIPPED, BY_A_FACTOR, BY_ITSELF),
        (("ScaleIntensity", {}), ("NormalizeIntensity", {"subtrahend": 0.5, "divisor": 0.5})),
        (("ScaleIntensityRangePercentiles", {"lower": 1, "upper": 99, "b_min": 0, "b_max": 1}), SOFTLY_CLIPPED),
    ],
)
def test_fixed_numbers_may_follow_where_each_scan_was_normalised_by_itself(tmp_path, steps):
    (layout,) = read_bundle(another_bundle(tmp_path, intensities(*steps))).layouts
    assert layout["intensity"] == [{"name": name, "arguments": arguments} for name, arguments in steps]


def test_transforms_that_monai_leaves_out_are_left_out_here(tmp_path):
    def disabled(meta, inference):
        inference["off"] = True
        intensities(BY_ITSELF, ("ScaleIntensity", {"_disabled_": "@off"}), ("ScaleIntensityRange", {"_disabled_": "True"}))(
            meta, inference
        )
        inference["postprocessing"]["transforms"] += [{"_target_": "AsDiscreted", "threshold": 0.3, "_disabled_": True}]

    (layout,) = read_bundle(another_bundle(tmp_path, disabled)).layouts
    assert [step["name"] for step in layout["intensity"]] == ["NormalizeIntensity"]


def test_a_pickle_that_would_call_something_is_not_loaded(tmp_path):
    folder = another_bundle(tmp_path)
    torch.save({"weight": Path("somewhere")}, folder / "models" / "model.pt")
    with pytest.raises(ModelError, match="holds Python objects, which can run code and are never loaded"):
        read_bundle(folder)


def test_a_bundle_without_its_weights_is_refused(tmp_path):
    folder = another_bundle(tmp_path)
    (folder / "models" / "model.pt").unlink()
    with pytest.raises(InputError, match=r"model.pt cannot be read"):
        read_bundle(folder)


def test_a_class_is_chosen_by_its_name(tmp_path):
    def three(meta, inference):
        two_classes(meta, inference)
        inference["postprocessing"]["transforms"][1] = {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5}

    arguments = {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 3,
        "init_filters": 8,
        "blocks_down": [1, 1],
        "blocks_up": [1],
    }
    folder = another_bundle(tmp_path, three, network=arguments)
    assert read_bundle(folder, foreground="sacrum").layouts[0]["channel"] == 2
    with pytest.raises(ModelError, match="no class 'femur'; its classes are ilium, sacrum"):
        read_bundle(folder, foreground="femur")


def test_a_network_of_an_installed_package_is_made_when_it_is_allowed(tmp_path, monkeypatch):
    def full_name(meta, inference):
        inference["network_def"]["_target_"] = "bone_laboratory.Net"

    (tmp_path / "bone_laboratory.py").write_text("from monai.networks.nets import SegResNet\nclass Net(SegResNet): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    folder = another_bundle(tmp_path / "bundle", full_name)
    with pytest.raises(ModelError, match="pass --allow bone_laboratory.Net"):
        read_bundle(folder)
    assert "bone_laboratory" not in sys.modules
    assert read_bundle(folder, allowed=["bone_laboratory.Net"]).layouts[0]["name"] == "bone_laboratory.Net"
    assert members_of(*version_of(read_bundle(folder, allowed=["bone_laboratory.Net"]), **NAMES))


# oblique coronal at the training spacing, leaning 30 degrees; the file's axes are columns, rows, slices
def oblique(front: bool, shape: tuple[int, int, int] = (40, 48, 6), air: int = 0) -> Volume:
    lean = np.deg2rad(30.0)
    across = np.array([0.0, np.cos(lean), -np.sin(lean)]) * (1 if front else -1)
    affine = np.eye(4)
    affine[:3, 0] = np.array([-1.0, 0, 0]) * TRAINING_PIXEL_SPACING_MM
    affine[:3, 1] = np.array([0.0, -np.sin(lean), -np.cos(lean)]) * TRAINING_PIXEL_SPACING_MM
    affine[:3, 2] = across * 3.3
    data = np.random.default_rng(1).random(shape) * 900
    inside = np.zeros(shape, dtype=bool)
    inside[air : shape[0] - air, air : shape[1] - air] = True
    return Volume(np.where(inside, data, 0.0), Grid(shape, affine), "T1W")


def answered_by_monai(folder: Path, scan: Volume) -> np.ndarray:
    """`(I, J, K)` probability as the bundle's own configuration makes it, by MONAI alone and back on the scan's grid."""
    from monai.bundle import ConfigParser
    from monai.data import MetaTensor
    from monai.transforms import Compose, Orientation, Orientationd

    config = ConfigParser(json.loads((folder / "configs" / "inference.json").read_text()))
    net = config.get_parsed_content("network_def").eval()
    net.load_state_dict(torch.load(folder / "models" / "model.pt"))
    # reading and Spacingd left out: the scan is in memory, and has that spacing
    steps = [one for one in config.get_parsed_content("preprocessing").transforms if type(one).__name__ in KEPT]
    image = MetaTensor(torch.from_numpy(scan.data.astype(np.float32))[None], affine=torch.from_numpy(scan.grid.affine.copy()))
    prepared = Compose(steps)({"image": image})["image"]
    assert any(isinstance(one, Orientationd) for one in steps)
    with torch.inference_mode():
        answers = config.get_parsed_content("inferer")(prepared[None], net).softmax(1)[0, 1:2]
    there = MetaTensor(answers.as_tensor(), affine=prepared.affine)
    from nibabel.orientations import aff2axcodes

    return Orientation(axcodes="".join(aff2axcodes(scan.grid.affine)))(there)[0].numpy()


KEPT = ("Orientationd", "NormalizeIntensityd", "EnsureTyped")


def slice_by_slice(meta, inference):
    inference["network_def"] |= {"spatial_dims": 2}
    inference["inferer"] = {
        "_target_": "SliceInferer",
        "roi_size": [32, 32],
        "spatial_dim": 1,
        "sw_batch_size": 3,
        "overlap": 0.5,
    }


TWO_D = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize(("change", "network"), [(None, None), (slice_by_slice, TWO_D)])
def test_a_member_answers_as_monai_does_whichever_way_the_slices_run(tmp_path, change, network, front):
    folder = another_bundle(tmp_path, *([change] if change else []), network=network)
    (member,) = members_of(*version_of(read_bundle(folder), **NAMES))
    scan = oblique(front)
    probability, _ = probabilities(scan, [member])
    expected = answered_by_monai(folder, scan)
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(probability, expected, atol=2e-5)


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("nonzero", [True, False])
def test_a_member_sees_the_air_round_the_body_as_it_does_in_monai(tmp_path, nonzero, front):
    folder = another_bundle(tmp_path, intensities(("NormalizeIntensity", {"nonzero": nonzero})))
    (member,) = members_of(*version_of(read_bundle(folder), **NAMES))
    scan = oblique(front, air=5)
    body = NetworkFrame.of(scan).body
    assert body == (slice(5, 35), slice(5, 43))
    probability, _ = probabilities(scan, [member])
    np.testing.assert_allclose(probability[body], answered_by_monai(folder, scan)[body], atol=2e-5)
    probability[body] = 0
    assert not probability.any(), "beyond the body nothing counts as bone"


def test_a_network_of_several_slices_sees_the_neighbours_towards_the_front(tmp_path):
    def three_slices(meta, inference):
        slice_by_slice(meta, inference)
        inference["network_def"] |= {"in_channels": 3}
        meta["network_data_format"]["inputs"]["image"] |= {
            "num_channels": 3,
            "channel_def": {"0": "slice -1", "1": "slice 0", "2": "slice +1"},
        }

    folder = another_bundle(tmp_path, three_slices, network=TWO_D | {"in_channels": 3})
    imported = read_bundle(folder)
    assert imported.layouts[0]["neighbours"] == [-1, 0, 1]
    (member,) = members_of(*version_of(imported, **NAMES))
    seen = {}

    def net(channels):
        seen.setdefault("slices", []).append(channels[:, :, 0, 0].clone())
        return torch.zeros(len(channels), 2, *channels.shape[2:])

    member.net, member.steps = net, []
    # each slice holds its number from back to front
    member(np.broadcast_to(np.arange(4.0)[:, None, None], (4, 32, 32)))
    assert {tuple(one) for part in seen["slices"] for one in part.tolist()} == {(0, 0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 3)}


def test_turning_makes_a_stack_run_along_the_axes_of_the_bundle():
    # columns to the left are turned to run right, slices already run to the front, rows to the feet are turned to run up
    assert turning("RAS") == ((2, 0, 1), (0, 2))
    assert turning("LPI") == ((2, 0, 1), (1,))


def test_an_exported_version_imported_again_holds_the_same_networks(exported):
    imported = read_bundle(exported)
    manifest, weights = version_of(imported, **NAMES)
    shipped = read_version(MODEL_DIR, SHIPPED)
    before, after = load(shipped.weights.read_bytes()), load(weights)
    assert manifest.networks == shipped.manifest.networks
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor.float(), rtol=0, atol=0)


def test_an_exported_version_imported_again_gives_the_same_answers(exported):
    from lib.nets.weights import load_members

    again = members_of(*version_of(read_bundle(exported), **NAMES))
    scan = oblique(True, (64, 64, 2))
    slices = NetworkFrame.of(scan).slices(normalise_t1w(scan))
    for first, second in zip(load_members(MODEL_DIR, SHIPPED), again, strict=True):
        np.testing.assert_array_equal(first(slices), second(slices))


def test_a_bundle_is_measured_beside_the_live_version_and_kept_with_the_gate_s_word(tmp_path, tiny_version, small_phantoms):
    root = tmp_path / "models"
    shutil.copytree(tiny_version[0], root)
    # as few windows as the phantoms allow
    folder = another_bundle(tmp_path / "bundle", lambda meta, inference: inference.update(window=[112, 8, 112]))
    ran = CliRunner().invoke(
        app, ["models", "import-bundle", str(folder), "--as-member", "--name", "two", "--model-dir", str(root)]
    )
    manifest = read_version(root, "two").manifest
    assert manifest.gate is not None
    assert (ran.exit_code == 0) == manifest.gate["accepted"], ran.output
    assert manifest.gate["compared"]["phantoms"]["cases"] == 7
    assert (manifest.parent, manifest.members) == ("tiny", 3)
    assert manifest.networks[2]["name"] == "SegResNet"
    assert read_live(root).manifest.version == "tiny"
    again = CliRunner().invoke(
        app, ["models", "import-bundle", str(folder), "--as-version", "--name", "two", "--model-dir", str(root)]
    )
    assert again.exit_code == 2
    assert "versions are never overwritten" in again.output


def test_one_of_two_ways_to_import_must_be_chosen(tmp_path):
    ran = CliRunner().invoke(app, ["models", "import-bundle", str(tmp_path)])
    assert ran.exit_code == 2
    assert "either --as-member or --as-version" in ran.output


def test_networks_for_a_kind_of_scans_stay_as_they_are_beside_a_bundles(tmp_path):
    plain, own = UNet((4, 8), 2, bias=False), UNet((4, 8), 2, bias=False)
    alone = Manifest(
        version="one", created=NAMES["created"], code_version="0", sha256="", members=1, flip=False,
        network={"widths": [4, 8], "shuffle": 2, "bias": False}, pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM,
        recipes=[{"name": "tiny"}], seeds=[0], training_cases=[],
    )  # fmt: skip
    parent = publish(tmp_path / "models", alone, pack([plain]))
    kind = {"name": "kind1", "protocol": {"pixel_mm": 0.9, "slice_mm": 5.0, "field_mm": 350.0, "lean_deg": 0.0}}
    publish(tmp_path / "models", replace(alone, version="two", kinds=[kind]), pack_onto(parent, [own], "kind1"))
    live = read_version(tmp_path / "models", "two")
    members = members_of(*with_members(live, read_bundle(another_bundle(tmp_path / "bundle")), **NAMES))
    slices = np.random.default_rng(0).random((2, 32, 32), dtype=np.float32)
    assert (len(members), [len(its) for _, its in members.kinds]) == (2, [1])
    before = load_members(tmp_path / "models", "two").kinds[0][1][0](slices)
    np.testing.assert_array_equal(members.kinds[0][1][0](slices), before)
