"""The exchange between a service and its archive beside the scans: results there, corrections here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ..service.service import VhiService
from ..studies.pairing import Case
from .archive_cases import PacsCases
from .corrections import ArchiveCorrections, Correction
from .outbox import FIRST_WAIT_S, LONGEST_WAIT_S, Outbox
from .results import ArchiveResults, uids_of


class ArchiveSync:
    """Delivers the submissions of a service to its archive, and has it take those that arrive there.

    Parameters
    ----------
    service : VhiService
        Over the cases of an archive; delivers to it from now on.
    cases : PacsCases
        Of that service.
    logins : callable
        See `ArchiveCorrections`.
    first_wait_s, longest_wait_s : float
        See `Outbox`.

    Raises
    ------
    VhiError
        The data folder cannot be used.
    """

    def __init__(
        self,
        service: VhiService,
        cases: PacsCases,
        logins: Callable[[], Collection[str] | None] = lambda: None,
        *,
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._service, self._cases = service, cases
        self.outbox = Outbox(service.readings.root, cases.archive.store, first_wait_s=first_wait_s, longest_wait_s=longest_wait_s)
        self.results = ArchiveResults(
            service.readings, self.outbox, cases.series_folder, service.public_name, cases.config.pacs_report
        )
        self.corrections = ArchiveCorrections(service, cases.archive, cases.series_folder, logins, self._version)
        service.delivery = self.results
        self.results.post_missing()

    def start(self) -> None:
        """Send what waits, in the background."""
        self.outbox.start()

    def stop(self) -> None:
        self.outbox.stop()

    def poll(self) -> int:
        """Take what readers stored in the archive; how many submissions that gave.

        Raises
        ------
        ArchiveError
        """
        return self.corrections.poll()

    def state(self, reader: str | None) -> dict[str, Any]:
        """The results that wait to be stored, and the refused corrections of one reader, or of all; each with the reason."""
        outbox = self.outbox.state()
        return {
            "waiting": outbox.waiting,
            "sent": outbox.sent,
            "last_error": self._words(outbox.last_error, reader),
            "refused": [self._refused_correction(correction, reader) for correction in self.corrections.refused(reader)],
        }

    def is_of(self, reader: str, study_uid: str, sop_uids: Collection[str]) -> bool:
        """Whether all of some instances of a study are a reader's: made of their submissions, or stored by them."""
        cases = [case for case in self._service.cases.index.cases if case.archived and case.archived.study_uid == study_uid]
        made = [
            submission
            for case in cases
            for submission in self._service.readings.of_case(case.case_id)
            if submission.reader == reader
        ]
        own = {uid for submission in made for uid in uids_of(submission, study_uid)}
        return all(uid in own or self.corrections.is_sent_by(uid, reader) for uid in sop_uids)

    def _refused_correction(self, correction: Correction, reader: str | None) -> dict[str, Any]:
        # of a blinded study the UID would lead to the patient
        uid = None if self._service.config.blinded else correction.sop_uid
        reason = self._words(correction.reason, reader)
        return {
            "case": correction.case_id,
            "reader": correction.reader,
            "time": correction.time,
            "reason": reason,
            "segmentation": uid,
        }

    def _words(self, sentence: str | None, reader: str | None) -> str | None:
        """A sentence of the archive or of its objects, which of a blinded study an administrator alone is told."""
        return sentence if sentence is None or reader is None else self._service.for_readers(sentence)

    def _version(self, case: Case) -> str:
        study = self._cases.register.get(case.archived.study_uid) if case.archived else None
        return study.counts.strip("/") if study else ""
