"""Scans that the networks were not made for, made from right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from scipy import ndimage

from lib.core.volume import Grid, Mask, Volume
from lib.phantom import canvas
from lib.phantom.contrast import STIR, TISSUES, SpinEcho

PLANES = {"axial": (0, 1, 2), "sagittal": (1, 2, 0), "coronal": (0, 2, 1)}
WHOLE = slice(None)


def resliced(volume: Volume, plane: str, slice_mm: float = 3.3, pixel_mm: float = 0.6) -> Volume:
    """The scan's box cut into straight slices of another plane; black where the scan showed nothing."""
    corners = volume.grid.corners_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, spacing) in enumerate(zip(PLANES[plane], (pixel_mm, pixel_mm, slice_mm), strict=True)):
        affine[world, axis] = spacing
    affine[:3, 3] = low
    spacings = dict(zip(PLANES[plane], (pixel_mm, pixel_mm, slice_mm), strict=True))
    i, j, k = (int((high[world] - low[world]) / spacings[world]) + 1 for world in PLANES[plane])
    back = np.linalg.inv(volume.grid.affine) @ affine
    data = ndimage.affine_transform(volume.data.astype(np.float32), back[:3, :3], back[:3, 3], (i, j, k), order=1, cval=0)
    return Volume(data, Grid((i, j, k), affine), volume.name)


def cut(volume: Volume, *spans: slice) -> Volume:
    """A part of the scan, where it was."""
    grid = _cut_grid(volume.grid, spans)
    return Volume(np.ascontiguousarray(volume.data[spans]), grid, volume.name)


def cut_mask(mask: Mask, *spans: slice) -> Mask:
    return Mask(np.ascontiguousarray(mask.data[spans]), _cut_grid(mask.grid, spans), mask.name)


def _cut_grid(grid: Grid, spans: tuple[slice, ...]) -> Grid:
    starts = [span.indices(n)[0] for span, n in zip(spans, grid.shape, strict=True)]
    shape = [len(range(*span.indices(n))) for span, n in zip(spans, grid.shape, strict=True)]
    affine = grid.affine.copy()
    affine[:3, 3] = grid.world_mm(np.array(starts))
    return Grid((shape[0], shape[1], shape[2]), affine)


def inverted(volume: Volume) -> Volume:
    return Volume(volume.data.max() - volume.data, volume.grid, volume.name)


def squared(volume: Volume) -> Volume:
    """Muscle nearly black, as on T2-weighted series."""
    return Volume((volume.data / volume.data.max()) ** 2, volume.grid, volume.name)


def parts(grid: Grid) -> dict[str, tuple[slice, slice, slice]]:
    """Parts of a scan stored as I across, J along and K through the slices."""
    i, j, k = grid.shape
    return {
        "front half of the slices": (WHOLE, WHOLE, slice(0, k // 2)),
        "back half of the slices": (WHOLE, WHOLE, slice(k - k // 2, k)),
        "middle half of the slices": (WHOLE, WHOLE, slice(k // 4, k // 4 + k // 2 + 1)),
        "half of the width": (slice(0, i // 2), WHOLE, WHOLE),
        "three quarters of the width": (slice(0, 3 * i // 4), WHOLE, WHOLE),
        "middle half of the width": (slice(i // 4, 3 * i // 4), WHOLE, WHOLE),
        "upper half of the height": (WHOLE, slice(j // 2, j), WHOLE),
        "lower half of the height": (WHOLE, slice(0, j // 2), WHOLE),
    }


KINDS: dict[str, Callable[[Volume], Volume]] = {
    "axial": lambda v: resliced(v, "axial"),
    "sagittal": lambda v: resliced(v, "sagittal"),
    "coronal": lambda v: resliced(v, "coronal"),
    "inverted": inverted,
    "squared": squared,
}
T2W, PROTON_DENSITY = SpinEcho(tr_ms=4000, te_ms=80), SpinEcho(tr_ms=3000, te_ms=15)


@contextmanager
def painted_as(series: SpinEcho) -> Iterator[None]:
    """Phantoms made inside have this series in place of T1W."""
    before = dict(canvas.SIGNALS)
    canvas.SIGNALS.update({name: (series.signal(tissue), STIR.signal(tissue)) for name, tissue in TISSUES.items()})
    try:
        yield
    finally:
        canvas.SIGNALS.update(before)
