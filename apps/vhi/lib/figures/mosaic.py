"""STIR slices with what was measured on them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..core.lesions import voxels_of
from ..core.pipeline import VhiResult
from .chart import Text, write
from .paper import CONSERVATIVE_COLOUR, NORMAL_BONE_COLOUR, POINTS_PER_INCH, REGION_COLOUR, SENSITIVE_COLOUR
from .view import View

COLUMNS = 4
MOST_SLICES = 12
NORMAL_BONE_SLICES = 3
GAP = 4  # pixels between slices
OPACITY = 0.5  # of yellow and red: the signal below stays visible
_DPI = 200.0
_POINT = _DPI / POINTS_PER_INCH
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
    normal_bone, inflamed = (
        np.bincount(voxels_of(a)[:, 2], minlength=a.shape[2]) for a in (result.normal_bone.data, result.grade)
    )
    region = np.count_nonzero(result.disease_region.mask.data, axis=(0, 1))
    checked = [int(k) for k in np.argsort(-normal_bone, kind="stable")[:NORMAL_BONE_SLICES] if normal_bone[k]]
    rest = [int(k) for k in np.lexsort((-region, -inflamed)) if k not in checked and (inflamed[k] or region[k])]
    return tuple(sorted((checked + rest)[:most]))


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


def mosaic_tiles(result: VhiResult, slices: Sequence[int], pixels_per_mm: float) -> np.ndarray:
    """The coloured slices: `(n, height, width, 3)` uint8, hung, cropped to the bone, at equal resolution along both axes."""
    view = View.of(result)
    grey = grey_tiles(view, result.stir.data, slices, pixels_per_mm)
    grade, region, bone = (
        mask_tiles(view, array, slices, pixels_per_mm)
        for array in (result.grade, result.disease_region.mask.data, result.normal_bone.data)
    )
    layers = (
        (grade == 1, SENSITIVE_COLOUR, OPACITY),
        (grade == 2, CONSERVATIVE_COLOUR, OPACITY),
        (outline(region), REGION_COLOUR, 0.55),
        (outline(bone, 2), NORMAL_BONE_COLOUR, 1.0),
    )
    return painted(grey, layers)


def grey_tiles(view: View, image: np.ndarray, slices: Sequence[int], pixels_per_mm: float) -> np.ndarray:
    """Slices of an `(I, J, K)` image in a view, `(n, height, width)` float32 from 0 to 255, linearly enlarged, on one window."""
    grey = view.crop(image)[list(slices)].astype(np.float32)
    low, high = np.percentile(grey, [1.0, 99.7])
    grey -= low
    grey /= max(high - low, 1e-6)
    np.clip(grey, 0, 1, out=grey)
    height, width = _size(view, pixels_per_mm)
    tiles = _enlarged(_enlarged(grey, 1, height), 2, width)
    tiles *= np.float32(255)
    return tiles


def mask_tiles(view: View, mask: np.ndarray, slices: Sequence[int], pixels_per_mm: float) -> np.ndarray:
    """The same slices of a mask or of grades, `(I, J, K)`, as `(n, height, width)` of its type, by the nearest neighbour.

    What is coloured is what was counted, voxel by voxel.
    """
    cropped = view.crop(mask)[list(slices)]
    rows, columns = (np.arange(n) * m // n for n, m in zip(_size(view, pixels_per_mm), cropped.shape[1:], strict=True))
    return cropped[:, rows][:, :, columns]


def _size(view: View, pixels_per_mm: float) -> tuple[int, int]:
    """Height and width of a tile in pixels."""
    height, width = (max(1, round(mm * pixels_per_mm)) for mm in view.size_mm)
    return height, width


def _enlarged(slices: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Linear interpolation along one axis to `size` pixels that together cover what the old pixels covered."""
    old = slices.shape[axis]
    at = np.clip((np.arange(size, dtype=np.float32) + 0.5) * old / size - 0.5, 0, old - 1)
    below = np.minimum(at.astype(int), max(old - 2, 0))
    weight = (at - below).astype(np.float32).reshape([-1 if dimension == axis else 1 for dimension in range(slices.ndim)])
    first, more = slices.take(below, axis), slices.take(np.minimum(below + 1, old - 1), axis)
    more -= first
    more *= weight
    first += more
    return first


def painted(grey: np.ndarray, layers: Sequence[tuple[np.ndarray, tuple[int, int, int], float]]) -> np.ndarray:
    """`(n, height, width)` grey values with layers of colour over them, as uint8; colours are mixed where there are any alone."""
    tiles, shades = np.empty((*grey.shape, 3), dtype=np.uint8), grey.astype(np.uint8)
    for channel in range(3):
        tiles[..., channel] = shades
    flat = [mask.ravel() for mask, _, _ in layers]
    at = np.flatnonzero(np.logical_or.reduce(flat))
    mixed = np.repeat(grey.ravel()[at, np.newaxis], 3, axis=1)
    for mask, (_, colour, opacity) in zip(flat, layers, strict=True):
        where = mask[at]
        mixed[where] = (1 - opacity) * mixed[where] + opacity * np.array(colour, dtype=np.float32)
    tiles.reshape(-1, 3)[at] = mixed.astype(np.uint8)
    return tiles


def outline(masks: np.ndarray, width: int = 1) -> np.ndarray:
    """The outermost pixels of each of `(n, height, width)` masks, slice by slice."""
    inside = masks
    for _ in range(width):
        padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)))
        inside = inside & padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1] & padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    return masks & ~inside


def mosaic_picture(
    result: VhiResult, slices: Sequence[int] | None = None, columns: int = COLUMNS, pixels_per_mm: float = 2.0
) -> np.ndarray:
    """STIR slices with yellow (at or above the sensitive threshold only) and red (conservative too), and a legend below.

    Parameters
    ----------
    slices : sequence of int, optional
        Indices along K, from 0; `most_involved_slices` when absent. Printed as a reader counts, from 1.
    columns : int
        Slices in one row.
    pixels_per_mm : float
        Resolution of the picture, the same along rows and columns whatever the pixel shape of the scan.

    Returns
    -------
    (rows, columns, 3) uint8 array
        The pixels of `mosaic_tiles`, none of them resampled, `GAP` apart.
    """
    slides, corners = _montage(result, slices, columns, pixels_per_mm)
    height, width = slides.shape[:2]
    legend = round(_LEGEND_INCHES * _DPI)
    image = Image.new("RGB", (width, height + legend), "black")
    image.paste(Image.fromarray(slides))
    pen = ImageDraw.Draw(image)
    _write_labels(pen, corners)
    _write_legend(pen, height + legend / 2, width)
    return np.asarray(image)


def jpeg_file(pixels: np.ndarray, quality: int = 85) -> bytes:
    """`(rows, columns, 3)` uint8 as a JPEG file with full colour resolution, so that thin coloured outlines stay sharp."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality, subsampling=0, dpi=(_DPI, _DPI))
    return file.getvalue()


def png_file(pixels: np.ndarray, compress_level: int = 6) -> bytes:
    """`(rows, columns, 3)` uint8 as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=compress_level)
    return file.getvalue()


def _write_labels(pen: ImageDraw.ImageDraw, corners: Sequence[Corner]) -> None:
    """Slice numbers as a reader counts, from 1, and the patient's sides."""
    for k, top, left, height, width in corners:
        write(pen, Text((left + 5, top + 4), f"{k + 1}", 7.5, "white", "lt", bold=True), _POINT)
        write(pen, Text((left + 5, top + height / 2), "R", 6.5, "#c9d2dc", "lm"), _POINT)
        write(pen, Text((left + width - 5, top + height / 2), "L", 6.5, "#c9d2dc", "rm"), _POINT)


def _write_legend(pen: ImageDraw.ImageDraw, y: float, width: int) -> None:
    entries = [
        ("■", SENSITIVE_COLOUR, "sensitive only"),
        ("■", CONSERVATIVE_COLOUR, "conservative"),
        ("□", NORMAL_BONE_COLOUR, "normal bone"),
        ("□", REGION_COLOUR, "disease region"),
    ]
    # as many as fit: a mosaic of one narrow slice has no room for four
    fitting = max(1, min(len(entries), int(width / _DPI / 1.15)))
    for n, (sign, colour, words) in enumerate(entries[:fitting]):
        x = 0.008 * width + n * 1.2 * _DPI
        write(pen, Text((x, y), sign, 8, colour, "lm"), _POINT)
        write(pen, Text((x + 0.13 * _DPI, y), words, 6.5, "#dfe5ea", "lm"), _POINT)
    if width / _DPI > 7:
        words = "R, L: patient's sides; number: slice, from 1"
        write(pen, Text((0.994 * width, y), words, 6, "#9aa5b1", "rm"), _POINT)
