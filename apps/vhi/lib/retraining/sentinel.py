"""The cases that every site's versions are measured on beside its own: phantoms, made anew from fixed seeds."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.volume import Mask, Volume
from ..phantom.study import make_phantom

# never another's: the tests and the demo draw theirs from small numbers
SEEDS = (90_001, 90_002, 90_003)
SHAPE = (168, 168, 13)


def sentinel_cases(shape: tuple[int, int, int] = SHAPE) -> Iterator[tuple[str, Volume, Mask]]:
    """Name, T1W and true disease region of each phantom, one after the other."""
    for seed in SEEDS:
        study = make_phantom(seed, shape)
        yield f"phantom-{seed}", study.t1w, study.disease_region
