"""Random training images from a few real ones: shape and intensity, for a whole batch at once.

One displacement field and one `grid_sample` move the images and the masks of a batch together, which is about ten times
cheaper per slice than transforming slices one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from .scanner_effects import ScannerEffects, frame_edges, with_effects

# the elastic field is smooth: interpolated bicubically to this size, bilinearly from there on
_COARSE = 42


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random transforms; lengths in half image widths, so that 1 is half the image.

    Wider than `PublishedAugmentation`, and with what scanners do: gain, bias field and noise.
    """

    rotation_deg: float = 15.0
    scale: tuple[float, float] = (0.85, 1.18)
    shear: float = 0.15
    translation: float = 0.08
    flip: float = 0.5
    elastic: float = 0.035
    log_gamma: tuple[float, float] = (-0.5, 0.4)
    log_gain: float = 0.25
    bias_field: float = 0.35
    noise: float = 0.06


@dataclass(frozen=True)
class ScannerAugmentation(Augmentation):
    """The same, and what other scanners and protocols do besides."""

    effects: ScannerEffects = field(default_factory=ScannerEffects)


@dataclass(frozen=True)
class PublishedAugmentation:
    """The published recipe's transforms, each parameter uniform in its range; pixels move without being mixed.

    Parameters
    ----------
    elastic_points : int
        Control points along each side of the slice, the corners among them.
    elastic_sd_pixels : float
        Standard deviation of their normal displacement along each axis [pixels].
    power : (float, float)
        Range of the power that intensities are raised to.

    Notes
    -----
    Hepburn et al. 2023, section 2.5.3, and the authors' training notebook: nearest neighbour throughout, reflection at the
    border. Between control points the displacement is bicubic here, a cubic B-spline there.
    """

    rotation_deg: float = 10.0
    scale: tuple[float, float] = (0.9, 1.1)
    shear: float = 0.2
    flip: float = 0.5
    elastic_points: int = 12
    elastic_sd_pixels: float = 3.0
    power: tuple[float, float] = (0.6, 1.2)

    @property
    def translation(self) -> float:
        """0: the published recipe has none."""
        return 0.0


PUBLISHED = PublishedAugmentation()
AnyAugmentation = Augmentation | PublishedAugmentation


def augmentation_of(content: Mapping[str, Any]) -> AnyAugmentation:
    """The ranges that a manifest tells."""
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
    if "power" in values:
        return PublishedAugmentation(**values)
    if "effects" in values:
        return ScannerAugmentation(**values | {"effects": ScannerEffects(**values["effects"])})
    return Augmentation(**values)


def augment(
    images: torch.Tensor, masks: torch.Tensor, generator: torch.Generator, ranges: AnyAugmentation = Augmentation()
) -> tuple[torch.Tensor, torch.Tensor]:
    """Transform `(B, 1, H, W)` float images and their `(B, C, H, W)` masks alike; masks come back as 0 and 1."""
    published = isinstance(ranges, PublishedAugmentation)
    grid = _affine_grid(images.shape, generator, ranges) + _displacement(images.shape, generator, ranges)
    both = torch.cat([images, masks], dim=1)
    mode = "nearest" if published else "bilinear"
    moved = functional.grid_sample(both, grid, mode=mode, padding_mode="reflection", align_corners=False)
    if isinstance(ranges, ScannerAugmentation):
        ends, frame = frame_edges(images.shape, generator, ranges.effects)
        moved[ends] = functional.grid_sample(both[ends], grid[ends], mode=mode, padding_mode="zeros", align_corners=False)
        moved = moved * frame
        seen = _intensities(with_effects(moved[:, :1], generator, ranges.effects), generator, ranges) * frame
    else:
        seen = _intensities(moved[:, :1], generator, ranges)
    return seen, (moved[:, 1:] > 0.5).float()


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(n, generator=generator) * (high - low) + low


def _affine_grid(shape: torch.Size, generator: torch.Generator, ranges: AnyAugmentation) -> torch.Tensor:
    """`(B, H, W, 2)` positions to sample: random affine maps about the centre."""
    b, _, h, w = shape
    angle = _uniform(b, -ranges.rotation_deg, ranges.rotation_deg, generator).deg2rad()
    scale_x, scale_y = (_uniform(b, *ranges.scale, generator) for _ in range(2))
    shear_x, shear_y = (_uniform(b, -ranges.shear, ranges.shear, generator) for _ in range(2))
    move = torch.stack([_uniform(b, -ranges.translation, ranges.translation, generator) for _ in range(2)], dim=1)
    mirror = 1.0 - 2.0 * (torch.rand(b, generator=generator) < ranges.flip).float()
    rotate = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(b, 2, 2)
    stretch = torch.stack([scale_x, shear_x, shear_y, scale_y], dim=1).view(b, 2, 2)
    matrix = rotate @ stretch
    matrix[:, :, 0] *= mirror[:, None]
    affine = torch.cat([matrix, move[:, :, None]], dim=2)
    return functional.affine_grid(affine, [b, 1, h, w], align_corners=False)


def _displacement(shape: torch.Size, generator: torch.Generator, ranges: AnyAugmentation) -> torch.Tensor:
    """`(B, H, W, 2)` smooth random displacements, in half widths and half heights of the image."""
    b, _, h, w = shape
    if isinstance(ranges, PublishedAugmentation):
        points = ranges.elastic_points
        field = torch.randn(b, 2, points, points, generator=generator) * ranges.elastic_sd_pixels
        field = functional.interpolate(field, size=(h, w), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        return field * torch.tensor([2.0 / w, 2.0 / h])
    points = int(torch.randint(4, 9, (1,), generator=generator))
    # finer grids get smaller displacements, so that the steepest deformation stays the same
    sigma = _uniform(b, 0.0, ranges.elastic * 6.0 / points, generator).view(b, 1, 1, 1)
    field = torch.randn(b, 2, points, points, generator=generator) * sigma
    field = functional.interpolate(field, size=(_COARSE, _COARSE), mode="bicubic", align_corners=True)
    field = functional.interpolate(field, size=(h, w), mode="bilinear", align_corners=True)
    return field.permute(0, 2, 3, 1)


def _intensities(images: torch.Tensor, generator: torch.Generator, ranges: AnyAugmentation) -> torch.Tensor:
    b, _, h, w = images.shape
    if isinstance(ranges, PublishedAugmentation):
        return images.clamp_min(0.0).pow(_uniform(b, *ranges.power, generator).view(b, 1, 1, 1))
    gamma = _uniform(b, *ranges.log_gamma, generator).exp().view(b, 1, 1, 1)
    gain = _uniform(b, -ranges.log_gain, ranges.log_gain, generator).view(b, 1, 1, 1)
    images = images.clamp_min(0.0).pow(gamma)
    if ranges.bias_field or ranges.log_gain:
        strength = _uniform(b, 0.0, ranges.bias_field, generator).view(b, 1, 1, 1)
        bias = torch.randn(b, 1, 4, 4, generator=generator) * strength
        bias = functional.interpolate(bias, size=(_COARSE, _COARSE), mode="bicubic", align_corners=True)
        images = images * functional.interpolate((bias + gain).exp(), size=(h, w), mode="bilinear", align_corners=True)
    if ranges.noise:
        level = _uniform(b, 0.0, ranges.noise, generator).view(b, 1, 1, 1)
        images = images + torch.randn(images.shape, generator=generator) * level
    return images
