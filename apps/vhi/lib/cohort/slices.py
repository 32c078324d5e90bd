"""The slices in which two readers of a scan differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.volume import Mask, check_same_grid


@dataclass(frozen=True)
class SliceDisagreement:
    """One slice (`slice`, from 0 along K): voxels that both readers, and only one of them, call inflamed."""

    slice: int
    both: int
    only_first: int
    only_second: int

    @property
    def differing(self) -> int:
        return self.only_first + self.only_second


def slices_of_disagreement(first: Mask, second: Mask) -> tuple[SliceDisagreement, ...]:
    """The slices in which two readers differ, the most voxels first, then from the first slice on.

    Raises
    ------
    GridMismatchError
    """
    check_same_grid(first, second)
    a, b = first.data, second.data
    both, only_a, only_b = (np.count_nonzero(mask, axis=(0, 1)) for mask in (a & b, a & ~b, b & ~a))
    disagreements = [SliceDisagreement(k, int(both[k]), int(only_a[k]), int(only_b[k])) for k in range(a.shape[2])]
    return tuple(
        sorted(
            (disagreement for disagreement in disagreements if disagreement.differing),
            key=lambda disagreement: (-disagreement.differing, disagreement.slice),
        )
    )
