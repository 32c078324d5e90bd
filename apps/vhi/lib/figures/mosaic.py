"""STIR slices with what was measured on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..core.pipeline import VhiResult
from .canvas import CONSERVATIVE_COLOUR, NORMAL_BONE_COLOUR, REGION_COLOUR, SENSITIVE_COLOUR
from .view import View

COLUMNS = 4
MOST_SLICES = 12
NORMAL_BONE_SLICES = 3
GAP = 4  # pixels between slices
OPACITY = 0.5  # of yellow and red: the signal below stays visible
_DPI = 200.0
_LEGEND_INCHES = 0.22


def inflamed_slices(result: VhiResult) -> tuple[int, ...]:
    """Indices along K, from 0, of the slices that carry inflammation, with one neighbour on either side.

    Without inflammation, the slices of the disease region.
    """
    hit = (result.grade > 0).any(axis=(0, 1))
    if not hit.any():
        return tuple(int(k) for k in np.flatnonzero(result.disease_region.mask.data.any(axis=(0, 1))))
    neighbour = np.convolve(hit, np.ones(3), mode="same") > 0
    return tuple(int(k) for k in np.flatnonzero(neighbour))


def most_involved_slices(result: VhiResult, most: int = MOST_SLICES) -> tuple[int, ...]:
    """Up to `most` slices in anatomical order: those with most normal bone (up to three), then those with most inflammation.

    Normal bone comes first because both thresholds rest on it and a reader must see where it lies. Where inflammation does not
    fill the places, the slices with most disease region do.
    """
    normal_bone, inflamed, region = (
        np.count_nonzero(a, axis=(0, 1)) for a in (result.normal_bone.data, result.grade, result.disease_region.mask.data)
    )
    checked = [int(k) for k in np.argsort(-normal_bone, kind="stable")[:NORMAL_BONE_SLICES] if normal_bone[k]]
    rest = [int(k) for k in np.lexsort((-region, -inflamed)) if k not in checked and (inflamed[k] or region[k])]
    return tuple(sorted((checked + rest)[:most]))


def draw_mosaic(
    result: VhiResult, ax: Axes, *, slices: Sequence[int] | None = None, columns: int = COLUMNS, pixels_per_mm: float = 2.0
) -> Axes:
    """STIR slices with yellow (at or above the sensitive threshold only) and red (conservative too).

    Parameters
    ----------
    slices : sequence of int, optional
        Indices along K, from 0; `most_involved_slices` when absent. Printed as a reader counts, from 1.
    columns : int
        Slices in one row.
    pixels_per_mm : float
        Resolution of the picture, the same along rows and columns whatever the pixel shape of the scan.
    """
    picture, corners = _montage(result, slices, columns, pixels_per_mm)
    ax.imshow(picture, interpolation="nearest", aspect="equal")
    return _draw_labels(ax, corners)


# where one slice lies in a mosaic: its index along K, and top, left, height and width in pixels
Corner = tuple[int, int, int, int, int]


def _montage(
    result: VhiResult, slices: Sequence[int] | None, columns: int, pixels_per_mm: float
) -> tuple[np.ndarray, list[Corner]]:
    """The coloured slices side by side, `(rows, columns, 3)` uint8, and where each lies."""
    chosen = tuple(slices) if slices is not None else most_involved_slices(result)
    columns = min(columns, len(chosen))
    tiles = mosaic_tiles(result, chosen, pixels_per_mm)
    height, width = tiles.shape[1:3]
    n_rows = -(-len(chosen) // columns)
    picture = np.zeros((n_rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), dtype=np.uint8)
    corners = []
    for n, (k, tile) in enumerate(zip(chosen, tiles, strict=True)):
        top, left = n // columns * (height + GAP), n % columns * (width + GAP)
        picture[top : top + height, left : left + width] = tile
        corners.append((k, top, left, height, width))
    return picture, corners


def _draw_labels(ax: Axes, corners: Sequence[Corner]) -> Axes:
    """Slice numbers as a reader counts, from 1, and the patient's sides."""
    ax.set_axis_off()
    for k, top, left, height, width in corners:
        ax.text(left + 5, top + 4, f"{k + 1}", color="white", fontsize=7.5, va="top", fontweight="bold")
        for side, x, align in (("R", left + 5, "left"), ("L", left + width - 5, "right")):
            ax.text(x, top + height / 2, side, color="#c9d2dc", fontsize=6.5, va="center", ha=align)
    return ax


def mosaic_tiles(result: VhiResult, slices: Sequence[int], pixels_per_mm: float) -> np.ndarray:
    """The coloured slices: `(n, height, width, 3)` uint8, hung, cropped to the bone, at equal resolution along both axes."""
    view = View.of(result)
    at = list(slices)
    grey = view.crop(result.stir.data)[at].astype(np.float32)
    low, high = np.percentile(grey, [1.0, 99.7])
    grey = np.clip((grey - low) / max(high - low, 1e-6), 0, 1)
    size = tuple(max(1, round(mm * pixels_per_mm)) for mm in view.size_mm)
    grey = _enlarged(_enlarged(grey, 1, size[0]), 2, size[1])

    def enlarged(array: np.ndarray) -> np.ndarray:
        # nearest neighbour: what is coloured is what was counted, voxel by voxel
        cropped = view.crop(array)[at]
        rows, columns = (np.arange(n) * m // n for n, m in zip(size, cropped.shape[1:], strict=True))
        return cropped[:, rows][:, :, columns]

    grade = enlarged(result.grade)
    tiles = np.repeat((grey * 255)[..., np.newaxis], 3, axis=-1)
    _paint(tiles, grade == 1, SENSITIVE_COLOUR, OPACITY)
    _paint(tiles, grade == 2, CONSERVATIVE_COLOUR, OPACITY)
    _paint(tiles, _outline(enlarged(result.disease_region.mask.data)), REGION_COLOUR, 0.55)
    _paint(tiles, _outline(enlarged(result.normal_bone.data), 2), NORMAL_BONE_COLOUR, 1.0)
    return tiles.astype(np.uint8)


def _enlarged(slices: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Linear interpolation along one axis to `size` pixels that together cover what the old pixels covered."""
    old = slices.shape[axis]
    at = np.clip((np.arange(size, dtype=np.float32) + 0.5) * old / size - 0.5, 0, old - 1)
    below = np.minimum(at.astype(int), max(old - 2, 0))
    weight = (at - below).astype(np.float32).reshape([-1 if one == axis else 1 for one in range(slices.ndim)])
    first, second = slices.take(below, axis), slices.take(np.minimum(below + 1, old - 1), axis)
    return first + weight * (second - first)


def _paint(tiles: np.ndarray, where: np.ndarray, colour: tuple[int, int, int], opacity: float) -> None:
    tiles[where] = (1 - opacity) * tiles[where] + opacity * np.array(colour, dtype=np.float32)


def _outline(masks: np.ndarray, width: int = 1) -> np.ndarray:
    """The outermost pixels of each of `(n, height, width)` masks, slice by slice."""
    inside = masks
    for _ in range(width):
        padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)))
        inside = inside & padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1] & padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    return masks & ~inside


def mosaic_figure(
    result: VhiResult, slices: Sequence[int] | None = None, columns: int = COLUMNS, pixels_per_mm: float = 2.0
) -> tuple[Figure, float]:
    """A mosaic with its legend that stands alone, and the resolution [dots per inch] at which no pixel is resampled."""
    picture, corners = _montage(result, slices, columns, pixels_per_mm)
    height, width = picture.shape[:2]
    legend = round(_LEGEND_INCHES * _DPI)
    figure = Figure(figsize=(width / _DPI, (height + legend) / _DPI), dpi=_DPI, facecolor="black")
    FigureCanvasAgg(figure)
    figure.add_artist(_Pixels(picture, legend))
    top_part = legend / (height + legend)
    ax = figure.add_axes((0, top_part, 1, 1 - top_part), xlim=(0, width), ylim=(height, 0))
    _draw_labels(ax, corners)
    _draw_legend(figure, top_part / 2, width / _DPI)
    return figure, _DPI


class _Pixels(Artist):
    """A picture put on a figure pixel by pixel: images on axes are resampled, which takes longer than all else together."""

    def __init__(self, picture: np.ndarray, bottom: int) -> None:
        super().__init__()
        self._rgba = np.dstack([picture, np.full(picture.shape[:2], 255, dtype=np.uint8)])[::-1]
        self._bottom = bottom
        self.set_zorder(-1)

    def draw(self, renderer: RendererBase) -> None:
        renderer.draw_image(renderer.new_gc(), 0, self._bottom, np.ascontiguousarray(self._rgba))


def _draw_legend(figure: Figure, y: float, width_inches: float) -> None:
    entries = [
        ("■", SENSITIVE_COLOUR, "sensitive only"),
        ("■", CONSERVATIVE_COLOUR, "conservative"),
        ("□", NORMAL_BONE_COLOUR, "normal bone"),
        ("□", REGION_COLOUR, "disease region"),
    ]
    # as many as fit: a mosaic of one narrow slice has no room for four
    fitting = max(1, min(len(entries), int(width_inches / 1.15)))
    for n, (sign, colour, words) in enumerate(entries[:fitting]):
        x = 0.008 + n * 1.2 / width_inches
        figure.text(x, y, sign, color=np.array(colour) / 255, fontsize=8, va="center")
        figure.text(x + 0.13 / width_inches, y, words, color="#dfe5ea", fontsize=6.5, va="center")
    if width_inches > 7:
        figure.text(
            0.994, y, "R, L: patient's sides; number: slice, from 1", color="#9aa5b1", fontsize=6, va="center", ha="right"
        )
