"""The slices that a page about a clone shows: disease regions, an example of the workflow, and the readers' outlier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..core.disease_region import dice
from ..core.orientation import DisplayOrientation
from ..core.volume import Mask, Volume
from ..errors import VhiError
from ..studies.nifti import read_labels, read_mask, read_volume
from ..studies.reader_masks import ReaderMask, read_inflammation
from .comparisons import BOTH_SEMI, dices
from .network_regions import kept_mask
from .readers import SEMI, voxel_by_voxel
from .run import Found, kept_grade

MOST_EXAMPLES = 2
SLICES = 3


@dataclass(frozen=True, eq=False)
class RegionPicture:
    """One hung T1W slice with the manual region and the one that each ensemble found.

    `t1w` is `(rows, columns)` of any intensities, `manual` and those in `found` bool; `dices` are the 2-D Dice of that slice.
    """

    case: str
    use: str
    k: int
    t1w: np.ndarray
    manual: np.ndarray
    found: dict[str, np.ndarray]
    dices: dict[str, float]


@dataclass(frozen=True, eq=False)
class WorkflowPicture:
    """A STIR scan, its automatic segmentation and a reader's cleaned one; `k` is the slice with most of it.

    `grade` is `(I, J, K)` of 0, 1, 2 on the grid of `stir`.
    """

    case: str
    reader: str
    k: int
    stir: Volume
    grade: np.ndarray
    cleaned: Mask


@dataclass(frozen=True, eq=False)
class OutlierPicture:
    """The scan on which the semi-automatic readings agree least, with the slices on which they differ most."""

    case: str
    stir: Volume
    first: Mask
    second: Mask
    slices: tuple[int, ...]
    dice: float


@dataclass(frozen=True, eq=False)
class Pictures:
    """All of them; what cannot be drawn is not there."""

    regions: tuple[RegionPicture, ...] = ()
    workflow: tuple[WorkflowPicture, ...] = ()
    outlier: OutlierPicture | None = None


def draw_pictures(found: Found) -> Pictures:
    """The pictures of the clone's scans; a scan that cannot be read has been named before and is left out here."""
    shown = [case for use in ("test", "additional") for case, one in sorted(found.clone.use.items()) if one == use]
    return Pictures(tuple(_drawn(_region(found, case) for case in shown)), tuple(_examples(found)), _outlier(found))


def _drawn(pictures: Iterable[RegionPicture | None]) -> Iterator[RegionPicture]:
    return (picture for picture in pictures if picture is not None)


def _region(found: Found, case: str) -> RegionPicture | None:
    names = [one.name for one in found.ensembles if case in found.regions[one.name]]
    if not names:
        return None
    try:
        scan = read_volume(found.clone.t1w[case], "T1W")
        manual = voxel_by_voxel(read_mask(found.clone.regions[case], "manual disease region"), scan.grid)[0].data
        answers = {name: read_mask(kept_mask(found.work, name, case), "disease region").data for name in names}
    except VhiError:
        return None
    # in voxels, not in Dice: a sliver at the edge of the pelvis has a low Dice and says little
    k = int(np.argmax(sum(np.count_nonzero(manual ^ answer, axis=(0, 1)) for answer in answers.values())))
    hanging = DisplayOrientation.of(scan.grid)
    hung = {name: hanging.hang(answer)[k] for name, answer in answers.items()}
    drawn = hanging.hang(manual)[k]
    dices_of = {name: dice(drawn, answer) for name, answer in hung.items()}
    return RegionPicture(case, found.clone.use[case], k, hanging.hang(scan.data)[k], drawn, hung, dices_of)


def _examples(found: Found) -> Iterator[WorkflowPicture]:
    """The scans with most automatic segmentation that a reader cleaned."""
    cleaned = [case for case, one in found.automatic.items() if one["cleaned"]]
    for case in sorted(cleaned, key=lambda case: -found.automatic[case]["voxels"])[:MOST_EXAMPLES]:
        reader = min(found.automatic[case]["cleaned"])
        reading = _semi(found, case, reader)
        try:
            stir = read_volume(found.clone.stir[case], "STIR")
            grade, _ = read_labels(kept_grade(found.work, case), "automatic segmentation")
            mask = voxel_by_voxel(read_inflammation(reading)[0], stir.grid)[0]
        except VhiError:
            continue
        k = int(np.argmax(np.count_nonzero(mask.data, axis=(0, 1))))
        yield WorkflowPicture(case, reader, k, stir, grade, mask)


def _outlier(found: Found) -> OutlierPicture | None:
    values = {case: value for case, value in dices(found, BOTH_SEMI).items() if case in found.clone.stir}
    if not values:
        return None
    case = min(values, key=lambda case: values[case])
    try:
        stir = read_volume(found.clone.stir[case], "STIR")
        first, second = (
            voxel_by_voxel(read_inflammation(_semi(found, case, reader))[0], stir.grid)[0] for reader in BOTH_SEMI.split()
        )
    except VhiError:
        return None
    apart = np.count_nonzero(first.data ^ second.data, axis=(0, 1))
    slices = sorted(int(k) for k in np.argsort(-apart, kind="stable")[:SLICES] if apart[k])
    return OutlierPicture(case, stir, first, second, tuple(slices), values[case]) if slices else None


def _semi(found: Found, case: str, reader: str) -> ReaderMask:
    return next(one for one in found.clone.readings if (one.case, one.reader, one.method, one.reading) == (case, reader, SEMI, 1))
