"""Effects of other scanners and protocols on an image: resolution, sharpening filters, grey scale, ghosts, the edge of the frame.

Each effect strikes a random share of a batch. Chosen after the parts of BigAug (Zhang et al. 2020, table II): sharpening and
contrast carry most of the gain on scanners that were not learnt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class ScannerEffects:
    """How often each effect strikes, as probabilities, and how far it goes.

    Parameters
    ----------
    air : float
        Beyond the frame lies air, and the frame is smaller by up to `cut` of its side at each edge; else it is mirrored.
    coarse : float
        Pixels up to `coarsest` times as large, along rows and columns independently.
    sharp : float
        Unsharp mask of up to `sharpest` times the difference from a blurred image.
    curve : float
        Grey scale bent by a sine of up to `bend` of its range: above 0.16 no longer monotone.
    ghost : float
        Shifted faint copies along rows or columns, of up to `faint` of the intensity.
    """

    air: float = 0.35
    cut: float = 0.2
    coarse: float = 0.12
    coarsest: float = 2.5
    sharp: float = 0.18
    sharpest: float = 2.0
    curve: float = 0.2
    bend: float = 0.2
    ghost: float = 0.1
    faint: float = 0.12


def with_effects(images: torch.Tensor, generator: torch.Generator, effects: ScannerEffects) -> torch.Tensor:
    """`(B, 1, H, W)` images with intensities of 0 and more as other scanners would have shown them; anatomy stays where it is."""
    steps = ((effects.coarse, _coarser), (effects.sharp, _sharper), (effects.curve, _bent), (effects.ghost, _ghosted))
    for share, effect in steps:
        struck = torch.rand(len(images), generator=generator) < share
        seen = [effect(images[n : n + 1], generator, effects) if struck[n] else images[n : n + 1] for n in range(len(images))]
        images = torch.cat(seen)
    return images


def _random(generator: torch.Generator) -> float:
    return float(torch.rand(1, generator=generator))


def _coarser(image: torch.Tensor, generator: torch.Generator, effects: ScannerEffects) -> torch.Tensor:
    height, width = image.shape[2:]
    factors = [1 + (effects.coarsest - 1) * _random(generator) for _ in range(2)]
    small = functional.interpolate(
        image, size=(round(height / factors[0]), round(width / factors[1])), mode="bilinear", antialias=True
    )
    return functional.interpolate(small, size=(height, width), mode="bilinear")


def _sharper(image: torch.Tensor, generator: torch.Generator, effects: ScannerEffects) -> torch.Tensor:
    blurred = functional.avg_pool2d(image, 5, stride=1, padding=2, count_include_pad=False)
    return (image + effects.sharpest * _random(generator) * (image - blurred)).clamp_min(0.0)


def _bent(image: torch.Tensor, generator: torch.Generator, effects: ScannerEffects) -> torch.Tensor:
    bright = image.max().clamp_min(1e-6)
    bend = effects.bend * (2 * _random(generator) - 1)
    # air stays air: a sine of the whole range is 0 at both its ends
    return (image + bend * bright * torch.sin(2 * math.pi * image / bright)).clamp_min(0.0)


def _ghosted(image: torch.Tensor, generator: torch.Generator, effects: ScannerEffects) -> torch.Tensor:
    axis = 2 + int(torch.randint(0, 2, (1,), generator=generator))
    shift = int(image.shape[axis] * (0.1 + 0.4 * _random(generator)))
    strength = effects.faint * _random(generator)
    return image + strength * (image.roll(shift, axis) + image.roll(-shift, axis)) / 2


def frame_edges(shape: torch.Size, generator: torch.Generator, effects: ScannerEffects) -> tuple[torch.Tensor, torch.Tensor]:
    """Whose frame ends in air, `(B,)` bool, and what is left of each frame, `(B, 1, H, W)` of 0 and 1."""
    b, _, h, w = shape
    ends = torch.rand(b, generator=generator) < effects.air
    # each side is cut in half of these images
    cuts = torch.rand(b, 4, generator=generator) * effects.cut * (torch.rand(b, 4, generator=generator) < 0.5) * ends[:, None]
    rows, columns = torch.linspace(0, 1, h)[None], torch.linspace(0, 1, w)[None]
    high = (rows >= cuts[:, :1]) & (rows <= 1 - cuts[:, 1:2])
    wide = (columns >= cuts[:, 2:3]) & (columns <= 1 - cuts[:, 3:])
    return ends, (high[:, None, :, None] & wide[:, None, None, :]).float()
