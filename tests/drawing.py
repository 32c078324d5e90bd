"""Small arrays drawn by hand, and the simplest pair of scans that can be measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.core.volume import Grid, Mask, Volume

# oblique coronal, as the study's protocol lies: I to the patient's left, J up and forward, K back
OBLIQUE = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.52, -1.8, -20.0], [0.0, 0.39, 2.4, -40.0], [0.0, 0.0, 0.0, 1.0]])


def slice_of(*rows: str) -> np.ndarray:
    """One slice as `(I, J, 1)` uint8, drawn with `.` for 0 and digits; the first row is I = 0."""
    return np.array([[0 if mark == "." else int(mark) for mark in row] for row in rows], dtype=np.uint8)[:, :, np.newaxis]


def stack_of(*slices: np.ndarray) -> np.ndarray:
    """Slices `(I, J, 1)` to one `(I, J, K)` array."""
    return np.concatenate(slices, axis=2)


def grid_of(array: np.ndarray, affine: np.ndarray = OBLIQUE) -> Grid:
    return Grid(array.shape, affine)


def mask_of(array: np.ndarray, name: str = "mask", affine: np.ndarray = OBLIQUE) -> Mask:
    return Mask(array.astype(bool), grid_of(array, affine), name)


@dataclass(frozen=True)
class Pair:
    """T1W and STIR of a made-up scan with its two regions."""

    t1w: Volume
    stir: Volume
    disease_region: Mask
    normal_bone: Mask


def pair(rng: np.random.Generator, shape: tuple[int, int, int] = (24, 20, 6), affine: np.ndarray = OBLIQUE) -> Pair:
    """A random but plausible scan: bright T1W, dark STIR with bright lesions, normal bone in the middle of every slice."""
    grid = Grid(shape, affine)
    region = np.zeros(shape, dtype=bool)
    region[2:-2, 2:-2, :] = True
    normal = np.zeros(shape, dtype=bool)
    normal[8:13, 8:12, 1:5] = True
    stir = rng.normal(100.0, 10.0, shape)
    lesions = rng.random(shape) > 0.85
    lesions[normal] = False
    stir[lesions] += rng.uniform(20.0, 400.0, shape)[lesions]
    t1w = rng.uniform(400.0, 900.0, shape)
    return Pair(
        Volume(t1w, grid, "T1W"),
        Volume(stir, grid, "STIR"),
        Mask(region, grid, "disease region"),
        Mask(normal, grid, "normal bone"),
    )
