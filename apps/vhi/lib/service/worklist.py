"""Which case a reader is offered next, and why: leased to them, never one that they finished, but for review."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..readings.folder import make_folder
from ..readings.leases import Leases
from ..readings.store import ReadingStore
from ..readings.submission import check_reader
from ..records import read_remakable, write_json
from ..studies.pairing import Case, CaseIndex
from .answers import ORDERS, ServiceConfig
from .blinding import Blinding, shuffled
from .options import reading_number
from .ranking import Ranked, by_dispute, by_diversity, by_uncertainty, ranking_options
from .scores import Scores, newest_regions

_SCORED = {"uncertain": by_uncertainty, "diverse": by_diversity}
_PLAIN = {
    "first": "It is the next one in the order of names.",
    "random": "It was drawn at random.",
    "blinded": "This study is blinded: its cases come in an order that is random but fixed for each reader.",
}
_HELD = "It was handed to you before and is not finished; it comes first."


@dataclass(frozen=True)
class Offer:
    """A case, the sentence that says why this one, and the numbers behind it, ready for JSON."""

    case: Case
    reason: str
    facts: Mapping[str, Any]


class Worklist:
    """Offers cases.

    Parameters
    ----------
    index : callable
        The cases as of now.
    is_whole : callable
        Whether the files of a case are what was kept; one that is not is set aside.
    root : Path
        Folder where it is noted what was offered for review.
    """

    def __init__(
        self,
        index: Callable[[], CaseIndex],
        is_whole: Callable[[Case], bool],
        readings: ReadingStore,
        leases: Leases,
        scores: Scores,
        blinding: Blinding | None,
        config: ServiceConfig,
        root: Path,
    ) -> None:
        self._index, self._is_whole = index, is_whole
        self._readings, self._leases, self._scores = readings, leases, scores
        self._blinding, self._config, self._root = blinding, config, root

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
        options = ranking_options(order, values or {})
        if order == "review" and self._blinding:
            raise RequestError("This study is blinded: its cases come in a fixed order, and none comes back for review.")
        with self._leases.choosing():
            holders = {case.case_id: self._leases.holder(case.case_id) for case in self._index().cases}
            if order == "review":
                ranked = self._review(reader, options, everyone, holders)
            else:
                ranked = self._unread(reader, order, reading, options, holders)
            # whole files are looked for in the first one alone: what is handed out is usable
            first = next((one for one in ranked if self._is_whole(one.case)), None)
            if first is None:
                return None
            held = holders[first.case.case_id] == reader
            self._leases.take(first.case.case_id, reader)
            if order == "review":
                self._note_review(first.case, reader, everyone)
        return Offer(first.case, _HELD if held else first.reason, {} if held else first.facts)

    def _unread(
        self, reader: str, order: str, reading: int, options: Mapping[str, Any], holders: Mapping[str, str | None]
    ) -> list[Ranked]:
        mine = self._readings.finished(reader, reading)
        several = self._config.several_readers
        others = frozenset() if several else self._readings.finished() - self._readings.finished(reader)
        free = [
            case
            for case in self._index().cases
            if case.case_id not in mine and case.case_id not in others and (several or holders[case.case_id] in (None, reader))
        ]
        ranked = self._ranked(free, reader, order, reading, options)
        return sorted(ranked, key=lambda one: holders[one.case.case_id] != reader)  # stable: the held one, then the order

    def _ranked(self, free: list[Case], reader: str, order: str, reading: int, options: Mapping[str, Any]) -> list[Ranked]:
        if self._blinding:
            return [Ranked(case, _PLAIN["blinded"]) for case in self._blinding.order(free, reader, reading)]
        if order == "random":
            free = shuffled(free, f"{self._config.seed}/{reader}/{reading}")
        if order in _PLAIN:
            return [Ranked(case, _PLAIN[order]) for case in free]
        manifest, entries = self._scores.live()
        labelled = frozenset(case_id for case_id in entries if newest_regions(self._readings, case_id))
        return _SCORED[order](free, entries, labelled, manifest.version, options)

    def _review(self, reader: str, options: Mapping[str, Any], everyone: bool, holders: Mapping[str, str | None]) -> list[Ranked]:
        manifest, entries = self._scores.live()
        found = []
        for case in self._index().cases:
            labels = self._labels(case, reader, everyone)
            entry = entries.get(case.case_id)
            if not labels or entry is None or holders[case.case_id] not in (None, reader):
                continue
            noted = self._noted(case).get(reader, {})
            if noted.get("version") == manifest.version and noted.get("labels") != labels:
                continue  # looked at again since this version was asked
            found.append((case, {label: entry["labels"].get(label) for label in labels}))
        return by_dispute(found, manifest.version, options)

    def _labels(self, case: Case, reader: str, everyone: bool) -> list[str]:
        newest = newest_regions(self._readings, case.case_id)
        return sorted(one.submission_id for one in newest if everyone or one.reader == reader)

    def _note_review(self, case: Case, reader: str, everyone: bool) -> None:
        """Remember which labels were offered, so that a case whose label was handed in again is not offered again."""
        manifest, _ = self._scores.live()
        make_folder(self._root)
        entry = {"version": manifest.version, "labels": self._labels(case, reader, everyone)}
        write_json(self._note_path(case), {**self._noted(case), reader: entry})

    def _noted(self, case: Case) -> dict[str, dict[str, Any]]:
        """By reader what was offered of a case; damaged it is as if nothing had been."""
        noted = read_remakable(self._note_path(case)) or {}
        return {reader: entry for reader, entry in noted.items() if isinstance(entry, dict)}

    def _note_path(self, case: Case) -> Path:
        return self._root / f"{case.case_id}.json"
