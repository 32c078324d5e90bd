"""What the networks of normal bone see, and where they see it: how probable it is that a reader would draw a voxel.

Networks reach this module as callables; nothing here knows how they are made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.core.disease_region import Member
from lib.core.normalise import NetworkFrame, normalise_t1w
from lib.core.volume import Mask, Volume
from lib.errors import ModelError, NormalBoneError

# T1W, STIR, and STIR of the slices in front and behind
CHANNELS = 4
# of the square that the networks see, in the pixels that they know: 133 mm, the sacrum between the iliac bones
WINDOW = 224


def marrow_slices(t1w: Volume, stir: Volume, disease_region: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The networks' `(K, CHANNELS, WINDOW, WINDOW)` float32 input, and where its corner lies in the hung slices.

    T1W is divided by three times its standard deviation, STIR by three times its median in the disease region (`(I, J, K)` bool,
    not empty), which inflammation moves less. The window lies about the middle of the region; beyond the image it is zero.
    """
    frame = NetworkFrame.of(stir.grid)
    corner = _corner(frame.slices(disease_region) >= 0.5)
    scaled = stir.data / max(3.0 * float(np.median(stir.data[disease_region])), np.finfo(np.float32).tiny)
    one, two = (_window(frame.slices(image), corner) for image in (normalise_t1w(t1w), scaled))
    neighbours = [np.concatenate([two[:1], two[:-1]]), np.concatenate([two[1:], two[-1:]])]
    if stir.grid.affine[1, 2] > 0:  # the first slice is the hindmost
        neighbours.reverse()
    return np.ascontiguousarray(np.stack([one, two, *neighbours], axis=1)), corner


def windowed(mask: np.ndarray, frame: NetworkFrame, corner: tuple[int, int]) -> np.ndarray:
    """`(I, J, K)` bool as `(K, WINDOW, WINDOW)` bool, where the networks see it."""
    return _window(frame.slices(mask), corner) >= 0.5


def marrow_probability(t1w: Volume, stir: Volume, disease_region: Mask, members: Sequence[Member]) -> list[np.ndarray]:
    """Each member's `(I, J, K)` float32 probability that a reader draws normal bone there; 0 outside the window.

    Raises
    ------
    NormalBoneError
        The disease region is empty.
    ModelError
        A member answers with another shape.
    """
    if not disease_region.voxels:
        raise NormalBoneError("Normal bone lies in the sacrum, but the disease region is empty. Draw both by hand.")
    frame = NetworkFrame.of(stir.grid)
    slices, corner = marrow_slices(t1w, stir, disease_region.data)
    found = []
    for member in members:
        seen = member(slices)
        if seen.shape != (len(slices), WINDOW, WINDOW):
            raise ModelError(f"A network answers {slices.shape} slices with shape {seen.shape}; it is no model of normal bone.")
        found.append(frame.volume(_put_back(seen, corner, frame.network_size)))
    return found


def _corner(region: np.ndarray) -> tuple[int, int]:
    """Upper left corner of the window about the middle of hung `(K, H, W)` bool; negative where it leaves the image."""
    middle = [np.flatnonzero(region.any(axis=axes))[[0, -1]].mean() for axes in ((0, 2), (0, 1))]
    return round(middle[0]) - WINDOW // 2, round(middle[1]) - WINDOW // 2


def _spans(corner: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns that image and window share: in the image, and in the window."""
    image = [slice(max(0, start), max(0, min(length, start + WINDOW))) for start, length in zip(corner, size, strict=True)]
    window = [slice(span.start - start, span.stop - start) for span, start in zip(image, corner, strict=True)]
    return (image[0], image[1]), (window[0], window[1])


def _window(slices: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    image, window = _spans(corner, (slices.shape[1], slices.shape[2]))
    out = np.zeros((len(slices), WINDOW, WINDOW), dtype=slices.dtype)
    out[:, window[0], window[1]] = slices[:, image[0], image[1]]
    return out


def _put_back(seen: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    image, window = _spans(corner, size)
    out = np.zeros((len(seen), *size), dtype=np.float32)
    out[:, image[0], image[1]] = seen[:, window[0], window[1]]
    return out
