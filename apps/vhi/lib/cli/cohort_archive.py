"""The input of `cohort --pacs`: the readings in a DICOMweb archive. It needs the packages of the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..cohort.table import EMPTY, VISITS, Reading, parse_tables
from ..core.volume import Mask
from ..csv_tables import read_table_text
from ..errors import InputError
from ..pacs.archive_cases import PacsConfig
from ..pacs.archive_readings import ArchivedReading, fetch_readings
from ..pacs.client import Archive, checked_url
from ..pacs.start import PASSWORD, USER, login_environment
from ..studies.nifti import read_mask
from ..studies.reader_masks import PassedOver
from .cohort_input import CohortInput, StoredMask, passed_over_note


def archive_at(url: str, user: str | None, password_file: Path | None) -> Archive:
    """The archive at an address; user and password as `serve` takes them.

    Raises
    ------
    VhiError
        The address or the login cannot be used.
    """
    login = login_environment(user, password_file)
    return Archive(checked_url(url), login.get(USER), login.get(PASSWORD))


def read_archive(
    archive: Archive, chosen: str, tables: Sequence[Path], scratch: Path, accept_uncleaned: bool = False
) -> CohortInput:
    """Read what a DICOMweb archive holds of readings: Segmentations of inflammation and reports of VHI.

    Parameters
    ----------
    archive : Archive
    chosen : str
        Which studies, as `PacsConfig.pacs_filter`; "" for all.
    tables : sequence of Path
        Further tables; their column `case` names studies by StudyInstanceUID.
    scratch : Path
        Keeps masks and scans for as long as they are needed.
    accept_uncleaned : bool
        Whether volumes that no reader cleaned are analysed too.

    Raises
    ------
    VhiError
        Also where three or more studies of a patient hold readings, and no table says which visits they are.
    """
    given = CohortInput(table=parse_tables([(read_table_text(path), path.name) for path in tables]) if tables else EMPTY)
    given.inputs = [(f"archive {archive.url}", Path(archive.url)), *(("table", path) for path in tables)]
    held = fetch_readings(archive, scratch, PacsConfig(pacs_filter=chosen).filters(), accept_uncleaned)
    if not held.readings:
        raise InputError(
            f"The archive {archive.url} holds no reading: neither a Segmentation with a segment called inflammation nor a "
            f"structured report of VHI by a reader ({len(held.passed_over)} other objects were looked at)."
        )
    visits = _archived_visits(held.readings, given)
    readings = [reading for reading in held.readings if reading.study_uid in visits]
    given.masks = tuple(_of_archive(reading, *visits[reading.study_uid]) for reading in readings if reading.mask is not None)
    numbers_alone = [reading for reading in readings if reading.mask is None]
    given.readings = [
        Reading(*visits[reading.study_uid], reading.reader, reading.reading, reading.method, reading.numbers)
        for reading in numbers_alone
    ]
    given.stir = {visits[reading.study_uid]: reading.stir for reading in readings if reading.stir is not None}
    given.cases = {visit: study for study, visit in visits.items()}
    given.passed_over += tuple(PassedOver(Path(what), why) for what, why in held.passed_over)
    given.notes += passed_over_note(given.passed_over, "object of the archive", "objects of the archive")
    given.chains = [(*visits[reading.study_uid], reading.chain) for reading in readings if reading.chain is not None]
    given.settings = [(*visits[reading.study_uid], reading.settings) for reading in readings if reading.settings is not None]
    given.leave_out_of_study()
    given.stages = [(*visits[reading.study_uid], reading.stage) for reading in readings if reading.stage is not None]
    given.check_chains()
    given.check_settings()
    given.check_stages(accept_uncleaned)
    return given


def _archived_visits(readings: Sequence[ArchivedReading], cohort: CohortInput) -> dict[str, tuple[str, str]]:
    """Subject and visit of each study: as a table says, else the patient's first and second study by date.

    Where a table names some studies of a patient, which visit another one would be is not known: it is passed over.
    """
    named = {visit.case: key for key, visit in cohort.table.visits.items() if visit.case is not None}
    visits = {reading.study_uid: named[reading.study_uid] for reading in readings if reading.study_uid in named}
    # a named study without readings is known by the table alone, where the subject may be the PatientID
    named_patients = {reading.patient for reading in readings if reading.study_uid in visits} | {
        subject for study, (subject, _) in named.items() if study not in visits
    }
    unnamed = {reading.study_uid: reading for reading in readings if reading.study_uid not in visits}
    cohort.passed_over += tuple(
        PassedOver(Path(f"study {study}"), "the table names other studies of this patient")
        for study, one in unnamed.items()
        if one.patient in named_patients
    )
    by_date = _visits_by_date([study for study in unnamed.values() if study.patient not in named_patients])
    _check_subjects(visits, by_date)
    if by_date:
        cohort.notes.append(
            "Studies of the archive that no table names: the patient's first one by date is the baseline, a second one the "
            "follow-up."
        )
    return visits | by_date


def _visits_by_date(studies: Sequence[ArchivedReading]) -> dict[str, tuple[str, str]]:
    """Patient and visit of each study, of which one reading is given."""
    by_patient: dict[str, dict[str, str]] = {}
    for one in studies:
        by_patient.setdefault(one.patient, {})[one.study_uid] = one.study_date
    visits = {}
    for patient, dates in by_patient.items():
        known = set(dates.values())
        if len(dates) > len(VISITS) or (len(dates) > 1 and ("" in known or len(known) < len(dates))):
            raise InputError(
                f"Readings of {len(dates)} studies of patient {patient} are in the archive (dates "
                f"{', '.join(sorted(date or 'none' for date in dates.values()))}), and which is the baseline is not clear; "
                "name them in a --table with the columns case (the StudyInstanceUID), subject and visit."
            )
        for visit, study in zip(VISITS, sorted(dates, key=lambda uid: dates[uid]), strict=False):
            visits[study] = patient, visit
    return visits


def _check_subjects(named: Mapping[str, tuple[str, str]], by_date: Mapping[str, tuple[str, str]]) -> None:
    """No two patients may be one subject; one study at least must be a visit."""
    if not named and not by_date:
        raise InputError(
            "The table names studies of every patient in the archive, but none that holds a reading; check that its column case "
            "holds StudyInstanceUIDs."
        )
    of_subject = {subject: study for study, (subject, _) in named.items()}
    for study, (patient, _) in by_date.items():
        if patient in of_subject:
            raise InputError(
                f"The table calls study {of_subject[patient]} of another patient subject {patient}, which is also the PatientID "
                f"of study {study}; name both in a --table with the columns case (the StudyInstanceUID), subject and visit."
            )


def _of_archive(one: ArchivedReading, subject: str, visit: str) -> StoredMask:
    mask_path, conservative_path = one.mask, one.conservative

    def read() -> tuple[Mask, Mask | None, str]:
        if mask_path is None:
            raise InputError(f"The reading of {one.reader} of study {one.study_uid} has no mask.")
        mask = read_mask(mask_path, "inflammation")
        conservative = None if conservative_path is None else read_mask(conservative_path, "conservative inflammation")
        return mask, conservative, _apart(one, mask)

    return StoredMask(subject, visit, one.reader, one.reading, one.method, read)


def _apart(one: ArchivedReading, mask: Mask) -> str:
    """A sentence where a report gives another volume than the Segmentation it refers to; the mask counts."""
    reported = one.numbers.get("vhi_mm3")
    if reported is None or abs(reported - mask.volume_mm3) <= 0.5 * mask.grid.voxel_volume_mm3:
        return ""
    return (
        f"Study {one.study_uid}, {one.reader}: the report says {reported:g} mm³, its Segmentation holds {mask.volume_mm3:g} mm³; "
        "the Segmentation counts."
    )
