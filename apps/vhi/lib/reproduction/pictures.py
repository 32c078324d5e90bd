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
from .run import RunResults, kept_grade

MOST_EXAMPLES = 2
SLICES = 3


@dataclass(frozen=True, eq=False)
class RegionPicture:
    """One hung T1W slice with the manual region and the one that each ensemble found.

    `t1w` is `(rows, columns)` of any intensities, `manual` and the `regions` of the ensembles bool; `dices` are the 2-D Dice of
    that slice.
    """

    case: str
    use: str
    k: int
    t1w: np.ndarray
    manual: np.ndarray
    regions: dict[str, np.ndarray]
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


def draw_pictures(results: RunResults) -> Pictures:
    """The pictures of the clone's scans; a scan that cannot be read has been named before and is left out here."""
    shown = [
        case for use in ("test", "additional") for case, use_in_paper in sorted(results.clone.use.items()) if use_in_paper == use
    ]
    return Pictures(tuple(_drawn(_region(results, case) for case in shown)), tuple(_examples(results)), _outlier(results))


def _drawn(pictures: Iterable[RegionPicture | None]) -> Iterator[RegionPicture]:
    return (picture for picture in pictures if picture is not None)


def _region(results: RunResults, case: str) -> RegionPicture | None:
    names = [ensemble.name for ensemble in results.ensembles if case in results.regions[ensemble.name]]
    if not names:
        return None
    try:
        scan = read_volume(results.clone.t1w[case], "T1W")
        manual = voxel_by_voxel(read_mask(results.clone.regions[case], "manual disease region"), scan.grid)[0].data
        answers = {name: read_mask(kept_mask(results.work, name, case), "disease region").data for name in names}
    except VhiError:
        return None
    # in voxels, not in Dice: a sliver at the edge of the pelvis has a low Dice and says little
    k = int(np.argmax(sum(np.count_nonzero(manual ^ answer, axis=(0, 1)) for answer in answers.values())))
    hanging = DisplayOrientation.of(scan.grid)
    hung = {name: hanging.hang(answer)[k] for name, answer in answers.items()}
    drawn = hanging.hang(manual)[k]
    dices_of = {name: dice(drawn, answer) for name, answer in hung.items()}
    return RegionPicture(case, results.clone.use[case], k, hanging.hang(scan.data)[k], drawn, hung, dices_of)


def _examples(results: RunResults) -> Iterator[WorkflowPicture]:
    """The scans with most automatic segmentation that a reader cleaned."""
    cleaned = [case for case, segmentation in results.automatic.items() if segmentation["cleaned"]]
    for case in sorted(cleaned, key=lambda case: -results.automatic[case]["voxels"])[:MOST_EXAMPLES]:
        reader = min(results.automatic[case]["cleaned"])
        reading = _semi(results, case, reader)
        try:
            stir = read_volume(results.clone.stir[case], "STIR")
            grade, _ = read_labels(kept_grade(results.work, case), "automatic segmentation")
            mask = voxel_by_voxel(read_inflammation(reading)[0], stir.grid)[0]
        except VhiError:
            continue
        k = int(np.argmax(np.count_nonzero(mask.data, axis=(0, 1))))
        yield WorkflowPicture(case, reader, k, stir, grade, mask)


def _outlier(results: RunResults) -> OutlierPicture | None:
    values = {case: value for case, value in dices(results, BOTH_SEMI).items() if case in results.clone.stir}
    if not values:
        return None
    case = min(values, key=lambda case: values[case])
    try:
        stir = read_volume(results.clone.stir[case], "STIR")
        first, second = (
            voxel_by_voxel(read_inflammation(_semi(results, case, reader))[0], stir.grid)[0] for reader in BOTH_SEMI.split()
        )
    except VhiError:
        return None
    apart = np.count_nonzero(first.data ^ second.data, axis=(0, 1))
    slices = sorted(int(k) for k in np.argsort(-apart, kind="stable")[:SLICES] if apart[k])
    return OutlierPicture(case, stir, first, second, tuple(slices), values[case]) if slices else None


def _semi(results: RunResults, case: str, reader: str) -> ReaderMask:
    return next(
        reading
        for reading in results.clone.readings
        if (reading.case, reading.reader, reading.method, reading.reading) == (case, reader, SEMI, 1)
    )
