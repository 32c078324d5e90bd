"""Who took what out of a result, and who added what: the cleaning proposal, a reader's clicks or hand, or new regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .cleaning import lesion_field
from .gestures import AnyGesture, LesionField, Replayed, replay
from .lesions import voxels_of
from .pipeline import VhiResult
from .volume import Mask, check_same_grid

ByLesion = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class DisplayedLesions:
    """The lesions on the screen before anything was drawn by hand, and how the proposal and clicks changed them.

    Parameters
    ----------
    labels : (I, J, K) int array
        Lesions of the automatic result that was shown, by id; 0 where there is none.
    proposed : (lesions + 1,) bool array
        Which of them the cleaning proposal left on the screen, by id.
    kept : (lesions + 1, K) bool array
        Which were left after the clicks, by id and slice.
    """

    labels: np.ndarray
    proposed: np.ndarray
    kept: np.ndarray

    @classmethod
    def after(cls, field: LesionField, gestures: Sequence[AnyGesture] = (), removed: Sequence[int] = ()) -> DisplayedLesions:
        """Lesions after gestures, where the proposal took the lesions `removed` out before; pieces of split ones have own ids."""
        proposed = np.ones(field.count + 1, dtype=bool)
        proposed[[lesion for lesion in removed if lesion < proposed.size]] = False
        return cls.of(replay(field, gestures, proposed), proposed)

    @classmethod
    def of(cls, left: Replayed, proposed: np.ndarray) -> DisplayedLesions:
        """Lesions after gestures that were replayed from those that the proposal left, `(lesions + 1,)` bool by id."""
        return cls(left.labels, proposed[left.parent], left.keep)

    def without_undone(self, mask: np.ndarray) -> DisplayedLesions:
        """The lesions where a viewer does not say which clicks stand: what was taken out and lies whole in `mask` was put back.

        Parameters
        ----------
        mask : (I, J, K) bool array
        """
        where = np.nonzero(self.labels)
        which = self.labels[where], where[2]
        whole = np.ones_like(self.kept)
        np.logical_and.at(whole, which, mask[where])
        whole[0] = False
        kept = self.kept | whole
        return replace(self, kept=kept, proposed=self.proposed | (whole & ~self.kept).any(axis=1) & whole.all(axis=1))


@dataclass(frozen=True)
class Corrections:
    """The differences between a reader's mask and the automatic result, by who made them. Lists hold a lesion's id and voxels.

    Parameters
    ----------
    proposal_removed, clicks_removed, hand_erased : tuple of (int, int)
        Voxels of the automatic result that are not in the mask, by lesion: taken out by the cleaning proposal and left out,
        removed by a click, or erased by hand.
    clicks_restored, hand_restored : tuple of (int, int)
        Voxels that are in the mask although the proposal, or a click, had taken them out: put back by a click or painted back.
    hand_painted, hand_painted_below_threshold : int
        Voxels painted by hand beyond what was on the screen, those that count and those that do not.
    hand_painted_left_out : int
        The same where the settings leave everything out; they do not count.
    regions_appeared : int
        Voxels that belong to the automatic result only since a region or the rule changed; nobody decided about them, and they
        are not in the mask.
    regions_outside, regions_below_threshold : int
        Voxels of the mask that belonged to the automatic result until a region or the rule changed: those that still reach the
        sensitive threshold and count, and those that do not.
    regions_left_out : int
        The same where the settings leave everything out; they do not count.
    """

    proposal_removed: ByLesion = ()
    clicks_removed: ByLesion = ()
    clicks_restored: ByLesion = ()
    hand_erased: ByLesion = ()
    hand_restored: ByLesion = ()
    hand_painted: int = 0
    hand_painted_below_threshold: int = 0
    hand_painted_left_out: int = 0
    regions_appeared: int = 0
    regions_outside: int = 0
    regions_below_threshold: int = 0
    regions_left_out: int = 0

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """The differences by who made them, ready for JSON."""

        def listed(lesions: ByLesion) -> list[list[int]]:
            return [[lesion, voxels] for lesion, voxels in lesions]

        return {
            "proposal": {"removed": listed(self.proposal_removed)},
            "clicks": {"removed": listed(self.clicks_removed), "restored": listed(self.clicks_restored)},
            "hand": {
                "erased": listed(self.hand_erased),
                "restored": listed(self.hand_restored),
                "painted": self.hand_painted,
                "painted_below_threshold": self.hand_painted_below_threshold,
                "painted_left_out": self.hand_painted_left_out,
            },
            "regions": {
                "appeared": self.regions_appeared,
                "outside": self.regions_outside,
                "below_threshold": self.regions_below_threshold,
                "left_out": self.regions_left_out,
            },
        }


def corrections_of(
    result: VhiResult, mask: Mask, displayed: DisplayedLesions | None = None, set_apart: np.ndarray | None = None
) -> Corrections:
    """Who made a reader's mask differ from the automatic result.

    Parameters
    ----------
    result : VhiResult
        The automatic one, from the regions that the mask is measured with.
    mask : Mask
        On the grid of STIR.
    displayed : DisplayedLesions, optional
        What the reader was shown before; when absent, `result` without any click: then the mask was drawn by hand.
    set_apart : (I, J, K) bool array, optional
        Voxels that the mask's owner left in the segment of what is proposed to be removed.

    Raises
    ------
    GridMismatchError
        The mask lies on another grid than STIR.
    """
    check_same_grid(result.stir, mask)
    shown = DisplayedLesions.after(lesion_field(result)) if displayed is None else displayed
    # everything below is of voxels that a lesion, the result or the mask holds: few of the grid
    at = tuple(voxels_of((shown.labels > 0) | (result.grade > 0) | mask.data).T)
    labels, lesion = shown.labels[at], result.lesion_labels[at]
    was = labels > 0
    left = shown.kept[labels, at[2]]
    proposed = was & shown.proposed[labels]
    now, inside = result.grade[at] > 0, mask.data[at]
    gone, added = now & ~inside, inside & ~now
    apart = np.zeros_like(now) if set_apart is None else gone & set_apart[at]
    by_proposal = apart | (gone & was & ~proposed & ~left)
    by_clicks = gone & proposed & ~left & ~apart
    appeared = gone & ~was & ~apart
    left_out = np.zeros_like(now) if result.left_out is None else result.left_out[at]
    bright = result.stir.data[at] >= result.thresholds.sensitive
    painted = (inside & ~was) | (added & was & ~left)
    lost = added & was & left

    def by_lesion(where: np.ndarray) -> ByLesion:
        voxels = np.bincount(lesion[where])
        return tuple((int(number), int(voxels[number])) for number in np.flatnonzero(voxels))

    def count(where: np.ndarray) -> int:
        return int(np.count_nonzero(where))

    return Corrections(
        proposal_removed=by_lesion(by_proposal),
        clicks_removed=by_lesion(by_clicks),
        clicks_restored=by_lesion(inside & now & was & ~proposed & left),
        hand_erased=by_lesion(gone & left & ~apart),
        hand_restored=by_lesion(inside & now & was & ~left),
        hand_painted=count(painted & (bright | now) & ~left_out),
        hand_painted_below_threshold=count(painted & ~bright & ~now & ~left_out),
        hand_painted_left_out=count(painted & left_out),
        regions_appeared=count(appeared),
        regions_outside=count(lost & bright & ~left_out),
        regions_below_threshold=count(lost & ~bright & ~left_out),
        regions_left_out=count(lost & left_out),
    )
