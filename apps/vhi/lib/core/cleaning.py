"""What a reader keeps of the automatic result: lesions removed by clicks, masks edited by hand, and VHI measured again.

Hepburn et al. 2023, section 2.5.1: the reader removes what is hyperintense but not inflammation (vessels, joint fluid,
artefacts), whole lesions or the part of one that is attached to such a structure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from ..errors import InputError
from .lesions import clear, grade_hyperintensity
from .normal_bone import NormalBoneSample
from .pipeline import VhiResult, chain_warnings, with_grade
from .proposal import Stage
from .stability import stability_of
from .transforms.groups import label_groups
from .volume import Grid, Mask, Volume, check_same_grid

Scope = Literal["lesion", "slice"]
Voxel = tuple[int, int, int]
SCOPES: tuple[Scope, ...] = ("lesion", "slice")


@dataclass(frozen=True)
class Click:
    """One click on a lesion: what it does, the voxel clicked (index on the grid of STIR), and what of the lesion it takes."""

    what: Literal["remove", "restore"]
    voxel: Voxel
    scope: Scope = "lesion"

    def __post_init__(self) -> None:
        check_scope(self.scope)


def check_scope(scope: str) -> None:
    """Refuse what no click takes.

    Raises
    ------
    InputError
    """
    if scope not in SCOPES:
        raise InputError(f"The scope of a click is {scope!r}; it must be {' or '.join(SCOPES)}.")


@dataclass(frozen=True)
class Changes:
    """What a reader's mask says about the automatic result.

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
    """

    lesions_kept: tuple[int, ...]
    lesions_removed: tuple[int, ...]
    boundary_edits: tuple[tuple[int, int], ...]
    painted_outside: int
    painted_below_threshold: int

    @property
    def removed_voxels(self) -> int:
        """Voxels removed from lesions of which a part was kept."""
        return sum(voxels for _, voxels in self.boundary_edits)


def lesion_at(labels: np.ndarray, voxel: Voxel) -> int:
    """The lesion under a voxel; 0 where there is none.

    Parameters
    ----------
    labels : (I, J, K) int array
    voxel : (i, j, k)
        Index on the same grid, from 0.

    Raises
    ------
    InputError
        Outside the grid.
    """
    if not all(0 <= index < length for index, length in zip(voxel, labels.shape, strict=True)):
        grid = " x ".join(map(str, labels.shape))
        raise InputError(
            f"The click at voxel {tuple(voxel)} lies outside the scan's grid of {grid} voxels; clicks are voxel indices of the "
            "original series, from 0."
        )
    return int(labels[voxel])


def kept_after_clicks(
    result: VhiResult,
    remove: Sequence[Voxel] = (),
    restore: Sequence[Voxel] = (),
    scope: Scope = "lesion",
    start: np.ndarray | None = None,
) -> tuple[Mask, tuple[str, ...]]:
    """Replay clicks over the automatic result: first all that remove, then all that restore.

    Parameters
    ----------
    result : VhiResult
        The automatic one.
    remove, restore : sequences of (i, j, k)
        Voxel indices on the grid of STIR. A click takes the whole lesion under it, of both grades.
    scope : "lesion" or "slice"
        The 3-D lesion, or what of it lies in the clicked slice.
    start : (lesions + 1,) bool array, optional
        Which lesions are there before the first click, by id; all when absent.

    Returns
    -------
    kept : Mask
        What is left of the graded voxels.
    messages : tuple of str
        One for each click that changed nothing because no lesion is there.
    """
    check_scope(scope)
    labels = result.lesion_labels
    clicks = [*(Click("remove", voxel, scope) for voxel in remove), *(Click("restore", voxel, scope) for voxel in restore)]
    keep, messages = replayed(labels, clicks, np.ones(len(result.lesions) + 1, dtype=bool) if start is None else start)
    return Mask(keep[labels, np.arange(labels.shape[2])], result.stir.grid, "inflammation"), messages


def replayed(labels: np.ndarray, clicks: Sequence[Click], start: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """What clicks leave of each lesion in each slice.

    Parameters
    ----------
    labels : (I, J, K) int array
        Lesions by id.
    clicks : sequence of Click
    start : (lesions + 1,) bool array
        Which lesions are there before the first click, by id.

    Returns
    -------
    keep : (lesions + 1, K) bool array
        False throughout for id 0, which is no lesion.
    messages : tuple of str
    """
    keep = np.repeat(start[:, np.newaxis], labels.shape[2], axis=1)
    messages = []
    for click in clicks:
        try:
            lesion = lesion_at(labels, click.voxel)
        except InputError as error:
            messages.append(str(error))
            continue
        if lesion:
            keep[lesion, slice(None) if click.scope == "lesion" else click.voxel[2]] = click.what == "restore"
        else:
            messages.append(f"There is no lesion at voxel {tuple(click.voxel)}; that click changed nothing.")
    keep[0] = False
    return keep, tuple(messages)


def changes_of(result: VhiResult, kept: Mask) -> Changes:
    """Compare what a reader keeps with the automatic result.

    Raises
    ------
    GridMismatchError
        The mask lies on another grid than STIR.
    """
    check_same_grid(result.stir, kept)
    size = np.array([0, *(lesion.voxels for lesion in result.lesions)])
    left = np.bincount(result.lesion_labels[kept.data], minlength=size.size)
    lost = size - left
    ids = np.arange(1, size.size)
    added = result.stir.data[kept.data & (result.grade == 0)]
    bright = int(np.count_nonzero(added >= result.thresholds.sensitive))
    return Changes(
        lesions_kept=tuple(int(n) for n in ids if not lost[n]),
        lesions_removed=tuple(int(n) for n in ids if not left[n]),
        boundary_edits=tuple((int(n), int(lost[n])) for n in ids if lost[n] and left[n]),
        painted_outside=bright,
        painted_below_threshold=added.size - bright,
    )


def measure_cleaned(result: VhiResult, kept: Mask, stage: Stage = "cleaned") -> VhiResult:
    """The measurement of what a reader kept.

    Parameters
    ----------
    result : VhiResult
        The automatic one.
    kept : Mask
        On the grid of STIR; empty for no inflammation. Automatic voxels in it keep their grade, others count where they
        reach a threshold, and no post-transform is applied: a reader's small group stays.
    stage : "cleaned" or "proposed"
        Whether a reader kept it, or a model.

    Returns
    -------
    VhiResult
        With lesions numbered anew, and `measurement.raw_sensitive` still of the automatic result. Its stability, with the
        warning of it, is that of the cleaned number: with other thresholds, those groups count that touch what the reader
        kept, without the voxels that the reader removed.

    Raises
    ------
    GridMismatchError
        The mask lies on another grid than STIR.
    """
    check_same_grid(result.stir, kept)
    thresholds = result.thresholds
    inside = Mask(kept.data, result.stir.grid, kept.name)
    graded = grade_hyperintensity(result.stir, inside, thresholds.sensitive, thresholds.conservative)
    grade = np.where(kept.data & (result.grade > 0), result.grade, graded)
    stability = stability_of(
        _CleanedAt(result, kept),
        NormalBoneSample(result.normal_bone_values, np.nonzero(result.normal_bone.data)[2]),
        dataclasses.replace(result.settings.threshold_rule, rule=thresholds.rule),
        thresholds.sensitive,
        thresholds.conservative,
    )
    first = (*chain_warnings(result.settings), *stability.warnings)
    before = {*first, *result.stability.warnings}
    return dataclasses.replace(
        with_grade(result, grade, result.measurement.raw_sensitive),
        stability=stability,
        warnings=(*first, *(one for one in result.warnings if one not in before)),
        stage=stage,
        raw=result.raw or result.measurement.total,
    )


class _CleanedAt:
    """VHI [mm3] of what a reader kept, were the thresholds others."""

    def __init__(self, result: VhiResult, kept: Mask) -> None:
        box = ndimage.find_objects(result.disease_region.mask.data.view(np.uint8))[0]
        affine = result.stir.grid.affine.copy()
        affine[:3, 3] = result.stir.grid.world_mm(np.array([span.start for span in box]))
        region = np.asfortranarray(result.disease_region.mask.data[box])
        grid = Grid((region.shape[0], region.shape[1], region.shape[2]), affine)
        automatic = result.grade > 0
        # beyond the automatic result nothing grows: what was painted there counts while it reaches the threshold
        painted = kept.data & ~automatic
        self.painted_values = result.stir.data[painted]
        self.settings = result.settings
        self.stir = Volume(np.asfortranarray(result.stir.data[box]), grid, result.stir.name)
        self.region = Mask(region, grid, result.disease_region.mask.name)
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
