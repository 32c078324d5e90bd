"""A network of MONAI from its training to the gate: trained by name, exported, taken up as a member."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from lib.cli.app import app
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM, NetworkFrame, normalise_t1w
from lib.core.volume import Grid, Mask, Volume
from lib.errors import ModelError
from lib.nets.averaging import SliceNetwork, network_of
from lib.nets.named import DEFAULTS, slice_layout
from lib.nets.recipes import PLANS, Recipe
from lib.nets.weights import load_members, load_networks, member_of
from lib.studies.nifti import write_mask, write_scan
from lib.versions import read_live, read_version

pytestmark = pytest.mark.slow

AFFINE = np.array([[-1.0, 0, 0, 0], [0, 0, -5, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]]) * np.array(
    [TRAINING_PIXEL_SPACING_MM] * 3 + [1]
)


def scan_with_square(seed: int, size: int = 64) -> tuple[Volume, Mask]:
    """Noise with a bright square of half the size, which is the region."""
    data = np.random.default_rng(seed).random((size, size, 2))
    square = slice(size // 4, 3 * size // 4)
    data[square, square] += 2.0
    grid = Grid(data.shape, AFFINE)
    return Volume(data, grid, f"scan {seed}"), Mask(data > 1.5, grid)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    images, masks = folder / "images_study" / "T1W", folder / "segmentations" / "disease_region"
    for path in (images, masks):
        path.mkdir(parents=True)
    for n in (1, 2):
        scan, region = scan_with_square(n)
        write_scan(images / f"{n}_T1W.nii.gz", scan)
        write_mask(masks / f"{n}_disease_region.nii.gz", region)
    return folder


def invoke(*arguments: object) -> str:
    ran = CliRunner().invoke(app, [str(one) for one in arguments])
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_a_segresnet_is_trained_by_name_exported_taken_up_as_a_member_and_gated(data, tiny_version, small_phantoms, tmp_path):
    root = tmp_path / "models"
    shutil.copytree(tiny_version[0], root)
    invoke(
        "train", "--data", data, "--out", tmp_path / "work", "--model-dir", root, "--recipe", "quick", "--members", 1, "--steps", 60,
        "--network", "SegResNet", "--network-args", '{"blocks_down": [1, 1], "blocks_up": [1]}', "--version", "seg", "--no-live",
        "--tensorboard", "--jobs", 1,
    )  # fmt: skip
    trained = read_version(root, "seg").manifest
    assert trained.networks[0]["name"] == "SegResNet"
    assert Recipe.from_dict(trained.recipes[0], trained.networks[0]).layout() == trained.networks[0]
    found, truth = answer_of(load_members(root, "seg")[0], scan_with_square(9)[0]) >= 0.5, scan_with_square(9)[1].data
    assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > 0.9

    shown = events_of(tmp_path / "work" / "tensorboard" / "ensemble" / "member0")
    curve = (tmp_path / "work" / "ensemble" / "member0" / "curve.csv").read_text().splitlines()
    assert [step for step, _ in shown["loss"]] == [int(row.split(",")[0]) for row in curve[1:]]
    np.testing.assert_allclose([value for _, value in shown["loss"]], [float(row.split(",")[3]) for row in curve[1:]], rtol=1e-6)

    invoke("models", "export-bundle", "seg", tmp_path / "bundle", "--model-dir", root)
    assert torch.jit.load(tmp_path / "bundle" / "models" / "model.ts")(torch.rand(1, 1, 50, 40)).shape == (1, 1, 50, 40)
    ran = CliRunner().invoke(
        app, ["models", "import-bundle", str(tmp_path / "bundle"), "--as-member", "--name", "with-seg", "--model-dir", str(root)]
    )
    assert "phantoms: 7 cases" in ran.output
    together = read_version(root, "with-seg")
    assert together.manifest.gate["compared"]["phantoms"]["cases"] == 7
    assert (ran.exit_code == 0) == together.manifest.gate["accepted"], ran.output
    assert [layout.get("name", "UNet") for layout in together.manifest.networks] == ["UNet", "UNet", "SegResNet"]
    for name, tensor in load_networks(together)[2].state_dict().items():
        torch.testing.assert_close(tensor, load_networks(read_version(root, "seg"))[0].state_dict()[name], rtol=0, atol=0)
    assert read_live(root).manifest.version == "tiny"


def answer_of(member, scan: Volume) -> np.ndarray:
    frame = NetworkFrame.of(scan)
    return frame.volume(member(frame.slices(normalise_t1w(scan))))


def events_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_each_network_that_is_offered_learns_and_answers_slices_of_any_size(name):
    layout = slice_layout(name, {})
    net = network_of(layout)
    slices = torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    net(slices).square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    odd = slices[:, 0, :50, :37].numpy()
    member = member_of(net.eval(), layout, flip=False)
    # to multiples of 32, with half of 32 at least on both sides
    padded = torch.nn.functional.pad(slices[:, :, :50, :37], (29, 30, 23, 23))
    with torch.inference_mode():
        expected = net(padded).sigmoid()[:, 0, 23:73, 29:66].numpy()
    np.testing.assert_allclose(member(odd), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["BasicUNet", "DynUNet", "SegResNet"])
def test_torchscript_answers_as_the_network_does(name):
    network = SliceNetwork(slice_layout(name, {})).eval()
    slices = torch.rand(1, 1, 50, 37, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(torch.jit.script(network)(slices), network(slices), rtol=1e-5, atol=1e-6)


def test_a_network_or_an_argument_that_monai_does_not_have_is_one_sentence():
    with pytest.raises(ModelError, match="no network SegNet in monai.networks.nets; known are BasicUNet, SegResNet"):
        slice_layout("SegNet", {})
    with pytest.raises(ModelError, match="SegResNet cannot be made with .*filters_of_mine"):
        slice_layout("SegResNet", {"filters_of_mine": 3})


def test_a_plan_with_another_network_keeps_the_rest_of_its_recipes():
    plan = PLANS["vhi"].with_network(slice_layout("BasicUNet", {}))
    assert [one.name for one in plan.members] == [
        "vhi-teacher-BasicUNet",
        "vhi-student-BasicUNet",
        "vhi-student-quarter-BasicUNet",
    ]
    assert [one.pseudo for one in plan.members] == [0, 3, 3]
    assert plan.members[0].multiple == 32


def test_monai_is_not_imported_where_scans_are_measured_alone_in_batches_or_for_the_server(tmp_path):
    scan, _ = scan_with_square(1)
    write_scan(tmp_path / "t1w.nii.gz", scan)
    lib = Path(__file__).parents[2] / "apps" / "vhi"
    code = f"""
import sys, pkgutil, importlib
sys.path.insert(0, {str(lib)!r})
for room in ("batch", "core", "pacs", "reports", "service", "studies"):
    package = importlib.import_module("lib." + room)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
import lib.examination, lib.interface
from lib.cli.app import app
for arguments in (["disease-region", "t1w.nii.gz", "--out", "r.nii.gz"], ["batch", ".", "--out", "all"]):
    try:
        app(arguments)
    except SystemExit:
        pass
assert "openvino" in sys.modules  # the networks were at work
assert not {{"monai", "tensorboard", "mlflow", "ignite"}} & set(sys.modules), "imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
