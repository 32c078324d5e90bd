"""An ensemble as one network: slices of any size to the mean of its members' probabilities.

Nothing here but torch, so that a MONAI bundle takes these modules along as they are, and TorchScript understands them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .air import air_round
from .named import named_network
from .unet import UNet


def network_of(layout: Mapping[str, Any]) -> nn.Module:
    """The network that a manifest describes: the method's U-Net, or one of MONAI by its name.

    Raises
    ------
    ModelError
        MONAI has no such network.
    """
    return named_network(layout) if "name" in layout else UNet(**layout)


def padding_of(layout: Mapping[str, Any], net: nn.Module) -> tuple[int, int]:
    """The multiple that the sizes of a network's slices must have, and the smallest size it takes."""
    if isinstance(net, UNet):
        return net.multiple, net.smallest
    multiple = int(layout.get("multiple", 1))
    return multiple, multiple


class SliceNetwork(nn.Module):
    """One member: `(B, 1, H, W)` normalised slices of any size to `(B, 1, H, W)` probabilities of the region.

    Parameters
    ----------
    layout : mapping
        As `network_of` takes it. A named network may have several channels: `softmax` says whether they are exclusive, `channel`
        which one is the region.
    flip : bool
        Whether its answers for a slice and for the slice's mirror image are averaged, before the sigmoid.
    net : nn.Module, optional
        The network of that layout; when absent one with random weights.
    """

    def __init__(self, layout: Mapping[str, Any], flip: bool = False, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net = network_of(layout) if net is None else net
        self.multiple, self.smallest = padding_of(layout, self.net)
        self.softmax, self.channel = bool(layout.get("softmax", False)), int(layout.get("channel", 0))
        self.flip = flip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2], x.shape[3]
        top, bottom = air_round(height, self.multiple, self.smallest)
        left, right = air_round(width, self.multiple, self.smallest)
        x = functional.pad(x, [left, right, top, bottom])
        logits = self.net(x)
        if self.flip:
            logits = (logits + self.net(x.flip(3)).flip(3)) / 2
        probability = logits.softmax(1) if self.softmax else logits.sigmoid()
        return probability[:, self.channel : self.channel + 1, top : top + height, left : left + width]


class EnsembleNetwork(nn.Module):
    """The mean of the members' probabilities: `(B, 1, H, W)` normalised slices to `(B, 1, H, W)` probabilities of the region.

    Parameters
    ----------
    members : sequence of mapping
        The layout of each member, as a manifest has it.
    flip : bool
        As for `SliceNetwork`, of all members.
    """

    def __init__(self, members: Sequence[Mapping[str, Any]], flip: bool = False) -> None:
        super().__init__()
        self.members = nn.ModuleList(SliceNetwork(layout, flip) for layout in members)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = torch.zeros_like(x)
        for member in self.members:
            mean = mean + member(x)
        return mean / len(self.members)
