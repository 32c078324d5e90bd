"""The cases that every site's versions are measured on beside its own: phantoms, the same for all sites and all times.

The studies' licence lets no image be shipped, so that the reference cases of all sites are synthetic: three as the study's scans,
and four as other protocols would show them. They lie beside this module as they were made: nothing that phantoms gain later
changes what versions are compared on, and a session need not make them. Noise and coil fall-off of two of the four are
computed, from fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np

from ..core.volume import Grid, Mask, Volume
from ..files import write_atomically
from ..phantom.study import make_phantom

# never another's: the tests and the demo draw theirs from small numbers
SEEDS = (90_001, 90_002, 90_003)
SHAPE = (168, 168, 13)
FILE = Path(__file__).with_name("phantoms.npz")
_NOISE, _FALL_OFF, _COARSER = 0.12, 0.9, 2
Scan = tuple[Volume, Mask]


def phantom_regression_cases() -> Iterator[tuple[str, Volume, Mask]]:
    """Name, T1W and true disease region of each phantom, one after the other."""
    for seed in SEEDS:
        yield f"phantom-{seed}", *reference_phantom(seed)
    for seed, (name, changed) in enumerate(PROTOCOLS.items(), start=SEEDS[-1] + 1):
        yield f"phantom-{name}", *changed(reference_phantom(seed), seed)


def reference_phantom(seed: int) -> Scan:
    """T1W and true disease region of the shipped phantom of a seed, as `make_phantom` made it of `SHAPE`."""
    if seed not in REFERENCE_SEEDS:
        raise ValueError(f"no phantom of seed {seed} is shipped")
    t1w, region, affine = (array[seed - SEEDS[0]] for array in _arrays())
    grid = Grid(SHAPE, affine)
    inside = np.unpackbits(region, count=t1w.size).reshape(SHAPE).astype(bool)
    return Volume(t1w.astype(np.float64), grid, "T1W"), Mask(inside, grid, "disease region")


@cache
def _arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(7, I, J, K)` T1W in whole numbers, `(7, N)` regions as bits, `(7, 4, 4)` affines [mm]."""
    with np.load(FILE, allow_pickle=False) as stored:
        return stored["t1w"], stored["region"], stored["affine"]


def write_reference_phantoms(path: Path = FILE) -> None:
    """Make the phantoms of all seeds and store them: T1W as whole numbers, regions as bits, affines [mm] in float64.

    Versions that were measured on others before are no longer comparable.
    """
    studies = [make_phantom(seed, SHAPE) for seed in REFERENCE_SEEDS]
    content = BytesIO()
    np.savez_compressed(
        content,
        t1w=np.stack([study.t1w.data for study in studies]).astype(np.uint16),  # a phantom holds whole numbers, as scans do
        region=np.stack([np.packbits(study.disease_region.data) for study in studies]),
        affine=np.stack([study.t1w.grid.affine for study in studies]),
    )
    write_atomically(path, content.getvalue())


def _noisy(scan: Scan, seed: int) -> Scan:
    """Noise as of a scan in a quarter of the time, of two receiver channels."""
    t1w, region = scan
    rng = np.random.default_rng(seed)
    width = _NOISE * float(np.percentile(t1w.data, 99))
    real, other = (rng.normal(0.0, width, t1w.data.shape) for _ in range(2))
    return replace(t1w, data=np.hypot(t1w.data + real, other).astype(np.float32)), region


def _fallen_off(scan: Scan, _: int) -> Scan:
    """A surface coil under the patient's one side: the signal falls off across the frame."""
    t1w, region = scan
    ramp = np.exp(-_FALL_OFF * np.linspace(0.0, 1.0, t1w.data.shape[0], dtype=np.float32))
    return replace(t1w, data=t1w.data * ramp[:, None, None]), region


def _coarse(scan: Scan, _: int) -> Scan:
    """A matrix of half as many pixels each way."""
    return _thinned(scan, (_COARSER, _COARSER, 1))


def _thick(scan: Scan, _: int) -> Scan:
    """Slices of twice the thickness, and half as many."""
    return _thinned(scan, (1, 1, 2))


def _thinned(scan: Scan, by: tuple[int, int, int]) -> Scan:
    """Means of blocks of voxels, and what most of each block is; incomplete blocks at the end are dropped."""
    t1w, region = scan
    shape = tuple(n // side for n, side in zip(t1w.data.shape, by, strict=True))
    inside = tuple(slice(0, n * side) for n, side in zip(shape, by, strict=True))

    def means(data: np.ndarray) -> np.ndarray:
        blocks = data[inside].reshape([n for pair in zip(shape, by, strict=True) for n in pair])
        mean: np.ndarray = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
        return mean

    affine = t1w.grid.affine @ np.diag([*by, 1.0])
    affine[:3, 3] += t1w.grid.affine[:3, :3] @ ((np.array(by) - 1) / 2)
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    return replace(t1w, data=means(t1w.data), grid=grid), replace(region, data=means(region.data) >= 0.5, grid=grid)


PROTOCOLS: dict[str, Callable[[Scan, int], Scan]] = {
    "noisy": _noisy,
    "fall-off": _fallen_off,
    "coarse": _coarse,
    "thick": _thick,
}
# those like the study's scans, then one of each protocol
REFERENCE_SEEDS = range(SEEDS[0], SEEDS[-1] + len(PROTOCOLS) + 1)
