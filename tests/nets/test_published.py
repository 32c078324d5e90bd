"""The authors' state dicts, imported: the same answers as a plain network, and refusals that name file and parameter."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lib.core.disease_region import drop_small_pieces, segment_disease_region
from lib.core.volume import Grid, Volume
from lib.errors import InputError, ModelError
from lib.nets.published import import_published
from lib.nets.weights import load_members
from lib.versions import list_versions, read_version

pytestmark = pytest.mark.slow  # seconds in all


class Block(nn.Module):
    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        layers = []
        for n in (channels, filters):
            layers += [nn.Conv2d(n, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
        self.convblock = nn.Sequential(*layers)


class Up(nn.Module):
    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.UpBlock = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(channels, filters, 1)
        )
        self.ConvBlock = Block(2 * filters, filters)


class Published(nn.Module):
    """The paper's network written out level by level: the oracle, which shares nothing with lib.nets but the names."""

    def __init__(self) -> None:
        super().__init__()
        self.down_path = nn.ModuleList([Block(1, 16), Block(16, 32), Block(32, 64), Block(64, 128)])
        self.up_path = nn.ModuleList([Up(128, 64), Up(64, 32), Up(32, 16)])
        self.last_layer = nn.Conv2d(16, 1, 1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        a = self.down_path[0].convblock(x)
        b = self.down_path[1].convblock(functional.max_pool2d(a, 2))
        c = self.down_path[2].convblock(functional.max_pool2d(b, 2))
        d = self.down_path[3].convblock(functional.max_pool2d(c, 2))
        for up, skip in zip(self.up_path, (c, b, a), strict=True):
            d = up.ConvBlock.convblock(torch.cat([up.UpBlock(d), skip], dim=1))
        return d

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.last_layer(self.features(x)))


def turned(data: np.ndarray) -> torch.Tensor:
    """As the authors' notebook feeds a volume: over three deviations, turned, slices first."""
    return torch.from_numpy(np.rot90(data / (3 * data.std())).transpose(2, 0, 1)[:, None].astype(np.float32))


def padded(images: torch.Tensor) -> torch.Tensor:
    """With air to multiples of 8, without which the levels do not meet again."""
    (top, bottom), (left, right) = (air(n) for n in images.shape[2:])
    return functional.pad(images, (left, right, top, bottom))


def cut(answers: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The part of padded `(..., H, W)` answers that is no air."""
    top, left = air(height)[0], air(width)[0]
    return answers[..., top : top + height, left : left + width]


def air(n: int) -> tuple[int, int]:
    missing = 8 + -n % 8 if n % 8 else 0
    return missing // 2, missing - missing // 2


@torch.no_grad()
def plain_mean(nets: list[Published], data: np.ndarray) -> np.ndarray:
    """`(I, J, K)` mean probability: the notebook's way there and back."""
    images = turned(data)
    height, width = images.shape[2:]
    mean = cut(torch.stack([net(padded(images)) for net in nets]).mean(dim=0)[:, 0], height, width)
    return np.rot90(mean.numpy().transpose(1, 2, 0), 3)


def scan(*shape: int) -> tuple[Volume, np.ndarray]:
    """Random bright marrow in darker tissue, stored L-S-P as the published scans, and where the marrow is."""
    rng = np.random.default_rng(3)
    i, j, _ = np.indices(shape)
    bone = ((i / shape[0] - 0.5) / 0.35) ** 2 + ((j / shape[1] - 0.45) / 0.3) ** 2 < 1
    data = np.where(bone, 600.0, 200.0) + rng.normal(0, 15, shape)
    affine = np.array([[-0.595, 0, 0, 0], [0, 0, -3.3, 0], [0, 0.595, 0, 0], [0, 0, 0, 1]])
    return Volume(data.astype(np.float32), Grid(shape, affine), "T1W"), bone


@torch.no_grad()
def network(seed: int, data: np.ndarray, bone: np.ndarray) -> Published:
    """Random weights, batch statistics of its own, and a last layer by least squares, so that its mask means something."""
    torch.manual_seed(seed)
    net = Published()
    images = padded(turned(data))
    for _ in range(12):
        net(images[:1] + 0.02 * torch.randn(images[:1].shape))
    net.eval()
    height, width = turned(data).shape[2:]
    x = cut(net.features(images), height, width).permute(0, 2, 3, 1).reshape(-1, 16)
    target = torch.from_numpy(np.rot90(bone).transpose(2, 0, 1).reshape(-1, 1) * 8.0 - 4.0).float()
    solution = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], dim=1), target).solution[:, 0]
    net.last_layer.weight.copy_(solution[None, :16, None, None])
    net.last_layer.bias.copy_(solution[16:])
    return net


def saved(folder: Path, nets: list[Published]) -> list[Path]:
    files = [folder / f"model_{n}.pt" for n in range(len(nets))]
    for net, path in zip(nets, files, strict=True):
        torch.save(net.state_dict(), path)
    return files


def imported(files: list[Path], root: Path, version: str | None = None):
    return import_published(files, root, code_version="0", created="2024-01-01T00:00:00+00:00", version=version)


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    data, bone = scan(16, 16, 1)
    return saved(tmp_path, [network(n, data.data, bone) for n in range(3)])


@pytest.mark.parametrize("shape", [(48, 40, 2), (45, 51, 3), (33, 64, 1)])
def test_imported_networks_answer_as_the_plain_ones(tmp_path, shape):
    t1w, bone = scan(*shape)
    nets = [network(n, t1w.data, bone) for n in range(3)]
    version = imported(saved(tmp_path, nets), tmp_path / "model").manifest.version
    members = load_members(tmp_path / "model", version, dtype=torch.float32)
    slices = turned(t1w.data)[:, 0].numpy()
    height, width = slices.shape[1:]
    assert len(members) == 3
    for member, net in zip(members, nets, strict=True):
        with torch.no_grad():
            expected = cut(net(padded(turned(t1w.data)))[:, 0], height, width).numpy()
        np.testing.assert_allclose(member(slices), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_disease_region_is_that_of_the_authors_notebook(tmp_path, dtype):
    t1w, bone = scan(85, 93, 2)
    nets = [network(n, t1w.data, bone) for n in range(3)]
    version = imported(saved(tmp_path, nets), tmp_path / "model").manifest.version
    region = segment_disease_region(t1w, load_members(tmp_path / "model", version, dtype=dtype)).mask.data
    expected = drop_small_pieces(plain_mean(nets, t1w.data) >= 0.5)
    dice = 2 * (region & expected).sum() / (region.sum() + expected.sum())
    # the networks do find the marrow; float32 may differ in a voxel that lies at 0.5
    assert 2 * (region & bone).sum() / (region.sum() + bone.sum()) > 0.9
    assert dice >= (0.998 if dtype == torch.bfloat16 else 0.9999)


def test_the_manifest_says_where_the_networks_come_from(tmp_path, three):
    manifest = imported(three, tmp_path / "model").manifest
    assert [recipe["source_file"] for recipe in manifest.recipes] == ["model_0.pt", "model_1.pt", "model_2.pt"]
    assert manifest.recipes[2]["source_sha256"] == hashlib.sha256(three[2].read_bytes()).hexdigest()
    assert "no fair test" in manifest.note
    assert manifest.metrics is None
    assert read_version(tmp_path / "model", manifest.version).manifest == manifest


def test_an_imported_version_is_not_live(tmp_path, three):
    imported(three, tmp_path / "model", "paper")
    assert list_versions(tmp_path / "model") == ("paper",)
    assert not (tmp_path / "model" / "live.json").exists()


@pytest.mark.parametrize(
    "wrap", [lambda state: {"epoch": 100, "optimizer": {"lr": 0.001}, "state_dict": state}, lambda state: {"model": state}]
)
def test_a_dict_that_holds_the_state_dict(tmp_path, three, wrap):
    plain = imported(three, tmp_path / "model").manifest
    torch.save(wrap(torch.load(three[0], weights_only=True)), three[0])
    assert imported(three, tmp_path / "model", "wrapped").manifest.sha256 == plain.sha256


def changed(path: Path, change) -> None:
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("up_path.1.UpBlock.1.bias"), r"the parameter up_path\.1\.UpBlock\.1\.bias is missing"),
        (lambda s: s.update({"encoder.0.weight": torch.zeros(1)}), r"the parameter encoder\.0\.weight does not belong"),
        (
            lambda s: s.update({"last_layer.weight": torch.zeros(2, 16, 1, 1)}),
            r"last_layer\.weight has shape \(2, 16, 1, 1\), needed \(1, 16, 1, 1\)",
        ),
        (lambda s: s.update({"last_layer.bias": torch.tensor([torch.nan])}), r"last_layer\.bias has values that are not finite"),
        (lambda s: s.update({"last_layer.bias": torch.tensor([1])}), r"last_layer\.bias is no tensor of floating-point numbers"),
        (lambda s: s.update({"last_layer.bias": "much"}), r"last_layer\.bias is no tensor of floating-point numbers"),
        (lambda s: s.clear(), r"the parameter down_path\.0\.convblock\.0\.weight is missing"),
    ],
)
def test_another_network_is_refused_by_file_and_parameter(tmp_path, three, change, message):
    changed(three[1], change)
    with pytest.raises(ModelError, match=rf"model_1\.pt does not hold .*{message}"):
        imported(three, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_file_that_holds_no_dict_is_refused(tmp_path, three):
    torch.save(torch.zeros(3), three[0])
    with pytest.raises(ModelError, match=r"model_0\.pt does not hold .* is missing"):
        imported(three, tmp_path / "model")


class Harmful:
    def __reduce__(self):
        return Path.touch, (Path("harmed"),)


@pytest.mark.parametrize("write", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, three, write, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write({"state_dict": Harmful()}, three[2])
    with pytest.raises(ModelError, match=r"model_2\.pt is no torch file of plain tensors: .*never loaded"):
        imported(three, tmp_path / "model")
    assert not Path("harmed").exists()


def test_a_whole_pickled_network_is_refused(tmp_path, three):
    torch.save(Published(), three[0])
    with pytest.raises(ModelError, match=r"model_0\.pt is no torch file of plain tensors"):
        imported(three, tmp_path / "model")


@pytest.mark.parametrize("keep", [0, 10, 1000, -1000])
def test_a_truncated_file_is_refused(tmp_path, three, keep):
    three[0].write_bytes(three[0].read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"model_0\.pt is no torch file"):
        imported(three, tmp_path / "model")


def test_a_missing_file_is_refused(tmp_path, three):
    with pytest.raises(InputError, match=r"gone\.pt cannot be read \(No such file"):
        imported([*three[:2], tmp_path / "gone.pt"], tmp_path / "model")


def test_the_same_file_twice_is_refused(tmp_path, three):
    three[2].write_bytes(three[0].read_bytes())
    with pytest.raises(ModelError, match=r"model_0\.pt and .*model_2\.pt are the same network"):
        imported(three, tmp_path / "model")


def test_the_same_network_saved_twice_is_refused(tmp_path, three):
    torch.save({"model": torch.load(three[0], weights_only=True)}, three[1])
    with pytest.raises(ModelError, match=r"model_0\.pt and .*model_1\.pt are the same network"):
        imported(three, tmp_path / "model")


def test_an_existing_version_is_not_overwritten(tmp_path, three):
    imported(three, tmp_path / "model", "paper")
    with pytest.raises(ModelError, match="Version paper exists"):
        imported(three, tmp_path / "model", "paper")


def test_flipped_bytes_in_an_imported_version_are_refused_on_loading(tmp_path, three):
    version = imported(three, tmp_path / "model", "paper")
    content = bytearray(version.weights.read_bytes())
    content[len(content) // 2] ^= 1
    version.weights.write_bytes(content)
    with pytest.raises(ModelError, match="corrupt or was swapped"):
        load_members(tmp_path / "model", "paper")
