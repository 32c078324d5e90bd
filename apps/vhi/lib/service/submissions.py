"""A reader's submission: evaluated, shown before it is kept, kept, logged and sent on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.segment_names import DISEASE_REGION, INFLAMMATION
from ..errors import ConflictError, OutputError
from ..readings.audit import AuditLog
from ..readings.effort import effort_of
from ..readings.leases import Leases
from ..readings.submission import Submission
from ..reports.change import change_sentences
from ..studies.pairing import Role
from .conduct import Conduct
from .doubts import doubt_messages, region_doubts
from .earlier import EarlierVisits
from .evaluation import EvaluatedSubmission, SubmissionMetadata, evaluate_submission
from .measuring import MeasurementService
from .proposals import DisplayedResult
from .reading_context import amended_submission, check_follows
from .reading_timer import ReadingTimer
from .response_facts import response_facts, short_result
from .scans import Scans
from .segments import Submitted
from .submission_files import Delivery, keep

log = logging.getLogger("vhi.service")


class ChangedNumberError(ConflictError):
    """The number that would be kept is not the one on the reader's screen. `facts` holds both, ready for JSON."""

    def __init__(self, displayed: Mapping[str, Any], would_be: Mapping[str, Any]) -> None:
        shown = f"shown are {mm3_of(displayed)}, " if "vhi_mm3" in displayed else ""
        super().__init__(
            f"The number on the screen is not the one that would be kept: {shown}{mm3_of(would_be)} would be kept"
            f"{_other_rule(displayed, would_be)}. Nothing was kept; look at the new number, and submit again to confirm it.",
            {"displayed": dict(displayed), "would_be": dict(would_be)},
        )


class Submissions:
    """Takes submissions."""

    def __init__(
        self,
        measurements: MeasurementService,
        openings: ReadingTimer,
        audit: AuditLog,
        leases: Leases,
        earlier: EarlierVisits,
        conduct: Conduct,
    ) -> None:
        self._conduct = conduct
        self._measurements, self._openings, self._audit, self._leases = measurements, openings, audit, leases
        self._earlier = earlier
        # whether something was kept that the audit log lacks
        self.unlogged = False

    def preview(self, scans: Scans, submitted: Submitted, metadata: SubmissionMetadata, role: Role) -> dict[str, Any]:
        """Facts of the number that a submission would have; nothing is kept. Callers hold the case's lock.

        Raises
        ------
        VhiError
            As `accept`.
        """
        self._checked(scans, metadata)
        evaluated = evaluate_submission(self._measurements, scans, submitted, metadata)
        preview_facts: dict[str, Any] = {
            "changes": evaluated.changes,
            "corrections": evaluated.corrections,
            "decisions": evaluated.decisions.as_dict(),
        }
        preview_facts |= {"measured": evaluated.result is not None, "messages": list(evaluated.messages)}
        if evaluated.result is None or evaluated.regions is None:
            return {"case": scans.case.case_id, **preview_facts}
        self._measurements.note_number(scans, metadata.reader, evaluated.result, evaluated.model)
        automatic = evaluated.automatic or evaluated.result
        shown = DisplayedResult(np.zeros(0, np.uint8), {}, evaluated.result, automatic, evaluated.inflammation_changes)
        facts = response_facts(scans, evaluated.regions, shown, "server, preview", role, metadata.reader)
        since = self._earlier.since(scans, evaluated.result, metadata.reader, metadata.reading)
        return {**facts, **self._earlier.facts(since, metadata.reader), **preview_facts}

    def accept(
        self,
        scans: Scans,
        submitted: Submitted,
        metadata: SubmissionMetadata,
        effort: Any = None,
        delivery: Delivery | None = None,
    ) -> Submission:
        """Keep a submission, measure it and write its report. Callers hold the case's lock.

        Parameters
        ----------
        scans : Scans
        submitted : Submitted
        metadata : SubmissionMetadata
            As the reader says; which submission is replaced is looked up.
        effort : mapping, optional
            See `lib.readings.effort`.
        delivery : Delivery, optional
            Where it is sent on to.

        Raises
        ------
        DoubtedRegionError
            The region seems to lie wrong, and the viewer asked to be asked.
        ChangedNumberError
            Another number than the one displayed would be kept, and the reader has not confirmed it.
        VhiError
            Nothing was kept then.
        """
        amends = self._checked(scans, metadata)
        took = effort_of(effort, self._openings.seconds(scans.case.case_id, metadata.reader))
        metadata = replace(metadata, amends=amends, effort=took)
        evaluated = evaluate_submission(self._measurements, scans, submitted, metadata)
        doubts = region_doubts(self._measurements, scans, evaluated, metadata)
        evaluated = self._compared(scans, evaluated, metadata)
        region = evaluated.segments.get(DISEASE_REGION)
        doubt_sentences = doubt_messages(doubts, metadata, self._measurements.readings, scans.case.case_id, region)
        evaluated = replace(evaluated, messages=(*doubt_sentences, *evaluated.messages))
        if evaluated.result is not None:
            since = self._earlier.since(scans, evaluated.result, metadata.reader, metadata.reading)
            changed = () if since is None else change_sentences(since.change)
            evaluated = replace(evaluated, since=since, messages=(*evaluated.messages, *changed))
        made = keep(self._measurements.readings, scans, evaluated, metadata, delivery)
        # it is kept: what fails from here on, as on a disk that has just run full, must not tell the reader that it is not
        try:
            self._audit.append("changed", reader=made.reader, case=made.case_id, submission=made.submission_id)
        except OutputError:
            self.unlogged = True
            log.error("a submission was kept that the audit log lacks; it is logged once there is room")
        self._openings.begin_again(made.case_id, made.reader)
        if made.segment(INFLAMMATION) is not None:
            with suppress(OutputError):  # it runs out by itself
                self._leases.of(made.reader).release(made.case_id, made.reader)
        if delivery is not None:
            delivery.post(made)
        return made

    def _checked(self, scans: Scans, metadata: SubmissionMetadata) -> str | None:
        """Refuse a reading before its turn; the id of the submission that is amended."""
        case_id, readings = scans.case.case_id, self._measurements.readings
        check_follows(readings, case_id, metadata.reader, metadata.reading)
        is_held = self._leases.of(metadata.reader).holder(case_id) == metadata.reader
        self._conduct.check(case_id, metadata.reader, metadata.reading, is_offered=is_held)
        return amended_submission(readings, case_id, metadata.reader, metadata.reading, metadata.method, metadata.amends)

    def _compared(self, scans: Scans, evaluated: EvaluatedSubmission, metadata: SubmissionMetadata) -> EvaluatedSubmission:
        """Refuse another number than the displayed one; a viewer that displays none is told of both."""
        if evaluated.result is None:
            return evaluated
        case_id, reader = scans.case.case_id, metadata.reader
        would_be = short_result(evaluated.result, evaluated.model)
        if metadata.displayed is not None:
            if would_be["result_id"] not in (metadata.displayed, metadata.confirmed):
                known = self._measurements.number_shown(case_id, reader, metadata.displayed)
                raise ChangedNumberError(known or {"result_id": metadata.displayed}, would_be)
            return evaluated
        last = self._measurements.readings.display(case_id, reader, metadata.reading)
        if last is None or last["result_id"] == would_be["result_id"]:
            return evaluated
        both = f"Shown last: {mm3_of(last)}; kept: {mm3_of(would_be)}{_other_rule(last, would_be)}."
        return replace(evaluated, messages=(both, *evaluated.messages))


def mm3_of(numbers: Mapping[str, Any]) -> str:
    """Both grades of a result in words."""
    mm3 = numbers["vhi_mm3"]
    return f"{mm3['sensitive']:,.0f} mm3 at the sensitive and {mm3['conservative']:,.0f} mm3 at the conservative threshold"


def _other_rule(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    same = before.get("rule", now["rule"]) == now["rule"]
    return "" if same else f" (thresholds by the {now['rule']} rule instead of the {before['rule']} rule)"
