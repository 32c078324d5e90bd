"""The reader's cleaning of the automatic result: lesions removed by gestures, masks edited by hand, and VHI measured again.

Hepburn et al. 2023, section 2.5.1: the reader removes what is hyperintense but not inflammation (vessels, joint fluid,
artefacts), whole lesions or the part of one that is attached to such a structure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from .box import box_of
from .gestures import AnyGesture, Gesture, LesionField, Replayed, replay
from .lesions import clear, grade_hyperintensity
from .pipeline import VhiResult, at_thresholds, chain_warnings, limit_warnings, with_grade, with_lesions
from .proposal import Proposal, Stage
from .regrading import MOST_BRIGHT_VOXELS, BoxedScan, by_size
from .stability import stability_of
from .transforms.groups import label_groups
from .volume import Mask, check_same_grid


@dataclass(frozen=True)
class Changes:
    """Differences between a reader's mask and the automatic result.

    Parameters
    ----------
    lesions_kept, lesions_removed : tuple of int
        Ids of automatic lesions kept whole, or of which nothing was kept.
    boundary_edits : tuple of (int, int)
        Lesions of which a part was removed: id and number of voxels removed.
    painted_outside : int
        Voxels that the reader added and that reach the sensitive threshold: they count.
    painted_below_threshold : int
        Voxels that the reader added and that do not: they do not count.
    painted_left_out : int
        Voxels that the reader added where the settings leave everything out (`lib.core.limits`): they do not count.
    """

    lesions_kept: tuple[int, ...]
    lesions_removed: tuple[int, ...]
    boundary_edits: tuple[tuple[int, int], ...]
    painted_outside: int
    painted_below_threshold: int
    painted_left_out: int = 0

    @property
    def removed_voxels(self) -> int:
        """Voxels removed from lesions of which a part was kept."""
        return sum(voxels for _, voxels in self.boundary_edits)


def lesion_field(result: VhiResult) -> LesionField:
    """The lesions of an automatic result, as gestures see them."""
    return LesionField(result.lesion_labels, result.stir.grid, lambda: (result.anatomy, result.measurement.midline_mm))


def lesions_after(result: VhiResult, gestures: Sequence[AnyGesture], start: np.ndarray | None = None) -> Replayed:
    """The lesions of the automatic result after gestures, replayed in order from `start`, `(lesions + 1,)` bool by id."""
    return replay(lesion_field(result), gestures, np.ones(len(result.lesions) + 1, dtype=bool) if start is None else start)


def _kept_of(result: VhiResult, left: Replayed) -> Mask:
    """The graded voxels of the automatic result that gestures left."""
    graded, kept = result.graded, np.zeros_like(left.labels, dtype=bool)
    kept[graded.at] = left.keep[left.labels[graded.at], graded.slice]
    return Mask(kept, result.stir.grid, "inflammation")


def kept_after(result: VhiResult, gestures: Sequence[AnyGesture], start: np.ndarray | None = None) -> tuple[Mask, Replayed]:
    """Replay gestures over the automatic result, in order.

    Parameters
    ----------
    result : VhiResult
        The automatic one.
    gestures : sequence of Gesture, Bridge or Cut
        On the grid of STIR.
    start : (lesions + 1,) bool array, optional
        Which lesions are there before the first one, by id; all when absent.

    Returns
    -------
    kept : Mask
        What is left of the graded voxels.
    left : Replayed
        The lesions there, with a message for each gesture that changed nothing because it takes no lesion.
    """
    left = lesions_after(result, gestures, start)
    return _kept_of(result, left), left


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces of the lesions that gestures split.

    Parameters
    ----------
    result : VhiResult
        With the pieces as its lesions, numbered from 1; nothing else of the automatic result is left in it.
    ids, of : (pieces,) int arrays
        The id that gestures know each piece by, and the lesion that it is a piece of.
    """

    result: VhiResult
    ids: np.ndarray
    of: np.ndarray


def pieces_after(result: VhiResult, gestures: Sequence[AnyGesture]) -> Pieces | None:
    """The pieces that gestures split lesions of the automatic result into; None where they split none."""
    splits = [gesture for gesture in gestures if not isinstance(gesture, Gesture)]
    if not splits:
        return None
    whole = len(result.lesions) + 1
    replayed = replay(lesion_field(result), splits, np.ones(whole, dtype=bool))
    if replayed.parent.size == whole:
        return None
    is_piece = np.isin(replayed.parent, replayed.parent[whole:])
    is_piece[0] = False
    ids = np.flatnonzero(is_piece)
    number = np.zeros(replayed.parent.size, dtype=np.int32)
    number[ids] = np.arange(1, ids.size + 1)
    labels = number[replayed.labels]
    grade = np.where(labels > 0, result.grade, 0).astype(result.grade.dtype)
    alone = with_lesions(result, grade, labels, ids.size, result.measurement.raw_sensitive)
    return Pieces(alone, ids, replayed.parent[ids])


def changes_of(result: VhiResult, kept: Mask) -> Changes:
    """Compare what a reader keeps with the automatic result.

    Raises
    ------
    GridMismatchError
        The mask lies on another grid than STIR.
    """
    check_same_grid(result.stir, kept)
    size = np.array([0, *(lesion.voxels for lesion in result.lesions)])
    graded = result.graded
    inside = kept.data[graded.at]
    left = np.bincount(graded.lesion[inside], minlength=size.size)
    lost = size - left
    ids = np.arange(1, size.size)
    counting = _counting(result, kept)
    added = result.stir.data[counting.data & (result.grade == 0)] if _painted(kept, inside) else np.empty(0)
    bright = int(np.count_nonzero(added >= result.thresholds.sensitive))
    return Changes(
        lesions_kept=tuple(int(n) for n in ids if not lost[n]),
        lesions_removed=tuple(int(n) for n in ids if not left[n]),
        boundary_edits=tuple((int(n), int(lost[n])) for n in ids if lost[n] and left[n]),
        painted_outside=bright,
        painted_below_threshold=added.size - bright,
        painted_left_out=kept.voxels - counting.voxels,
    )


def _counting(result: VhiResult, kept: Mask) -> Mask:
    """A reader's mask without what the settings leave out."""
    left_out = result.left_out
    return kept if left_out is None else Mask(kept.data & ~left_out, kept.grid, kept.name)


def measure_cleaned(result: VhiResult, kept: Mask) -> VhiResult:
    """The measurement of what a reader kept.

    Parameters
    ----------
    result : VhiResult
        The automatic one.
    kept : Mask
        On the grid of STIR; empty for no inflammation. Automatic voxels in it keep their grade, others count where they
        reach a threshold and the settings do not leave that part out, and no post-transform is applied: a reader's small
        group stays.

    Returns
    -------
    VhiResult
        With lesions numbered anew, and `measurement.raw_sensitive` still of the automatic result. Its stability, with the
        warning of it, is that of the reader's decisions on the scan as it is measured anew at other thresholds: what the reader
        removed stays removed; of what is left, those lesions count that hold a voxel which the reader kept, whole, and a voxel
        that the reader painted counts while it reaches the threshold. A lesion on which the reader decided nothing, as it was
        not there, does not count.

    Raises
    ------
    GridMismatchError
        The mask lies on another grid than STIR.
    """
    check_same_grid(result.stir, kept)
    kept = _counting(result, kept)
    return _measured(result, kept, "cleaned", _cleaned_at(result, kept))


def measure_proposed(result: VhiResult, decide: Callable[[VhiResult], Proposal]) -> VhiResult:
    """The measurement of what a model keeps.

    Parameters
    ----------
    result : VhiResult
        The automatic one.
    decide : callable
        An automatic result to the model's proposal for its lesions.

    Returns
    -------
    VhiResult
        With `proposal`. Its stability is that of the proposed number: at other thresholds the lesions are found anew and the
        model decides anew.
    """
    proposal = result.proposal or decide(result)
    kept = Mask(proposal.keeps()[result.lesion_labels], result.stir.grid, "inflammation")

    def vhi_mm3_at(sensitive: float, conservative: float) -> float:
        if (sensitive, conservative) == (result.thresholds.sensitive, result.thresholds.conservative):
            return kept.voxels * kept.grid.voxel_volume_mm3
        other = decide(at_thresholds(result, sensitive, conservative))
        return other.extent(kept.grid.voxel_volume_mm3).sensitive_mm3

    return _measured(dataclasses.replace(result, proposal=proposal), kept, "proposed", vhi_mm3_at)


def _measured(result: VhiResult, kept: Mask, stage: Stage, vhi_mm3_at: Callable[[float, float], float]) -> VhiResult:
    thresholds = result.thresholds
    stability = stability_of(
        vhi_mm3_at,
        result.normal_bone_sample,
        dataclasses.replace(result.settings.threshold_rule, rule=thresholds.rule),
        (thresholds.sensitive, thresholds.conservative),
        result.normal_bone_source,
        result.normal_bone_with_proposal,
    )
    first = (*chain_warnings(result.settings), *limit_warnings(result.settings), *stability.warnings)
    before = {*first, *result.stability.warnings}
    return dataclasses.replace(
        _with_kept(result, kept),
        stability=stability,
        warnings=(*first, *(warning for warning in result.warnings if warning not in before)),
        stage=stage,
        raw=result.raw or result.measurement.total,
    )


def _with_kept(result: VhiResult, kept: Mask) -> VhiResult:
    """The result of what a reader kept, but for its stability."""
    graded, raw = result.graded, result.measurement.raw_sensitive
    inside = kept.data[graded.at]
    at = tuple(graded.index[inside].T)
    grade = np.zeros_like(result.grade)
    if is_painted := _painted(kept, inside):
        mask, thresholds = Mask(kept.data, result.stir.grid, kept.name), result.thresholds
        grade = grade_hyperintensity(result.stir, mask, thresholds.sensitive, thresholds.conservative)
    grade[at] = graded.grade[inside]
    if is_painted or len(inside) > MOST_BRIGHT_VOXELS:
        return with_grade(result, grade, raw)
    labels = np.zeros_like(result.lesion_labels)
    labels[at] = lesion = by_size(graded.touching.groups(inside)[inside])
    return with_lesions(result, grade, labels, int(lesion.max(initial=0)), raw)


def _painted(kept: Mask, inside: np.ndarray) -> bool:
    """Whether a mask holds a voxel beside the graded ones, of which it holds those `inside`."""
    return bool(kept.voxels > np.count_nonzero(inside))


def _cleaned_at(result: VhiResult, kept: Mask) -> Callable[[float, float], float]:
    """VHI [mm3] of what a reader kept, were the thresholds others."""
    keep, slowly = _kept_cells(result, kept), cache(lambda: _CleanedAt(result, kept))

    def vhi_mm3_at(sensitive: float, conservative: float) -> float:
        pieces = None if keep is None else result.pieces_at(sensitive, conservative)
        if keep is None or pieces is None:
            return slowly()(sensitive, conservative)
        return pieces.voxels_left(keep) * result.stir.grid.voxel_volume_mm3

    return vhi_mm3_at


def _kept_cells(result: VhiResult, kept: Mask) -> np.ndarray | None:
    """The part of each lesion in each slice that a mask keeps, `(lesions + 1, K)` bool; None where that is not all or nothing."""
    graded, slices = result.graded, result.grade.shape[2]
    inside = kept.data[graded.at]
    cell = graded.lesion * slices + graded.slice
    count = (len(result.lesions) + 1) * slices
    there, left = np.bincount(cell, minlength=count), np.bincount(cell[inside], minlength=count)
    if _painted(kept, inside) or ((left > 0) & (left < there)).any():
        return None
    return (left > 0).reshape(-1, slices)


class _CleanedAt:
    """VHI [mm3] of what a reader kept, were the thresholds others; by passes over the whole region, whatever was kept."""

    def __init__(self, result: VhiResult, kept: Mask) -> None:
        box = box_of(result.disease_region.mask.data)
        scan = BoxedScan(result.stir, result.counted_region, box)
        automatic = result.grade > 0
        # beyond the automatic result nothing grows: what was painted there counts while it reaches the threshold
        painted = kept.data & ~automatic
        self.painted_values = result.stir.data[painted]
        self.stir, self.region, self.settings = scan.stir, scan.region, result.settings
        self.kept, self.removed, self.painted = (
            np.flatnonzero(mask[box].T) for mask in (automatic & kept.data, automatic & ~kept.data, painted)
        )

    def __call__(self, sensitive: float, conservative: float) -> float:
        grade = clear(grade_hyperintensity(self.stir, self.region, sensitive, conservative), self.region, self.settings)
        grade = np.array(grade.T, order="C")
        flat = grade.ravel()  # a view
        flat[self.removed] = 0
        labels, count = label_groups(grade.T)
        group = labels.T.ravel()
        touched = np.zeros(count + 1, dtype=bool)
        touched[group[self.kept]] = True
        touched[0] = False
        grown = int(np.count_nonzero(touched[group[np.flatnonzero(flat)]]))
        bright = self.stir.data.T.ravel()[self.painted] >= sensitive
        twice = int(np.count_nonzero(touched[group[self.painted]] & bright))
        painted = int(np.count_nonzero(self.painted_values >= sensitive))
        return (grown + painted - twice) * self.stir.grid.voxel_volume_mm3
