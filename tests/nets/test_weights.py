"""Loaded networks compute as the trained ones did, whatever the slice size, and only if the bytes are right."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.core.disease_region import segment_disease_region, slice_dice
from lib.core.volume import Grid, Mask, Volume
from lib.errors import ModelError
from lib.nets.unet import UNet
from lib.nets.weights import load_members, member_of, pack
from lib.studies.nifti import read_mask, read_volume
from lib.versions import Manifest, publish

APP = Path(__file__).parents[2] / "apps" / "vhi"
SHIPPED = APP / "model" / "disease_region"
NETWORK = {"widths": [4, 8], "shuffle": 2, "bias": False}


def network(seed: int, kernel: int = 3) -> UNet:
    """Untrained, but with batch statistics that are not those of a fresh layer."""
    torch.manual_seed(seed)
    net = UNet(**NETWORK, kernel=kernel)
    with torch.no_grad():
        for _ in range(5):
            net(torch.randn(4, 1, 16, 16) + 0.5)
    return net.eval()


def manifest(**changes) -> Manifest:
    plain = Manifest("v", "2024-01-01T00:00:00+00:00", "0", "", NETWORK, 2, 200 / 336, [{}, {}], [0, 1], [])
    return replace(plain, **changes)


def slices_of(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


@torch.no_grad()
def plainly(net: UNet, slices: np.ndarray, flip: bool) -> np.ndarray:
    """One slice at a time, unfused, sizes that need no padding: the oracle."""
    images = torch.from_numpy(slices)[:, None]
    logits = torch.stack([net(image[None])[0] for image in images])
    if flip:
        logits = (logits + torch.stack([net(image[None].flip(3))[0].flip(2) for image in images])) / 2
    return logits.sigmoid()[:, 0].numpy()


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("flip", [True, False])
def test_a_member_computes_the_plain_network(flip, kernel):
    slices = slices_of(7, 24, 32)
    net = network(0, kernel)
    np.testing.assert_allclose(member_of(net, flip=flip, dtype=torch.float32)(slices), plainly(net, slices, flip), atol=1e-5)


def test_bfloat16_is_close_to_float32():
    slices = slices_of(3, 24, 32)
    # bfloat16 keeps 8 bits: through six layers some hundredths of a probability
    half = member_of(network(0), dtype=torch.bfloat16)(slices)
    np.testing.assert_allclose(half, plainly(network(0), slices, True), atol=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 17, 30), (2, 1, 5), (11, 3, 3)])
def test_any_matrix_size_and_slice_count(shape, dtype):
    probability = member_of(network(0), dtype=dtype)(slices_of(*shape))
    assert probability.shape == shape
    assert probability.dtype == np.float32
    assert ((probability >= 0) & (probability <= 1)).all()


def test_air_is_added_on_all_sides():
    slices = slices_of(2, 13, 15)
    # of multiples of 4: 13 grows by 4 and 3 to 20, 15 by 4 and 1 to 20
    padded = np.pad(slices, ((0, 0), (3, 4), (2, 3)))
    expected = plainly(network(0), padded, flip=True)[:, 3:16, 2:17]
    np.testing.assert_allclose(member_of(network(0), dtype=torch.float32)(slices), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(336, 336), (352, 352), (300, 310)])
@pytest.mark.parametrize("shuffle", [2, 4])
def test_sizes_that_do_not_halve_evenly_compute_the_plain_network_too(size, shuffle):
    # four levels, as shipped: 336 / 4 = 84, 42, 21, 10; 300 is grown by 16 + 4, 310 by 16 + 10
    net = UNet((4, 4, 8, 8), shuffle, bias=False)
    with torch.no_grad():
        net(torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) + 0.5)
    slices = slices_of(2, *size)
    above, left = {300: 10}.get(size[0], 0), {310: 13}.get(size[1], 0)
    padded = np.pad(slices, ((0, 0), (above, above), (left, left)))
    expected = plainly(net.eval(), padded, flip=False)[:, above : above + size[0], left : left + size[1]]
    np.testing.assert_allclose(member_of(net, flip=False, dtype=torch.float32)(slices), expected, atol=1e-5)


def test_members_of_a_published_version_are_those_that_were_packed(tmp_path):
    publish(tmp_path, manifest(), pack([network(0), network(1)]))
    members = load_members(tmp_path, dtype=torch.float32)
    slices = slices_of(3, 16, 16)
    assert len(members) == 2
    for n, member in enumerate(members):
        # parameters are stored in half precision: 11 bits
        np.testing.assert_allclose(member(slices), plainly(network(n), slices, flip=True), atol=5e-3)


def test_members_of_one_ensemble_may_differ_in_layout(tmp_path):
    other = {"widths": [4, 8], "shuffle": 4, "bias": True}
    nets = [network(0), UNet(**other).eval()]
    publish(tmp_path, manifest(network=[NETWORK, other]), pack(nets))
    members = load_members(tmp_path, dtype=torch.float32)
    slices = slices_of(3, 16, 16)
    for member, net in zip(members, nets, strict=True):
        np.testing.assert_allclose(member(slices), plainly(net, slices, flip=True), atol=5e-3)


def test_a_corrupt_file_is_refused(tmp_path):
    version = publish(tmp_path, manifest(), pack([network(0), network(1)]))
    content = bytearray(version.weights.read_bytes())
    content[-1] ^= 1
    version.weights.write_bytes(content)
    with pytest.raises(ModelError, match="corrupt or was swapped"):
        load_members(tmp_path)


@pytest.mark.parametrize(
    ("changes", "nets", "message"),
    [
        ({"members": 3}, 2, "does not hold the network"),
        ({"network": {"widths": [4, 16], "shuffle": 2, "bias": False}}, 2, "does not hold the network"),
        ({"pixel_spacing_mm": 0.4}, 2, "trained at 0.4 mm pixels"),
    ],
)
def test_weights_that_do_not_fit_their_manifest_are_refused(tmp_path, changes, nets, message):
    publish(tmp_path, manifest(**changes), pack([network(n) for n in range(nets)]))
    with pytest.raises(ModelError, match=message):
        load_members(tmp_path)


def test_a_file_that_is_not_safetensors_is_refused(tmp_path):
    publish(tmp_path, manifest(), b"not tensors")
    with pytest.raises(ModelError, match="is not a safetensors file"):
        load_members(tmp_path)


@pytest.mark.slow
def test_loading_imports_no_monai():
    code = "import sys, lib.nets.weights; sys.exit(any(m.split('.')[0] in ('monai', 'monailabel') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=APP, check=False).returncode == 0


def study_scan(data: Path, images: str, masks: str, case_id: str) -> tuple[Volume, Mask]:
    return (
        read_volume(data / images / "T1W" / f"{case_id}_T1W.nii.gz", "T1W"),
        read_mask(data / "segmentations" / masks / f"{case_id}_disease_region.nii.gz", "disease region"),
    )


@pytest.mark.data
@pytest.mark.slow
def test_the_shipped_ensemble_finds_the_bone_of_a_scan_with_abnormal_marrow(vhi_data):
    t1w, truth = study_scan(vhi_data, "images_atypical", "disease_region_atypical", "3009")
    region = segment_disease_region(t1w, load_members(SHIPPED))
    assert np.nanmean(slice_dice(region.mask.data, truth.data)) > 0.95  # 0.965 by an ensemble that did not learn it
    assert region.member_disagreement is not None
    assert 0.0 < region.member_disagreement < 0.1


@pytest.mark.data
@pytest.mark.slow
def test_bfloat16_and_float32_give_one_mask_whatever_the_storage_order(vhi_data):
    t1w, _ = study_scan(vhi_data, "images_study", "disease_region", "1013")
    half = segment_disease_region(t1w, load_members(SHIPPED, dtype=torch.bfloat16)).mask
    # the same voxels at the same places, stored with I and J exchanged
    other = Volume(t1w.data.transpose(1, 0, 2), Grid(t1w.data.transpose(1, 0, 2).shape, t1w.grid.affine[:, [1, 0, 2, 3]]))
    full = segment_disease_region(other, load_members(SHIPPED, dtype=torch.float32)).mask.data.transpose(1, 0, 2)
    assert 2 * (half.data & full).sum() / (half.data.sum() + full.sum()) > 0.999


@pytest.mark.data
@pytest.mark.slow
def test_a_scan_of_another_matrix_size_is_segmented(vhi_data):
    t1w = read_volume(vhi_data / "images_unlabelled" / "T1W" / "9807_T1W.nii.gz", "T1W")
    assert t1w.grid.shape[:2] == (352, 352)
    assert 200_000 < segment_disease_region(t1w, load_members(SHIPPED)).mask.voxels < 600_000  # 12% of the field is usual


def test_the_shipped_ensemble_is_intact_and_small():
    members = load_members(SHIPPED)
    assert len(members) == 3
    shipped = sum(path.stat().st_size for path in (APP / "model").rglob("*") if path.is_file())
    # weights, and the same networks as engine files, of four versions; vhi-4 has seven networks
    assert shipped < 72e6
