"""What a reader hands in, from its segments to what is kept, logged and sent on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ..core.disease_region import DiseaseRegionError
from ..core.segment_names import INFLAMMATION
from ..errors import ModelError
from ..readings.audit import AuditLog
from ..readings.effort import effort_of
from ..readings.leases import Leases
from ..readings.submission import Submission
from .begun import amended, check_follows, region_shown_to
from .measuring import Measuring
from .openings import Openings
from .scans import Scans
from .segments import Submitted
from .submitting import Delivery, Terms, judge, keep


class Intake:
    """Takes submissions."""

    def __init__(self, measuring: Measuring, openings: Openings, audit: AuditLog, leases: Leases) -> None:
        self._measuring, self._openings, self._audit, self._leases = measuring, openings, audit, leases

    def take(
        self, scans: Scans, submitted: Submitted, terms: Terms, effort: Any = None, delivery: Delivery | None = None
    ) -> Submission:
        """Keep a submission, measure it and write its report. Callers hold the case's lock.

        Parameters
        ----------
        scans : Scans
        submitted : Submitted
        terms : Terms
            As the reader says; which submission is replaced is looked up.
        effort : mapping, optional
            See `lib.readings.effort`.
        delivery : Delivery, optional
            Where it is sent on to.

        Raises
        ------
        VhiError
            Nothing was kept then.
        """
        case_id, readings = scans.case.case_id, self._measuring.readings
        who = terms.reader, terms.reading
        check_follows(readings, case_id, *who)
        took = effort_of(effort, self._openings.seconds(case_id, terms.reader))
        terms = replace(terms, amends=amended(readings, case_id, *who, terms.method, terms.amends), effort=took)
        started, why_none = None, None
        try:
            started = self._measuring.regions(scans, *who)
        except (ModelError, DiseaseRegionError) as error:
            why_none = str(error)
        last_seen = readings.shown(case_id, *who)
        measure = partial(self._measuring.result, scans, readings.proposal_shown(case_id, *who))
        automatic = None
        if submitted.disease_region is not None:
            automatic = region_shown_to(readings, self._measuring.automatic, *who, scans)
        judged = judge(measure, submitted, started, why_none, last_seen, terms, automatic)
        made = keep(readings, scans, judged, terms, delivery)
        self._audit.append("changed", reader=made.reader, case=made.case_id, submission=made.submission_id)
        self._openings.begin_again(made.case_id, made.reader)
        if made.segment(INFLAMMATION) is not None:
            self._leases.release(made.case_id, made.reader)
        if delivery is not None:
            delivery.post(made)
        return made
