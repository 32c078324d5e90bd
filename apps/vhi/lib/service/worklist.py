"""Which case a reader is offered next, and why: leased to them, never one that they finished, but for review.

A case of which a reader handed in the disease region alone is finished for its region: they are not offered it again unless they
ask for such cases. The same holds for one that they skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..readings.data_folder import make_folder
from ..readings.submission import check_reader, reading_number
from ..records import read_remakable, write_json
from ..studies.pairing import Case
from .blinding import shuffled
from .no_case import why_no_case, why_no_review
from .ranking import REGION_ONLY, SKIPPED, UNREAD, Ranked, by_dispute, by_diversity, by_uncertainty, ranking_options
from .reading_list import ReadingStudy
from .scores import Scores, newest_regions
from .turns import Turns, UnknownPatientError

_SCORED = {"uncertain": by_uncertainty, "diverse": by_diversity}
_PLAIN = {
    "first": "It is the next one in the order of names.",
    "random": "It was drawn at random.",
    "blinded": "This study is blinded: its cases come in an order that is random but fixed for each reader.",
}
_HELD = "It was handed to you before and is not finished; it comes first."

ORDERS = ("first", "random", "uncertain", "diverse", "review")


@dataclass(frozen=True)
class Offer:
    """A case, the sentence that says why this one, and the numbers behind it, ready for JSON."""

    case: Case
    reason: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class WorklistRequest:
    """Who asks for a case, and for which.

    Parameters
    ----------
    reader : str
    order : one of `ORDERS`
    reading : int
    options : mapping
        Of the order, see `lib.service.ranking.DEFAULTS`.
    everyone : bool
        For review: the submissions of all readers, not only this one's.
    """

    reader: str
    order: str
    reading: int
    options: Mapping[str, Any]
    everyone: bool

    @property
    def is_review(self) -> bool:
        """Whether cases are asked for that were read before."""
        return self.order == "review"


class Worklist:
    """Offers readers their next case.

    Parameters
    ----------
    study : ReadingStudy
    scores : Scores
        Of the networks, for orders that rest on them.
    root : Path
        Folder where it is noted what was offered for review.
    turns : Turns
        Which of them a reader may read now, and in which order.
    """

    def __init__(self, study: ReadingStudy, scores: Scores, root: Path, turns: Turns) -> None:
        self._cases, self._readings, self._leases, self._skipped = study.cases, study.readings, study.leases, study.skipped
        self._blinding, self._config = study.blinding, study.config
        self._scores, self._root, self._turns = scores, root, turns

    def offer(
        self, reader: str, order: str = "first", reading: int = 1, values: Mapping[str, Any] | None = None, everyone: bool = False
    ) -> Offer | None:
        """The next case for a reader, leased to them; None when there is none.

        The case that the reader holds comes first; never one that the reader finished in this reading, and, unless the study
        asks for several readers, none that another reader holds or finished.

        Parameters
        ----------
        order : one of `ORDERS`
        values : mapping
            Options of the order, see `lib.service.ranking.DEFAULTS`.
        everyone : bool
            For review: the submissions of all readers, not only this one's.

        Raises
        ------
        RequestError
            An unusable reader's name, an unknown order or option, a reading that is not a number, review in a blinded study.
        ModelError
            The order rests on the networks, and there are none.
        """
        check_reader(reader)
        reading = reading_number(reading)
        if order not in ORDERS:
            raise RequestError(f"The order is {str(order)[:60]!r}; it must be {', '.join(ORDERS[:-1])} or {ORDERS[-1]}.")
        asked = WorklistRequest(reader, order, reading, ranking_options(order, values or {}), everyone)
        if asked.is_review and self._blinding:
            raise RequestError("This study is blinded: its cases come in a fixed order, and none comes back for review.")
        leases = self._leases.of(reader)
        # what may take long (an archive is asked, files are read) is found out between two tries: others choose meanwhile
        whole: dict[str, bool] = {}
        keep_apart, skip = self._blinding is not None, asked.options["skip"]
        while True:
            with leases.choosing():
                holders = self._holders(reader)
                if skip:
                    self._skip(asked, skip, holders)
                    skip = False
                chosen = self._chosen(asked, holders, keep_apart, whole)
                if chosen is None:
                    return None
                if isinstance(chosen, Ranked) and chosen.case.case_id in whole:
                    held = holders[chosen.case.case_id] == reader
                    self._hand_out(chosen.case, asked, holders)
                    return Offer(chosen.case, _HELD if held else chosen.reason, {} if held else chosen.facts)
            if isinstance(chosen, Ranked):
                whole[chosen.case.case_id] = self._cases.is_whole(chosen.case)
            else:
                keep_apart = self._turns.learn_patient(chosen)

    def _chosen(
        self, asked: WorklistRequest, holders: Mapping[str, str | None], keep_apart: bool, whole: Mapping[str, bool]
    ) -> Ranked | str | None:
        """The first case that is not known to be damaged; the id of one whose patient is to be found out first; None for none."""
        try:
            ranked = self._review(asked, holders) if asked.is_review else self._unread(asked, holders, keep_apart)
        except UnknownPatientError as error:
            return error.case_id
        # whole files are looked for in the first one alone: what is handed out is usable
        return next((candidate for candidate in ranked if whole.get(candidate.case.case_id, True)), None)

    def _hand_out(self, case: Case, asked: WorklistRequest, holders: Mapping[str, str | None]) -> None:
        self._leases.of(asked.reader).take(case.case_id, asked.reader)
        if asked.is_review:
            self._note_review(case, asked)
        else:
            self._lay_aside(asked.reader, asked.reading, case, holders)
            self._turns.note(case, asked.reader, asked.reading)

    def why_none(
        self, reader: str, order: str = "first", reading: int = 1, values: Mapping[str, Any] | None = None, everyone: bool = False
    ) -> str:
        """Why `offer`, asked the same, had nothing: a sentence for the reader."""
        options, reading = ranking_options(order, values or {}), reading_number(reading)
        if order == "review":
            manifest, entries = self._scores.live()
            labels = {case.case_id: own for case in self._cases.index.cases if (own := self._labels(case, reader, everyone))}
            return why_no_review(manifest.version, labels, entries, options["below"], everyone)
        cases = [case.case_id for case in self._cases.index.cases]
        done = self._readings.finished(reader, reading) if self._config.several_readers else self._readings.finished()
        mine, holders, skipped = (
            self._readings.finished(reader, reading),
            self._holders(reader),
            self._skipped.cases(reader, reading),
        )
        unread = [case for case in self._cases.index.cases if case.case_id not in mine]
        obstacle = self._turns.first_obstacle(unread, reader, reading)
        sentence = why_no_case(
            cases,
            finished=done,
            elsewhere=[case_id for case_id in cases if holders[case_id] not in (None, reader)],
            region=self._readings.finished_for_region(reader, reading),
            skipped=[case_id for case_id in cases if case_id in skipped],
            asked=options["cases"],
        )
        return f"{sentence} {obstacle}" if obstacle else sentence

    def _holders(self, reader: str) -> dict[str, str | None]:
        held = self._leases.of(reader).holders()
        return {case.case_id: held.get(case.case_id) for case in self._cases.index.cases}

    def _skip(self, asked: WorklistRequest, skip: bool | str, holders: dict[str, str | None]) -> None:
        """Take the reader past the case in hand, or past that of an image; others may have it at once."""
        index = self._cases.index
        if isinstance(skip, str):
            cases = [index.of_image(skip)[0]]
        else:
            cases = [case for case in index.cases if holders[case.case_id] == asked.reader]
        for case in cases:
            if asked.is_review:
                self._note_review(case, asked, skipped=True)
            else:
                self._skipped.note(case.case_id, asked.reader, asked.reading)
            if holders[case.case_id] == asked.reader:
                self._leases.of(asked.reader).drop(case.case_id)
                holders[case.case_id] = None

    def _lay_aside(self, reader: str, reading: int, chosen: Case, holders: Mapping[str, str | None]) -> None:
        """The reader has another case now: what they handed in the region of, and held, is free for others."""
        self._skipped.forget(chosen.case_id, reader, reading)
        for case_id in self._readings.finished_for_region(reader, reading):
            if case_id != chosen.case_id and holders.get(case_id) == reader:
                self._leases.of(reader).drop(case_id)

    def _unread(self, asked: WorklistRequest, holders: Mapping[str, str | None], keep_apart: bool) -> list[Ranked]:
        reader, reading = asked.reader, asked.reading
        mine = self._readings.finished(reader, reading)
        several = self._config.several_readers
        others = frozenset() if several else self._readings.finished() - self._readings.finished(reader)
        region = self._readings.finished_for_region(reader, reading)
        skipped = self._skipped.cases(reader, reading)

        def kind(case: Case) -> str:
            return REGION_ONLY if case.case_id in region else SKIPPED if case.case_id in skipped else UNREAD

        free = [
            case
            for case in self._cases.index.cases
            if case.case_id not in mine
            and case.case_id not in others
            and (several or holders[case.case_id] in (None, reader))
            and kind(case) == asked.options["cases"]
        ]
        ranked = self._ranked(self._turns.allowed(free, reader, reading), asked)
        if keep_apart:
            ranked = self._turns.apart(ranked, reader, reading)
        return sorted(
            ranked, key=lambda candidate: holders[candidate.case.case_id] != reader
        )  # stable: the held one, then the order

    def _ranked(self, free: list[Case], asked: WorklistRequest) -> list[Ranked]:
        if self._blinding:
            return [Ranked(case, _PLAIN["blinded"]) for case in self._blinding.order(free, asked.reader, asked.reading)]
        if asked.order == "random":
            free = shuffled(free, f"{self._config.seed}/{asked.reader}/{asked.reading}")
        if asked.order in _PLAIN:
            return [Ranked(case, _PLAIN[asked.order]) for case in free]
        manifest, entries = self._scores.live()
        labelled = frozenset(case_id for case_id in entries if newest_regions(self._readings, case_id))
        return _SCORED[asked.order](free, entries, labelled, manifest.version, asked.options)

    def _review(self, asked: WorklistRequest, holders: Mapping[str, str | None]) -> list[Ranked]:
        manifest, entries = self._scores.live()
        disputed = []
        for case in self._cases.index.cases:
            labels = self._labels(case, asked.reader, asked.everyone)
            entry = entries.get(case.case_id)
            if not labels or entry is None or holders[case.case_id] not in (None, asked.reader):
                continue
            noted = self._noted(case).get(asked.reader, {})
            answered = noted.get("labels") != labels or noted.get("skipped")
            if noted.get("version") == manifest.version and answered:
                continue  # looked at again, or skipped, since this version was asked
            disputed.append((case, {label: entry["labels"].get(label) for label in labels}))
        return by_dispute(disputed, manifest.version, asked.options)

    def _labels(self, case: Case, reader: str, everyone: bool) -> list[str]:
        newest = newest_regions(self._readings, case.case_id)
        return sorted(submission.submission_id for submission in newest if everyone or submission.reader == reader)

    def _note_review(self, case: Case, asked: WorklistRequest, *, skipped: bool = False) -> None:
        """Remember which labels were offered, so that a case whose label was handed in again is not offered again."""
        manifest, _ = self._scores.live()
        make_folder(self._root)
        labels = self._labels(case, asked.reader, asked.everyone)
        entry = {"version": manifest.version, "labels": labels, "skipped": skipped}
        write_json(self._note_path(case), {**self._noted(case), asked.reader: entry})

    def _noted(self, case: Case) -> dict[str, dict[str, Any]]:
        """By reader what was offered of a case; damaged it is as if nothing had been."""
        noted = read_remakable(self._note_path(case)) or {}
        return {reader: entry for reader, entry in noted.items() if isinstance(entry, dict)}

    def _note_path(self, case: Case) -> Path:
        return self._root / f"{case.case_id}.json"
