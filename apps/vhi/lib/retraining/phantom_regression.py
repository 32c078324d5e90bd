"""The cases that every site's versions are measured on beside its own: phantoms, made anew from fixed seeds.

The studies' licence lets no image be shipped, so that the reference cases of all sites are synthetic: three as the study's scans,
and four as other protocols would show them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..core.volume import Grid, Mask, Volume
from ..phantom.study import PhantomStudy, make_phantom

# never another's: the tests and the demo draw theirs from small numbers
SEEDS = (90_001, 90_002, 90_003)
SHAPE = (168, 168, 13)
_NOISE, _FALL_OFF, _COARSER = 0.12, 0.9, 2
Scan = tuple[Volume, Mask]


def phantom_regression_cases(shape: tuple[int, int, int] = SHAPE) -> Iterator[tuple[str, Volume, Mask]]:
    """Name, T1W and true disease region of each phantom, one after the other."""
    for seed in SEEDS:
        study = make_phantom(seed, shape)
        yield f"phantom-{seed}", study.t1w, study.disease_region
    for n, (name, changed) in enumerate(PROTOCOLS.items()):
        yield f"phantom-{name}", *changed(make_phantom(SEEDS[-1] + 1 + n, shape))


def _noisy(study: PhantomStudy) -> Scan:
    """Noise as of a scan in a quarter of the time, of two receiver channels."""
    data, rng = study.t1w.data, np.random.default_rng(study.seed)
    width = _NOISE * float(np.percentile(data, 99))
    real, other = (rng.normal(0.0, width, data.shape) for _ in range(2))
    return replace(study.t1w, data=np.hypot(data + real, other).astype(np.float32)), study.disease_region


def _fallen_off(study: PhantomStudy) -> Scan:
    """A surface coil under the patient's one side: the signal falls off across the frame."""
    ramp = np.exp(-_FALL_OFF * np.linspace(0.0, 1.0, study.t1w.data.shape[0], dtype=np.float32))
    return replace(study.t1w, data=study.t1w.data * ramp[:, None, None]), study.disease_region


def _coarse(study: PhantomStudy) -> Scan:
    """A matrix of half as many pixels each way."""
    return _thinned(study, (_COARSER, _COARSER, 1))


def _thick(study: PhantomStudy) -> Scan:
    """Slices of twice the thickness, and half as many."""
    return _thinned(study, (1, 1, 2))


def _thinned(study: PhantomStudy, by: tuple[int, int, int]) -> Scan:
    """Means of blocks of voxels, and what most of each block is; incomplete blocks at the end are dropped."""
    shape = tuple(n // side for n, side in zip(study.t1w.data.shape, by, strict=True))
    inside = tuple(slice(0, n * side) for n, side in zip(shape, by, strict=True))

    def means(data: np.ndarray) -> np.ndarray:
        blocks = data[inside].reshape([n for pair in zip(shape, by, strict=True) for n in pair])
        mean: np.ndarray = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
        return mean

    affine = study.t1w.grid.affine @ np.diag([*by, 1.0])
    affine[:3, 3] += study.t1w.grid.affine[:3, :3] @ ((np.array(by) - 1) / 2)
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    t1w = replace(study.t1w, data=means(study.t1w.data), grid=grid)
    return t1w, replace(study.disease_region, data=means(study.disease_region.data) >= 0.5, grid=grid)


PROTOCOLS: dict[str, Callable[[PhantomStudy], Scan]] = {
    "noisy": _noisy,
    "fall-off": _fallen_off,
    "coarse": _coarse,
    "thick": _thick,
}
