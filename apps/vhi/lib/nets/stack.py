"""Networks of other projects' MONAI bundles: they see the whole stack, turned and scaled as their bundle says.

What a bundle does before and after its network is kept in the member's layout as plain values, read when it was imported
(`lib.bundles.foreign`); nothing of the bundle itself runs here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import ModelError

# the axes of a stack of hung slices, back to front: slices towards anterior, rows inferior, columns the patient's left
STACK_AXES = "AIL"
_OPPOSITE = dict(zip("RASLPI", "LPIRAS", strict=True))


def turning(axcodes: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The order of a stack's axes that makes an array run along `axcodes`, and which of the new axes are turned round.

    Examples
    --------
    >>> turning("RAS")
    ((2, 0, 1), (0, 2))
    """
    order = tuple(next(n for n, own in enumerate(STACK_AXES) if code in (own, _OPPOSITE[own])) for code in axcodes)
    return order, tuple(n for n, code in enumerate(axcodes) if code != STACK_AXES[order[n]])


class StackMember:
    """A network that looks beyond one slice, as a callable on `(K, H, W)` slices from back to front.

    Parameters
    ----------
    net : nn.Module
    layout : mapping
        `axcodes`: how the bundle turns volumes; `intensity`: its intensity transforms of `monai.transforms`, name and arguments;
        `inferer`: its inferer of `monai.inferers`, name and arguments; `neighbours`: for a network of several slices their
        offsets, one a channel; `softmax` and `channel`: which of its answers is the region.
    """

    sees_stack = True
    computed_by = MappingProxyType({"engine": "torch", "precision": "float32"})

    def __init__(self, net: nn.Module, layout: Mapping[str, Any]) -> None:
        from monai import inferers, transforms

        self.net, self.layout = net.eval().requires_grad_(False), dict(layout)
        self.order, self.turned = turning(layout["axcodes"])
        self.steps = [getattr(transforms, step["name"])(**step["arguments"]) for step in layout["intensity"]]
        inferer = layout["inferer"]
        self.inferer = getattr(inferers, inferer["name"])(**inferer["arguments"])

    @torch.inference_mode()
    def __call__(self, slices: np.ndarray) -> np.ndarray:
        """Probabilities of the region, `(K, H, W)` float32.

        Raises
        ------
        ModelError
            The network cannot take windows of that size.
        """
        image = torch.from_numpy(np.flip(slices.transpose(self.order), self.turned).astype(np.float32))[None]
        for step in self.steps:
            image = step(image)
        try:
            answers = self.inferer(self._channels(torch.as_tensor(image).float())[None], self.net)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"The network {self.layout['name']} of a bundle cannot answer a stack of {len(slices)} slices of "
                f"{slices.shape[1]} x "
                f"{slices.shape[2]} pixels ({' '.join(str(error).split())[:200]}); its windows (roi_size) do not fit the network."
            ) from error
        probability = answers.softmax(1) if self.layout["softmax"] else answers.sigmoid()
        region = probability[0, self.layout["channel"]].numpy()
        back: np.ndarray = np.flip(region, self.turned).transpose(np.argsort(self.order))
        return np.ascontiguousarray(back, dtype=np.float32)

    def _channels(self, image: torch.Tensor) -> torch.Tensor:
        """`(1, ...)` to `(n, ...)`: a slice and its neighbours, the last slice again where there is none beyond."""
        offsets = self.layout.get("neighbours")
        if not offsets:
            return image
        axis = self.order.index(0) + 1
        # towards anterior is one up, whichever way the turned array runs
        way = -1 if axis - 1 in self.turned else 1
        at = torch.arange(image.shape[axis])
        return torch.cat([image.index_select(axis, (at + way * n).clamp(0, len(at) - 1)) for n in offsets])
