"""Which cases of an archive are of one patient, and of which day each is, by the headers of their STIR series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..studies.pairing import Archived, Case
from ..studies.scan_facts import day_of
from .client import Archive


@dataclass(frozen=True)
class PatientIdentity:
    """Whose scan a case is and of which day (YYYY-MM-DD); "" for what its header does not state."""

    patient: str = ""
    issuer: str = ""
    day: str = ""


class Identities:
    """Looks into the header of one image of each case; each once, for as long as its series stay what they are.

    Parameters
    ----------
    archive : Archive
    case_of : callable
        The case that a study is, by its UID; None where it is none.
    """

    def __init__(self, archive: Archive, case_of: Callable[[str], Case | None]) -> None:
        self._archive, self._case_of = archive, case_of
        self._known: dict[str, tuple[Case, PatientIdentity]] = {}

    def visits(self, case: Case) -> Mapping[str, str]:
        """The visits of a patient, see `CaseSource.visits`: one patient is one PatientID of one issuer.

        Raises
        ------
        ArchiveError
            The archive cannot be asked now.
        """
        whose = self._of(case)
        if not whose.patient:
            return {}
        # a search takes * and ? in an id for any signs; the headers are compared as they are
        cases = [self._case_of(study.study_uid) for study in self._archive.studies(PatientID=whose.patient)]
        all_of_them = {visit.case_id: self._of(visit) for visit in (case, *cases) if visit is not None}
        patient = whose.patient, whose.issuer
        return {case_id: visit.day for case_id, visit in all_of_them.items() if (visit.patient, visit.issuer) == patient}

    def _of(self, case: Case) -> PatientIdentity:
        if case.archived is None:
            return PatientIdentity()
        known = self._known.get(case.case_id)
        if known is None or known[0] != case:
            known = self._known[case.case_id] = case, self._asked(case.archived)
        return known[1]

    def _asked(self, series: Archived) -> PatientIdentity:
        place = series.study_uid, series.stir_uid
        first = min((instance.sop_uid for instance in self._archive.instances(*place)), default=None)
        header = self._archive.metadata(*place, first)[0]
        patient, issuer = (str(header.get(name) or "").strip() for name in ("PatientID", "IssuerOfPatientID"))
        return PatientIdentity(patient, issuer, day_of(header))
