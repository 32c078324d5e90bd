"""The U-Net of the method, at full resolution as published, and on blocks of pixels as shipped.

Both are one class. The published network works on the pixels themselves. The shipped ones first fold each block of
`shuffle x shuffle` pixels into channels (nothing is lost) and unfold at the end, so that every layer works on a fraction of
the pixels: measured on this data that costs no Dice and saves most of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from torch import nn
from torch.nn import functional

from .air import air_round, fitting_sizes

Net = TypeVar("Net", bound=nn.Module)


class ConvBlock(nn.Module):
    """Twice a convolution, batch normalisation and ReLU: `(B, C, H, W)` to `(B, D, H, W)` activations."""

    def __init__(self, channels: int, filters: int, bias: bool, kernel: int) -> None:
        super().__init__()
        self.convblock = nn.Sequential(
            nn.Conv2d(channels, filters, kernel, padding=kernel // 2, bias=bias),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
            nn.Conv2d(filters, filters, kernel, padding=kernel // 2, bias=bias),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.convblock(x)
        return out


class UpBlock(nn.Module):
    """Brings the lower level to the size of the skip connection, joins them as `[upsampled, skip]`, and convolves.

    `x` is `(B, C, H // 2, W // 2)`, `skip` and the answer are `(B, D, H, W)`.

    The size doubles, or doubles and one: pooling drops the last row or column of an odd size.
    """

    def __init__(self, channels: int, filters: int, bias: bool, kernel: int) -> None:
        super().__init__()
        self.UpBlock = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(channels, filters, 1)
        )
        self.ConvBlock = ConvBlock(2 * filters, filters, bias, kernel)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        # the upsampling layer (0) only keeps the published names; it knows no size but the double; the convolution is 1
        narrow = self.UpBlock[1](x)
        # a 1 x 1 convolution and bilinear upsampling commute (the weights of each pixel sum to 1), and at the lower
        # resolution the convolution costs a quarter
        raised = functional.interpolate(narrow, size=skip.shape[-2:], mode="bilinear", align_corners=True)
        out: torch.Tensor = self.ConvBlock(torch.cat([_with_whole_gradient(raised), _with_whole_gradient(skip)], dim=1))
        return out


class UNet(nn.Module):
    """Plain 2-D U-Net, one channel in and one out: `(B, 1, H, W)` intensities to `(B, answers, H, W)` logits.

    Parameters
    ----------
    widths : sequence of int
        Filters per level. The published network: 16, 32, 64, 128.
    shuffle : int
        Side of the pixel blocks folded into channels before the first level; 1 for the published network.
    bias : bool
        Whether the convolutions of the blocks have a bias (the published ones do, though the batch normalisation undoes it).
    kernel : int
        Side of the convolutions of the blocks, odd. The published network: 3; 5 was tried for it too.
    answers : int
        Channels out. More than one in training alone, where labels can be read in several ways.

    Notes
    -----
    `H` and `W` must be multiples of `shuffle`, at least `self.smallest`. They should be multiples of `self.multiple`
    (`lib.nets.air`). Module names are those of the published state dict, which therefore loads as it is into `UNet()`: 450 897
    parameters. Hepburn et al. 2023, section 2.5.1.
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 128),
        shuffle: int = 1,
        bias: bool = True,
        kernel: int = 3,
        answers: int = 1,
    ) -> None:
        super().__init__()
        self.shuffle = shuffle
        self.multiple, self.smallest = fitting_sizes(shuffle, len(widths))
        channels = [shuffle**2, *widths]
        self.down_path = nn.ModuleList(ConvBlock(c, f, bias, kernel) for c, f in zip(channels, widths, strict=False))
        self.up_path = nn.ModuleList(UpBlock(c, f, bias, kernel) for c, f in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.last_layer = nn.Conv2d(widths[0], answers * shuffle**2, 1)

    def air(self, size: int) -> tuple[int, int]:
        """Pixels of air (0) that rows or columns of a slice of any `size` need before and after them; see `air_round`."""
        return air_round(size, self.multiple, self.smallest)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.pixel_unshuffle(x, self.shuffle)
        skips: list[torch.Tensor] = []
        # as TorchScript understands it: no zip of modules with tensors
        for level, block in enumerate(self.down_path):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        for level, block in enumerate(self.up_path):
            x = block(x, skips[len(skips) - 2 - level])
        return functional.pixel_shuffle(self.last_layer(x), self.shuffle)


def _with_whole_gradient(x: torch.Tensor) -> torch.Tensor:
    """The same `(B, C, H, W)` activations, whose gradient comes back as a tensor of its own.

    `torch.cat` gives each of its inputs a slice of a larger one, from which the gradient of upsampling takes several times as
    long to compute; the numbers are the same.
    """
    if not torch.jit.is_scripting() and x.requires_grad:
        x = x.view_as(x)
        x.register_hook(_in_channels_last)
    return x


def _in_channels_last(x: torch.Tensor) -> torch.Tensor:
    """`(B, C, H, W)` laid out as the CPU kernels like it; itself where it is so already."""
    return x.contiguous(memory_format=torch.channels_last)


def channels_last(net: Net) -> Net:
    """The same network with its tensors laid out as the CPU kernels like them."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@torch.no_grad()
def coarser(net: UNet, factor: int) -> UNet:
    """The same network for pixels `factor` times as large: its blocks cover as much of the body and hold fewer pixels.

    On a slice whose pixels are alike within `factor` by `factor` it answers the means of the given network's logits there.

    Parameters
    ----------
    net : UNet
        Its `shuffle` is a multiple of `factor`.
    factor : int
    """
    state, layout, side = net.state_dict(), _layout_of(net), net.shuffle // factor
    made, entry = UNet(**layout | {"shuffle": side}), state["down_path.0.convblock.0.weight"]
    pixels = (side, factor, side, factor)
    state["down_path.0.convblock.0.weight"] = entry.unflatten(1, pixels).sum((2, 4)).flatten(1, 2)
    for name in ("last_layer.weight", "last_layer.bias"):
        state[name] = state[name].unflatten(0, pixels).mean((1, 3)).flatten(0, 1)
    made.load_state_dict(state)
    return made.eval()


@torch.no_grad()
def with_answers(net: UNet, answers: int) -> UNet:
    """The same network with so many channels out, each as its first one: to be trained apart, or for that one to be kept."""
    state = net.state_dict()
    for name in ("last_layer.weight", "last_layer.bias"):
        first = state[name][: net.shuffle**2]
        state[name] = first.repeat(answers, *[1] * (first.ndim - 1))
    made = UNet(**_layout_of(net), answers=answers)
    made.load_state_dict(state)
    return made.train(net.training)


def _layout_of(net: UNet) -> dict[str, Any]:
    """The arguments that make a network of its shape with one answer."""
    blocks = [cast("nn.Conv2d", cast("ConvBlock", block).convblock[0]) for block in net.down_path]
    first = blocks[0]
    return {
        "widths": [convolution.out_channels for convolution in blocks],
        "shuffle": net.shuffle,
        "bias": first.bias is not None,
        "kernel": first.kernel_size[0],
    }
