"""Which series of a DICOM study are its STIR and its T1W series: by physics and geometry, not by name.

What fits a role by its header (`pairing_rules`) is ranked. STIR: without contrast agent, original rather than derived, with a
T1W series beside it; then coverage, among series of the same place. T1W: without contrast agent and fat suppression, original, on
STIR's voxels, parallel to it, covering it. Phase images, maps, projections and subtractions are no scans in either role.
Descriptions decide between equals; what is left is refused with the list, never guessed.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..core.volume import Grid
from ..errors import InputError
from .dicom_content import find_series, series_of
from .dicom_contrasts import Doubts, doubts_of
from .dicom_frames import Series
from .dicom_series import NotAScanError, SeriesInfo, grid_of, info_of, read_series
from .dicom_study import chosen_study, opened_study
from .pairing_rules import PairingRules, RoleRule
from .registration import LEAST_COVERAGE, coverage, on_grid_of, turn_between
from .scan_pair import ScanPair, check_frame_of_reference, check_one_patient, share_reference

# repeats of one sequence lie on each other; another region of the body, or another direction, is another examination
_SAME_DIRECTION = float(np.cos(np.radians(15)))
_CHOOSE = "Choose with {option} and the UID of one."


@dataclass(frozen=True, eq=False)
class SeriesCandidate:
    """A series that fits a role, and where it lies; `plain` where it fits by the role's usual conditions."""

    series: Series
    info: SeriesInfo
    grid: Grid
    plain: bool = True

    @cached_property
    def doubts(self) -> Doubts:
        """The doubts whether it is the plain scan of its weighting."""
        info = self.info
        return doubts_of(self.series, contrast_agent=info.contrast_agent, fat_suppressed=info.fat_suppressed)

    @cached_property
    def volume_mm3(self) -> float:
        return float(np.prod(self.grid.shape)) * self.grid.voxel_volume_mm3

    @cached_property
    def normal(self) -> np.ndarray:
        """`(3,)` unit vector at right angles to the slices, RAS+."""
        normal = np.cross(self.grid.affine[:3, 0], self.grid.affine[:3, 1])
        return normal / np.linalg.norm(normal)

    def parallel_to(self, other: SeriesCandidate) -> bool:
        return abs(float(self.normal @ other.normal)) > _SAME_DIRECTION

    def same_place_as(self, other: SeriesCandidate) -> bool:
        return self.parallel_to(other) and max(coverage(self.grid, other.grid), coverage(other.grid, self.grid)) >= LEAST_COVERAGE


def read_study(
    source: Path,
    rules: PairingRules | None = None,
    stir_uid: str | None = None,
    t1w_uid: str | None = None,
    *,
    study_uid: str | None = None,
    patient: str | None = None,
) -> ScanPair:
    """The pair of a DICOM study, found by physics.

    Parameters
    ----------
    source : Path
        A folder (of a CD, too), a ZIP file, or a DICOMDIR; see `dicom_study.opened_study`.
    rules : PairingRules, optional
    stir_uid, t1w_uid : str, optional
        Series that a user chose.
    study_uid, patient : str, optional
        Which study, where there are several: its UID, and the ID or name of its patient.

    Raises
    ------
    InputError
        No pair, or no single best one; the message lists the series, or the studies, and how to choose.
    GridMismatchError
    """
    opened = opened_study(source)
    try:
        content = series_of(opened.files) if opened.files else find_series(source, "The study")
        if not content.series:
            raise InputError(f"{source} holds no DICOM images; pass a study.")
        study = chosen_study(content.series, str(source), study_uid, patient)
        t1w, stir, pairing_notes = find_pair(study, rules or PairingRules(), stir_uid, t1w_uid)
        stir_volume, stir_info = read_series(stir.series, "STIR")
        t1w_volume, t1w_info = read_series(t1w.series, "T1W")
        t1w_grid = t1w_volume.grid
        t1w_volume, warnings = on_grid_of(t1w_volume, stir_volume)
    except BaseException:
        opened.close()
        raise
    files = {"T1W": t1w_info.files, "STIR": stir_info.files}
    notes = (*content.notes, *pairing_notes, *stir_info.warnings, *t1w_info.warnings, *warnings)
    pair = ScanPair(t1w_volume, stir_volume, t1w_info, stir_info, files, notes, t1w_grid)
    # the unpacked files go with the last that knows of them, at the latest with the process
    weakref.finalize(pair, opened.close)
    return pair


def find_pair(
    series: Sequence[Series], rules: PairingRules, stir_uid: str | None = None, t1w_uid: str | None = None
) -> tuple[SeriesCandidate, SeriesCandidate, tuple[str, ...]]:
    """T1W and STIR among the series of one study, from their headers alone.

    Parameters
    ----------
    series : sequence of Series
    rules : PairingRules
    stir_uid, t1w_uid : str, optional
        SeriesInstanceUID that a user chose; the role's rule is not asked then.

    Returns
    -------
    t1w, stir : SeriesCandidate
    warnings : tuple of str
        Series that fit but could not be used.

    Raises
    ------
    InputError
    """
    stirs, stir_notes = _candidates("STIR", series, rules.stir, stir_uid)
    t1ws, t1w_notes = _candidates("T1W", series, rules.t1w, t1w_uid)
    stir = _best_stir(stirs, t1ws, rules.stir)
    t1w = _best_t1w(t1ws, stir, rules.t1w)
    check_one_patient(t1w.info, stir.info)
    return t1w, stir, (*stir_notes, *t1w_notes, *check_frame_of_reference(t1w.info, stir.info))


def _candidates(
    role: str, series: Sequence[Series], rule: RoleRule, uid: str | None
) -> tuple[list[SeriesCandidate], tuple[str, ...]]:
    option = f"--{role.lower()}-series"
    chosen = {uid} if uid else {member.uid for member in series} & set(rule.take)
    fitting = [member for member in series if (member.uid in chosen if chosen else rule.fits(member))]
    if not fitting:
        sought = f"{option} {uid} is none of them" if uid else f"none is a {role} series ({rule})"
        raise InputError(
            f"The study holds {len(series)} series and {sought}: {_listed([info_of(member) for member in series])}. "
            + (f"Pass the UID of one of these with {option}." if uid else _CHOOSE.format(option=option))
        )
    usable, broken, no_scans = [], [], []
    for candidate in fitting:
        info = info_of(candidate)
        try:
            usable.append(
                SeriesCandidate(
                    candidate, info, grid_of(candidate, f"{role} (series {info.number})"), rule.fits_plainly(candidate)
                )
            )
        except NotAScanError as error:
            no_scans.append(str(error))
        except InputError as error:
            broken.append(str(error))
    if not usable:
        raise InputError((broken or no_scans)[0])
    # localisers and phase images fit the times of T1W and are no loss; a broken series that was meant may be one
    return usable, tuple(f"Another {role} series was passed over: {reason}" for reason in broken)


def _best_stir(stirs: list[SeriesCandidate], t1ws: list[SeriesCandidate], rule: RoleRule) -> SeriesCandidate:
    def physics(candidate: SeriesCandidate) -> tuple[int, ...]:
        partners = [other for other in t1ws if other is not candidate and share_reference(other.info, candidate.info)]
        beside = max((_nearness(other, candidate) for other in partners), default=0)
        agent, _, others = candidate.doubts.rank  # fat suppression is what STIR is for
        return (-agent, -others, beside, candidate.plain)

    best = max(physics(stir) for stir in stirs)
    first = [stir for stir in stirs if physics(stir) == best]
    if any(not candidate.same_place_as(first[0]) for candidate in first):
        # another region or direction: size may not choose between them
        first = _by_description(first, rule)
        if any(not candidate.same_place_as(first[0]) for candidate in first):
            raise _undecided("STIR", first)
    largest = max(candidate.volume_mm3 for candidate in first)
    return _the_only("STIR", [candidate for candidate in first if candidate.volume_mm3 >= 0.95 * largest], rule)


def _best_t1w(t1ws: list[SeriesCandidate], stir: SeriesCandidate, rule: RoleRule) -> SeriesCandidate:
    others = [candidate for candidate in t1ws if candidate.series.uid != stir.series.uid]
    if not others:
        if any(candidate.series.contrast != stir.series.contrast for candidate in t1ws):
            raise InputError(
                f"T1W and STIR are contrasts of one series, {stir.info.series_uid}, so that results could not say which is "
                "meant; export them as two series, or pass the files of each with --t1w and --stir."
            )
        raise InputError(f"The only series that fits T1W is the STIR series {stir.info}; {_CHOOSE.format(option='--t1w-series')}")
    sharing = [candidate for candidate in others if share_reference(candidate.info, stir.info)]
    if not sharing:
        check_frame_of_reference(others[0].info, stir.info)
    covering = [candidate for candidate in sharing if _nearness(candidate, stir)]
    if not covering:
        share = max(coverage(candidate.grid, stir.grid) for candidate in sharing)
        raise InputError(
            f"No T1W series shows what the STIR series {stir.info} shows; the best covers {share:.0%} of it (needed "
            f"{LEAST_COVERAGE:.0%}): {_listed([candidate.info for candidate in sharing])}. Pass series of the same place."
        )

    def physics(candidate: SeriesCandidate) -> tuple[float, ...]:
        agent, fat_suppressed, others = candidate.doubts.rank
        near = _nearness(candidate, stir)
        covered = round(coverage(candidate.grid, stir.grid), 1) if near < 3 else 1.0
        return (-agent, -fat_suppressed, -others, near, covered, candidate.plain)

    best = max(physics(candidate) for candidate in covering)
    return _the_only("T1W", [candidate for candidate in covering if physics(candidate) == best], rule)


def _nearness(t1w: SeriesCandidate, stir: SeriesCandidate) -> int:
    """3: the same voxels; 2: parallel; 1: of the same place, at an angle; 0: too little in common."""
    if turn_between(t1w.grid, stir.grid) is not None:
        return 3
    if coverage(t1w.grid, stir.grid) < LEAST_COVERAGE:
        return 0
    return 2 if t1w.parallel_to(stir) else 1


def _the_only(role: str, equals: list[SeriesCandidate], rule: RoleRule) -> SeriesCandidate:
    """The one that a description decides for. Time never does: which of two repeats is the good one, no header says."""
    described = _by_description(equals, rule)
    if len(described) > 1:
        raise _undecided(role, described)
    return described[0]


def _by_description(equals: list[SeriesCandidate], rule: RoleRule) -> list[SeriesCandidate]:
    if len(equals) < 2:
        return equals
    preferred = [candidate for candidate in equals if re.search(rule.prefer, candidate.info.description, re.IGNORECASE)]
    return preferred or equals


def _undecided(role: str, equals: Sequence[SeriesCandidate]) -> InputError:
    times = (f"{candidate.info}, acquired {candidate.info.acquired_at or 'at an unknown time'}" for candidate in equals)
    return InputError(
        f"{len(equals)} series fit {role} equally well: {'; '.join(times)}. {_CHOOSE.format(option=f'--{role.lower()}-series')} "
        f"A server takes the one whose UID stands under take in the table [{role.lower()}] of its pairing rules."
    )


def _listed(infos: Sequence[SeriesInfo]) -> str:
    return "; ".join(str(info) for info in infos)
