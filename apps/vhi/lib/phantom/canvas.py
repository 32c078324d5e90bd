"""One thin sheet of the phantom, on which tissues are laid over each other.

A tissue covers the fraction of a pixel that its solid covers, so what lies under it shows through at edges. Five channels
are carried along: the two signals and the three truths (disease region, vessel, lesion).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.library import ndimage
from .contrast import STIR, T1W, TISSUES
from .shapes import clipped

N_CHANNELS = 5
WARP_MARGIN_MM = 4.0

Value = float | np.ndarray
Range = tuple[float, float]
Window = tuple[slice, slice]
SIGNALS = {name: (T1W.signal(tissue), STIR.signal(tissue)) for name, tissue in TISSUES.items()}


class Noise:
    """Smooth periodic noise of unit variance that can be read at any coordinates; features are about one unit wide."""

    CELLS = 128
    CELLS_PER_UNIT = 5.0

    def __init__(self, rng: np.random.Generator) -> None:
        white = rng.standard_normal((self.CELLS,) * 3, dtype=np.float32)
        table = ndimage.gaussian_filter(white, self.CELLS_PER_UNIT / 2, mode="wrap", truncate=3)
        self._table = table / table.std()

    def fine(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """The value of the nearest cell, of the shape of the coordinates [feature widths].

        Fast, and good where neighbouring pixels lie cells apart.
        """
        i, j, k = ((c * self.CELLS_PER_UNIT).astype(np.int32) & (self.CELLS - 1) for c in (u, v, w))
        return self._table[i, j, k]

    def slow(self, u: np.ndarray, v: np.ndarray, w: np.ndarray, stride: int = 4) -> np.ndarray:
        """Values read at every `stride`-th pixel and interpolated between, for features of several pixels.

        The values, of unit variance, and the coordinates `u`, `v` and `w` [feature widths] are `(rows, columns)`.
        """
        coarse = np.stack([c[::stride, ::stride] for c in (u, v, w)]) * self.CELLS_PER_UNIT
        values = ndimage.map_coordinates(self._table, coarse, order=1, mode="grid-wrap", prefilter=False)
        rows, columns = (_linear(n, stride) for n in u.shape)
        return rows @ values @ columns.T


def _linear(n: int, stride: int) -> np.ndarray:
    """`(n, m)` weights that interpolate every `stride`-th sample back to `n`; the last samples are held."""
    m = -(-n // stride)
    at = np.minimum(np.arange(n) / stride, m - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(m)), 0).astype(np.float32)


@dataclass(frozen=True)
class Texture:
    """The look of tissue on one slice; `(rows, columns)` arrays."""

    patches: np.ndarray
    """Unit-variance noise with features of a centimetre."""
    marrow_fat: np.ndarray
    """Deviation of the fat fraction of marrow from its mean."""
    grain: np.ndarray
    """Grain of the STIR signal of marrow and muscle, relative."""
    gluteal_fat: np.ndarray
    """Fat between the fibres of the gluteal muscles, as a fraction."""
    back_fat: np.ndarray
    """The same of the muscles along the spine."""
    muscle_fat: np.ndarray
    """The same of every other muscle."""
    loops: np.ndarray
    """Unit-variance noise with features of two centimetres, whose level lines are the walls of bowel loops."""
    septa: np.ndarray
    """Connective tissue and small vessels in fat, as a fraction."""

    @classmethod
    def at(cls, noise: Noise, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Texture:
        """The texture at coordinates [mm] `x`, `y` and `z`, `(rows, columns)` each, from one noise."""
        s, half = np.abs(x), np.where(x > 0, np.float32(9), np.float32(0))
        patch = noise.slow(0.10 * x + 0.05 * y, 0.10 * y - 0.05 * x, 0.12 * z)
        large = noise.slow(0.03 * x + 5, 0.04 * y - 0.01 * x, 0.03 * z + 11)
        middle = noise.fine(0.27 * x + 7, 0.27 * y - 0.15 * x, 0.3 * z + 6)
        fine = noise.fine(0.62 * x - 0.2 * y, 0.62 * y + 0.2 * x + 3, 0.5 * z + 2)
        across = y - 0.35 * s - 0.0016 * s * s
        glut = noise.slow(0.36 * across, 0.035 * s + half, 0.1 * z + 10, stride=1)
        back = noise.slow(0.26 * s / (1 + 0.004 * y) + 0.05 * patch + half, 0.035 * y, 0.15 * z + 14, stride=2)
        strand = noise.slow(0.12 * x + 0.03 * y, 0.2 * y - 0.04 * x + 0.1 * patch, 0.12 * z + 18, stride=2)
        streaks = clipped(0.4 + 0.5 * patch)
        return cls(
            patches=patch,
            marrow_fat=0.08 * patch + 0.035 * middle + 0.015 * fine,
            grain=0.068 * fine + 0.06 * middle + 0.02 * patch,
            gluteal_fat=0.7 * np.exp(-((glut / 0.2) ** 2)) * streaks + 0.05 * clipped(fine),
            back_fat=0.7 * np.exp(-((back / 0.28) ** 2)) * clipped(0.4 + 0.6 * middle) + 0.06 * clipped(fine),
            muscle_fat=0.05 * clipped(0.5 + middle) + 0.04 * clipped(fine),
            loops=noise.slow(0.055 * x + 3, 0.06 * y, 0.05 * z + 20),
            septa=0.35 * np.exp(-((strand / 0.1) ** 2)) * clipped(0.3 + 0.6 * middle)
            + 0.14 * clipped(0.5 + 0.6 * large)
            + 0.05 * clipped(0.5 + fine),
        )


def mixed(a: str, b: str, share_of_b: Value) -> tuple[Value, Value]:
    """Signals of two tissues in one voxel."""
    (a1, a2), (b1, b2) = SIGNALS[a], SIGNALS[b]
    return a1 + (b1 - a1) * share_of_b, a2 + (b2 - a2) * share_of_b


class Canvas:
    """A sheet of pixels and the tissues on it.

    Channels are `(5, rows, columns)`: T1W, STIR, disease region, vessel, lesion; `x`, `y`, `z` are the `(rows, columns)`
    coordinates of the pixels [mm].

    Parameters
    ----------
    xyz : (3, rows, columns) float array
        Coordinates [mm] of the pixels of the sheet.
    warped : three (rows, columns) float arrays
        The same where `Pelvis.warped` moved them.
    width_mm : float
        Width over which a surface fades from one tissue to the next.
    texture : Texture
        Of the slice that the sheet is part of, on its pixels.
    """

    def __init__(self, xyz: np.ndarray, warped: Sequence[np.ndarray], width_mm: float, texture: Texture) -> None:
        self.x, self.y, self.z = warped
        self.width_mm, self.texture = width_mm, texture
        self.channels = np.zeros((N_CHANNELS, *xyz.shape[1:]), np.float32)
        self._touched = [False] * N_CHANNELS
        n, m = xyz.shape[1:]
        origin = xyz[:2, 0, 0]
        steps = np.stack([(xyz[:2, -1, 0] - origin) / max(n - 1, 1), (xyz[:2, 0, -1] - origin) / max(m - 1, 1)], axis=1)
        self._origin: list[float] = origin.tolist()
        # rows and columns for a millimetre along x and y, and how many the warp may add
        self._rows = [(a, b, (abs(a) + abs(b)) * WARP_MARGIN_MM) for a, b in np.linalg.inv(steps).tolist()]
        self.z_range = (float(xyz[2].min()), float(xyz[2].max()))

    def window(self, x: Range, y: Range, z: Range = (-999.0, 999.0)) -> Window | None:
        """Pixels that a box [mm] may touch, or None."""
        if z[1] + WARP_MARGIN_MM < self.z_range[0] or z[0] - WARP_MARGIN_MM > self.z_range[1]:
            return None
        (x0, x1), (y0, y1) = ((low - o, high - o) for (low, high), o in zip((x, y), self._origin, strict=True))
        ranges = []
        for (along_x, along_y, margin), n in zip(self._rows, self.channels.shape[1:], strict=True):
            # plain numbers: a box is asked for a few thousand times a sheet
            low = min(along_x * x0, along_x * x1) + min(along_y * y0, along_y * y1) - margin
            high = max(along_x * x0, along_x * x1) + max(along_y * y0, along_y * y1) + margin
            start, stop = max(math.floor(low), 0), min(math.ceil(high) + 1, n)
            if stop <= start:
                return None
            ranges.append(slice(start, stop))
        return ranges[0], ranges[1]

    def at(self, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates x, y, z [mm] of the pixels of a window, `(rows, columns)` each."""
        return self.x[window], self.y[window], self.z[window]

    def lay(
        self, window: Window, cover: np.ndarray, signals: tuple[Value, Value],
        *, region: Value | None = 0.0, vessel: float = 0.0, lesion: Value = 0.0,
    ) -> None:  # fmt: skip
        """Cover a fraction of each pixel of the window with a tissue; a region of None leaves the disease region as it is.

        `cover` is `(rows, columns)` of the window, 0 to 1.
        """
        for c, value in enumerate((*signals, region, vessel, lesion)):
            # nothing over nothing is nothing: most tissues carry no truth
            if value is not None and (self._touched[c] or isinstance(value, np.ndarray) or value != 0):
                self._touched[c] = True
                under = self.channels[c][window]
                under += cover * (value - under)

    def read(self, window: Window, cover: np.ndarray, region: Value) -> None:
        """Count a fraction of each pixel of the window to the disease region (1) or not (0), whatever tissue lies there.

        `cover` is `(rows, columns)` of the window, 0 to 1.
        """
        self._touched[2] = True
        under = self.channels[2][window]
        under += cover * (region - under)
