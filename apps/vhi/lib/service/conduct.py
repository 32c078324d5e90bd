"""How a study is conducted: when a reader may read a case again, who settles differences, and what readers begin with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..errors import ConflictError, DamagedError, SettingsError, VhiError
from ..readings.store import FINISHING, ReadingStore
from ..readings.submission import Submission, check_reader
from ..studies.pairing import CaseIndex

log = logging.getLogger("vhi.service")


class OutOfTurnError(ConflictError):
    """The reader may not hand in that case in that reading now."""


@dataclass(frozen=True)
class ConductRules:
    """Fields as `StudyConfig` has them.

    Attributes
    ----------
    washout_days : between two readings of one case by one reader
    adjudicate_above : difference of two readers' volumes [percent of their mean] above which a third one reads; 0 for never
    adjudicators : who that is
    calibration : cases, by their true ids, that every reader hands in before they are offered any other
    calibration_reader : whose readings of them are the reference
    """

    washout_days: float = 0.0
    adjudicate_above: float = 0.0
    adjudicators: tuple[str, ...] = ()
    calibration: tuple[str, ...] = ()
    calibration_reader: str = ""

    def check(self, several_readers: bool) -> None:
        """Refuse rules that contradict each other.

        Raises
        ------
        SettingsError
        """
        if not 0 <= self.washout_days <= 3650:
            raise SettingsError(f"washout_days is {self.washout_days:g}; it must be 0 to 3650.")
        if not 0 <= self.adjudicate_above <= 200:
            raise SettingsError(f"adjudicate_above is {self.adjudicate_above:g}; it must be 0 to 200 percent.")
        if bool(self.adjudicate_above) != bool(self.adjudicators):
            raise SettingsError("adjudicate_above and adjudicators belong together; give both, or neither.")
        if bool(self.calibration) != bool(self.calibration_reader):
            raise SettingsError("calibration and calibration_reader belong together; give both, or neither.")
        for needing, name in ((self.adjudicators, "adjudicate_above"), (self.calibration, "calibration")):
            if needing and not several_readers:
                raise SettingsError(f"{name} needs several readers of one case; set several_readers=true as well.")
        if self.calibration_reader in self.adjudicators:
            raise SettingsError(f"{self.calibration_reader} is calibration_reader and an adjudicator; name another one.")
        for name in (*self.adjudicators, *filter(None, [self.calibration_reader])):
            check_reader(name)

    def check_known(self, index: CaseIndex) -> None:
        """Refuse calibration cases that a folder of studies does not hold: nobody could finish them, and everybody would wait.

        Raises
        ------
        SettingsError
        """
        known = {case.case_id for case in index.cases} | {
            name for waiting in index.waiting for name in (waiting.name, *waiting.also)
        }
        unknown = [case_id for case_id in self.calibration if case_id not in known]
        if unknown and index.complete:
            raise SettingsError(
                f"calibration names {', '.join(unknown)[:200]}, which the folder of studies does not hold; "
                "name cases as their files do, without _T1W and _STIR."
            )


class Conduct:
    """Who may read which case now.

    Parameters
    ----------
    public_id : callable
        From a case's true id to the one that readers know.
    clock : callable
        The time, with its zone.
    """

    def __init__(
        self,
        readings: ReadingStore,
        rules: ConductRules,
        public_id: Callable[[str], str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._readings, self.rules, self._clock = readings, rules, clock
        self.calibration = tuple(public_id(case_id) for case_id in rules.calibration)

    def obstacle(
        self,
        case_id: str,
        reader: str,
        reading: int,
        made: Sequence[Submission] | None = None,
        calibration_left: int | None = None,
    ) -> str | None:
        """Why a reader may not read a case in a reading now, in a sentence; None where they may.

        Parameters
        ----------
        made : sequence of Submission, optional
            All submissions of the case, where they are known already.
        calibration_left : int, optional
            `calibration_left` of the reader, where it is known already, as for a whole list of cases.
        """
        finished = [
            submission
            for submission in (self._of(case_id) if made is None else made)
            if submission.segment(FINISHING) is not None
        ]
        return (
            self._washout(finished, reader, reading)
            or self._adjudication(case_id, finished, reader)
            or self._calibrated(case_id, reader, calibration_left)
        )

    def check(self, case_id: str, reader: str, reading: int, *, is_offered: bool = False) -> None:
        """Refuse a reading that may not be handed in now.

        Parameters
        ----------
        is_offered : bool
            The reader was offered the case and holds it: an adjudicator keeps it though its readers agree since.

        Raises
        ------
        OutOfTurnError
        """
        if is_offered and reader in self.rules.adjudicators and reading == 1:
            return
        obstacle = self.obstacle(case_id, reader, reading)
        if obstacle:
            raise OutOfTurnError(f"Case {case_id} is not for {reader} in reading {reading} now: {obstacle} Nothing was kept.")

    def calibration_left(self, reader: str) -> int:
        """How many calibration cases a reader has not finished; of an adjudicator none is asked."""
        if reader in self.rules.adjudicators:
            return 0
        return sum(not self._is_finished(case_id, reader) for case_id in self.calibration)

    def feedback(self, case_id: str, reader: str) -> str:
        """The words for a reader beside the reference after a calibration case; empty for any other case.

        Empty too, and logged, where the masks cannot be read: the submission that it is shown beside is kept.
        """
        try:
            return self._feedback(case_id, reader)
        except VhiError as error:
            log.error("a reader is not told of the calibration reference: %s", error)
            return ""

    def _feedback(self, case_id: str, reader: str) -> str:
        reference = self._newest(case_id, self.rules.calibration_reader) if case_id in self.calibration else None
        own = self._newest(case_id, reader)
        if reference is None or own is None or reader == self.rules.calibration_reader:
            return ""
        ours, theirs = (self._readings.read_segment(submission, FINISHING) for submission in (own, reference))
        if ours is None or theirs is None or ours.data.shape != theirs.data.shape:
            return ""
        both = int((ours.data & theirs.data).sum())
        total = ours.voxels + theirs.voxels
        overlap = f"Dice {2 * both / total:.2f}" if total else "both empty"
        quantity, mm3, reference_mm3 = "VHI at the sensitive threshold", _vhi_mm3(own), _vhi_mm3(reference)
        if mm3 is None or reference_mm3 is None:
            quantity, mm3, reference_mm3 = "drawn inflammation", ours.volume_mm3, theirs.volume_mm3
        return (
            f"Calibration: the reference has {reference_mm3:,.0f} mm3 of {quantity}, you have {mm3:,.0f} mm3 (masks: {overlap}; "
            f"{ours.voxels - both} voxels of yours are not in it, {theirs.voxels - both} of its voxels you left out)."
        )

    def _washout(self, finished: Sequence[Submission], reader: str, reading: int) -> str | None:
        if not self.rules.washout_days or reading < 2:
            return None
        before = [submission for submission in finished if submission.reader == reader and submission.reading < reading]
        if any(submission.reader == reader and submission.reading == reading for submission in finished):
            return None  # it is amended
        if not any(submission.reading == reading - 1 for submission in before):
            return f"Reading {reading} comes after reading {reading - 1}, which is not finished."
        until = max(datetime.fromisoformat(submission.created) for submission in before) + timedelta(days=self.rules.washout_days)
        if self._clock() >= until:
            return None
        days = f"{self.rules.washout_days:g} days after reading {reading - 1}"
        return f"It may be read again from {until:%Y-%m-%d %H:%M} UTC on ({days})."

    def _adjudication(self, case_id: str, finished: Sequence[Submission], reader: str) -> str | None:
        if reader not in self.rules.adjudicators or any(submission.reader == reader for submission in finished):
            return None
        others = {
            submission.reader: submission
            for submission in finished
            if submission.reading == 1 and submission.reader not in self.rules.adjudicators
        }
        if case_id in self.calibration:
            others.pop(self.rules.calibration_reader, None)
        volumes = _volumes([*others.values()])
        if len(volumes) < 2:
            return "Two readers have not finished it yet; it comes to you where they differ."
        mean = (max(volumes) + min(volumes)) / 2
        share = 100 * (max(volumes) - min(volumes)) / mean if mean else 0.0
        return None if share > self.rules.adjudicate_above else "Its readers agree; it needs no third one."

    def _calibrated(self, case_id: str, reader: str, left: int | None) -> str | None:
        if case_id in self.calibration:
            return None
        left = self.calibration_left(reader) if left is None else left
        return f"Hand in the calibration cases first: {left} of {len(self.calibration)} are left." if left else None

    def _is_finished(self, case_id: str, reader: str) -> bool:
        try:
            return self._newest(case_id, reader) is not None
        except DamagedError:
            return False

    def _newest(self, case_id: str, reader: str) -> Submission | None:
        own = [
            submission
            for submission in self._of(case_id)
            if submission.reader == reader and submission.segment(FINISHING) is not None
        ]
        return own[-1] if own else None

    def _of(self, case_id: str) -> Sequence[Submission]:
        return self._readings.of_case(case_id)


def _vhi_mm3(submission: Submission) -> float | None:
    """VHI at the sensitive threshold that was kept of a reading [mm3]; None where nothing could be measured."""
    return None if submission.result is None else float(submission.result["vhi_mm3"]["sensitive"])


def _volumes(readings: Sequence[Submission]) -> list[float]:
    """VHI of each reading [mm3]; of all what was drawn [voxels] where of any there is no VHI, so that like is beside like."""
    measured = [mm3 for submission in readings if (mm3 := _vhi_mm3(submission)) is not None]
    drawn = [float(stored.voxels) for submission in readings if (stored := submission.segment(FINISHING)) is not None]
    return measured if len(measured) == len(readings) else drawn
