"""From a version on disk to the members of an ensemble computed by torch, ready and fast; and back.

`lib.engine.members` has them without torch, for all that is not training.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..core.disease_region import Member
from ..core.normalise import check_training_spacing
from ..core.protocol import Ensemble, Protocol
from ..cores import available_cores
from ..errors import ModelError
from ..versions import Manifest, Version, read_live, read_version, verify
from .averaging import SliceNetwork, network_of
from .cpu import bf16_matrix_units
from .stack import StackMember
from .unet import ConvBlock, UNet, channels_last

# slices at a time and core, for each pixel of a folded block's side: few enough that activations stay in memory that the
# allocator reuses, enough that the matrices are large
CHUNK = 2


def load_members(model_dir: Path, version: str | None = None, dtype: torch.dtype | None = None) -> tuple[Member, ...]:
    """As `lib.engine.members.load_members`, but by torch whatever other files there are, and in a precision of torch."""
    return torch_members(read_live(model_dir) if version is None else read_version(model_dir, version), dtype)


def torch_members(version: Version, dtype: torch.dtype | None = None) -> Ensemble:
    """The members of a version that was read, by torch."""
    stored_kinds = version.manifest.kinds
    kinds = [(Protocol.from_dict(kind["protocol"]), kind_members(version, kind["name"], dtype)) for kind in stored_kinds]
    return Ensemble(kind_members(version, None, dtype), kinds)


def kind_members(version: Version, kind: str | None, dtype: torch.dtype | None = None) -> Ensemble:
    """The members of a verified version for one kind of scans, or for all others."""
    own = version.manifest.of_kind(kind)
    members = (
        member_of(net, layout, flip=own.flip, dtype=dtype)
        for net, layout in zip(load_networks(version, kind), own.networks, strict=True)
    )
    return Ensemble(members, pixel_spacing_mm=own.pixel_spacing_mm)


def load_networks(version: Version, kind: str | None = None) -> tuple[nn.Module, ...]:
    """The networks of a verified version, in evaluation mode.

    Parameters
    ----------
    kind : str, optional
        The name of a kind of scan: its own networks, where the version has such, else those for all other scans.
    """
    check_training_spacing(version.manifest.version, version.manifest.pixel_spacing_mm)
    return networks_of(version.manifest, verify(version), str(version.weights), kind)


def networks_of(manifest: Manifest, weights: bytes, where: str, kind: str | None = None) -> tuple[nn.Module, ...]:
    """The networks that a manifest describes, in evaluation mode.

    Parameters
    ----------
    weights : bytes
        As `pack` makes them.
    where : str
        What messages call them.
    kind : str, optional
        As for `load_networks`.

    Raises
    ------
    ModelError
        No safetensors file, or not that of these networks.
    """
    try:
        tensors = load(weights)
    except SafetensorError as error:
        raise ModelError(f"{where} is not a safetensors file ({error}); restore it.") from error
    nets = []
    for n, network in enumerate(manifest.of_kind(kind).networks):
        prefix = f"{kind}.member{n}." if kind in [entry["name"] for entry in manifest.kinds] else f"member{n}."
        state = {name.removeprefix(prefix): _widened(t) for name, t in tensors.items() if name.startswith(prefix)}
        net = _empty(network)
        counters = {k: torch.zeros((), dtype=torch.long) for k in net.state_dict() if k.endswith("num_batches_tracked")}
        try:
            net.load_state_dict(counters | state, assign=True)
        except RuntimeError as error:
            raise ModelError(f"{where} does not hold the network that its manifest describes: {error}") from error
        nets.append(net.eval())
    return tuple(nets)


def _empty(layout: Mapping[str, Any]) -> nn.Module:
    """A network whose weights are still to come: every tensor is taken from the file, and a missing one is refused."""
    if "name" in layout:
        # MONAI's may keep tensors that no state dict holds, so they are made as they are; nobody's random numbers change by it
        with torch.random.fork_rng():
            return network_of(layout)
    with torch.device("meta"):
        return network_of(layout)


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def pack_onto(parent: Version, nets: Sequence[nn.Module], kind: str | None = None) -> bytes:
    """The weights of a version with other networks for one kind of scan, or for all that are of no kind; the rest bit by bit.

    Parameters
    ----------
    nets : sequence of nn.Module
        In the place of those of that kind, in half precision.
    kind : str, optional
    """
    return put_onto(parent, pack(nets), kind)


def put_onto(parent: Version, packed: bytes, kind: str | None = None) -> bytes:
    """As `pack_onto`, of networks as `pack` or `pack_states` makes them, which keep their precision."""
    prefix = "" if kind is None else f"{kind}."
    kept = {name: tensor for name, tensor in load(verify(parent)).items() if not name.startswith(f"{prefix}member")}
    return save(kept | {prefix + name: tensor for name, tensor in load(packed).items()})


def pack(nets: Sequence[nn.Module]) -> bytes:
    """One safetensors file for a whole ensemble, parameters stored in half precision."""
    return pack_states([{name: _halved(tensor) for name, tensor in net.state_dict().items()} for net in nets])


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def pack_states(states: Sequence[Mapping[str, torch.Tensor]]) -> bytes:
    """One safetensors file of the weights of a whole ensemble; every tensor keeps its shape and precision."""
    tensors = {
        # a copy, since no two tensors of a file may share memory
        f"member{n}.{name}": tensor.detach().clone().contiguous()
        for n, state in enumerate(states)
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }
    return save(tensors)


def member_of(
    net: nn.Module, layout: Mapping[str, Any] | None = None, *, flip: bool = True, dtype: torch.dtype | None = None
) -> Member:
    """A network as a callable on numpy slices, averaged over left-right flips unless `flip` is False.

    The cores share the slices, one thread each: several threads in one operation wait for each other at every layer, which
    is slow, and ten times slower still on a busy machine.

    Networks of MONAI compute in float32, whatever is asked; those of other projects' bundles see whole stacks (`lib.nets.stack`).
    Without a layout it is the method's U-Net.
    """
    if layout and "inferer" in layout:
        return StackMember(net, layout)
    if layout and "name" in layout:
        return SliceMember(_named(net, layout, flip), 1, torch.float32)
    dtype = dtype or (torch.bfloat16 if bf16_matrix_units() else torch.float32)
    answer, size = _own(net, flip, dtype)
    return SliceMember(answer, size, dtype)


Answer = Callable[[torch.Tensor], np.ndarray]


class SliceMember:
    """`(K, H, W)` float32 slices of any size to probabilities of the same shape, computed by torch.

    Parameters
    ----------
    answer : callable
        `(B, 1, H, W)` slices to `(B, H, W)` probabilities.
    size : int
        Side of the network's pixel blocks.
    dtype : torch.dtype
        What it computes in.
    """

    def __init__(self, answer: Answer, size: int, dtype: torch.dtype) -> None:
        self.answer, self.size = answer, size
        self.computed_by = {"engine": "torch", "precision": str(dtype).removeprefix("torch.")}

    def __call__(self, slices: np.ndarray) -> np.ndarray:
        slices = np.ascontiguousarray(slices, dtype=np.float32)
        probability = np.empty_like(slices)

        def work(part: slice) -> None:
            probability[part] = self.answer(torch.from_numpy(slices[part])[:, None])

        with ThreadPoolExecutor(available_cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, _parts(len(slices), CHUNK * self.size, available_cores())))
        return probability


def _own(net: nn.Module, flip: bool, dtype: torch.dtype) -> tuple[Answer, int]:
    """The method's U-Net on `(B, 1, H, W)` slices, and the side of its pixel blocks."""
    if not isinstance(net, UNet):
        raise TypeError(f"{type(net).__name__} is not the network that its layout describes")
    fast = _fused(net, dtype)
    return lambda images: _probability(fast, images.to(dtype), flip), net.shuffle


def _named(net: nn.Module, layout: Mapping[str, Any], flip: bool) -> Answer:
    """A network of MONAI on `(B, 1, H, W)` slices, in float32."""
    whole = SliceNetwork(layout, flip, net=net).eval().requires_grad_(False)

    @torch.inference_mode()
    def answer(images: torch.Tensor) -> np.ndarray:
        out: np.ndarray = whole(images)[:, 0].numpy()
        return out

    return answer


def _parts(n: int, most: int, cores: int) -> list[slice]:
    """`n` slices in parts of at most `most`, as many for each core and nearly equal, so that the cores finish together."""
    count = min(n, math.ceil(n / (most * cores)) * cores)
    edges = [n * k // count for k in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


@torch.inference_mode()
def _probability(net: UNet, images: torch.Tensor, flip: bool) -> np.ndarray:
    height, width = images.shape[2:]
    top, bottom, left, right = (*net.air(height), *net.air(width))
    images = functional.pad(images, (left, right, top, bottom)).contiguous(memory_format=torch.channels_last)
    logits = net(images).float()
    if flip:
        logits = (logits + net(images.flip(3)).float().flip(3)) / 2
    out: np.ndarray = logits.sigmoid()[:, 0, top : top + height, left : left + width].numpy()
    return out


class _ConvRelu(nn.Module):
    """A convolution with its weights laid out for the CPU once, that applies ReLU before it writes its result."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.padding = [side // 2 for side in conv.kernel_size]
        self.weight = torch._C._nn.mkldnn_reorder_conv2d_weight(conv.weight.to_mkldnn(), self.padding, [1, 1], [1, 1], 1)
        self.bias = conv.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, self.padding, [1, 1], [1, 1], 1, "relu", [], ""
        )
        return out


def _fused(net: UNet, dtype: torch.dtype) -> UNet:
    """A copy in `dtype` whose batch normalisations are folded into the convolutions before them."""
    fused = channels_last(copy.deepcopy(net).eval().requires_grad_(False))
    for block in [module for module in fused.modules() if isinstance(module, ConvBlock)]:
        layers: list[Any] = list(block.convblock)
        conv1, norm1, relu, conv2, norm2, _ = layers
        convs = [fuse_conv_bn_eval(conv1, norm1).to(dtype), fuse_conv_bn_eval(conv2, norm2).to(dtype)]
        if torch.backends.mkldnn.is_available():
            block.convblock = nn.Sequential(*(_ConvRelu(conv) for conv in convs))
        else:
            block.convblock = nn.Sequential(convs[0], relu, convs[1], relu)
    return fused.to(dtype)
