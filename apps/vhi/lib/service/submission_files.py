"""An evaluated submission as it is kept: its files, its report, and what is delivered of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ..core.pipeline import VhiResult
from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..core.volume import Mask
from ..files import sha256_of
from ..provenance import method_versions, now, provenance_of
from ..readings.store import ReadingStore, stored_segment
from ..readings.submission import StoredSegment, Submission
from ..reports import ReaderWork, ReportContent, report_content, write_html, write_json, write_pdf
from ..reports.parts import ScanFacts
from ..studies.nifti import write_mask
from .change_summary import reading_sentences
from .evaluation import EvaluatedSubmission, SubmissionMetadata
from .response_facts import short_result
from .scans import Scans

REPORT_FILES = {"json": "vhi.json", "html": "report.html", "pdf": "report.pdf"}
_FILES = {NORMAL_BONE: "normal_bone.nii.gz", DISEASE_REGION: "disease_region.nii.gz", INFLAMMATION: "inflammation.nii.gz"}


class Delivery(Protocol):
    """Takes submissions elsewhere, such as to an archive."""

    def write(self, folder: Path, scans: Scans, evaluated: EvaluatedSubmission, made: Submission) -> tuple[str, ...]:
        """Put the files to deliver into the submission's folder; sentences for the reader. Never refuses a submission."""

    def post(self, made: Submission) -> None:
        """Have them delivered, now that the submission is kept; returns at once."""

    def delivery_state(self, made: Submission) -> Mapping[str, Any]:
        """The state of a submission on its way to the archive, for its reader."""


def keep(
    store: ReadingStore,
    scans: Scans,
    evaluated: EvaluatedSubmission,
    metadata: SubmissionMetadata,
    delivery: Delivery | None = None,
) -> Submission:
    """Write an evaluated submission, its report and what is delivered of it; it is on disk when this returns.

    Raises
    ------
    OutputError
    """
    case_id = scans.case.case_id

    def write(folder: Path, number: int) -> Submission:
        made = Submission(
            case_id=case_id,
            number=number,
            reader=metadata.reader,
            reading=metadata.reading,
            method=metadata.method,
            created=now(),
            segments=tuple(
                _stored(folder / _FILES[name], mask, evaluated.proposals.get(name)) for name, mask in evaluated.segments.items()
            ),
            other=tuple(_stored(folder / f"other-{n}.nii.gz", mask) for n, mask in enumerate(evaluated.other, start=1)),
            amends=metadata.amends,
            rating=metadata.rating,
            scans=dict(scans.sha256),
            started_from=evaluated.started_from,
            changes=evaluated.changes,
            settings=evaluated.settings.stored(),
            versions=method_versions(evaluated.model),
            model=evaluated.model,
            measured=evaluated.result is not None,
            messages=evaluated.messages,
            source=metadata.source,
            effort=dict(metadata.effort),
            corrections=evaluated.corrections,
            decisions=evaluated.decisions.as_dict(),
            result=None if evaluated.result is None else short_result(evaluated.result, evaluated.model),
            earlier=None if evaluated.since is None else evaluated.since.record(),
        )
        if evaluated.result is not None:
            content = content_of(scans, evaluated, made, evaluated.result)
            made = replace(made, reports=write_reports(content, folder))
        if delivery is not None:
            made = replace(made, messages=(*made.messages, *delivery.write(folder, scans, evaluated, made)))
        return made

    return store.append(case_id, metadata.reader, write)


def write_reports(content: ReportContent, folder: Path) -> dict[str, str]:
    """Write every form of a report; the sha256 of each file by its name.

    Raises
    ------
    OutputError
    """
    writers: dict[str, Callable[[ReportContent, Path], None]] = {"json": write_json, "html": write_html, "pdf": write_pdf}
    for form, write in writers.items():
        write(content, folder / REPORT_FILES[form])
    return {name: sha256_of(folder / name) for name in REPORT_FILES.values()}


def content_of(
    scans: Scans, evaluated: EvaluatedSubmission, made: Submission, result: VhiResult, scan: ScanFacts | None = None
) -> ReportContent:
    """The content of every form of a submission's report; the same whenever it is asked.

    `scan` says whose scan it is, for what goes to the archive of the patient; never in a blinded study.
    """
    facts = {
        "case": made.case_id,
        "submission": made.submission_id,
        "reader": made.reader,
        "reading": made.reading,
        "method": made.method,
        "amends": made.amends,
        "rating": made.rating,
        "effort": dict(made.effort),
        "started_from": made.started_from,
        "changes": made.changes,
        "corrections": made.corrections,
        "decisions": made.decisions,
    }
    who = f"Reader {made.reader}, reading {made.reading}, {made.method}, submission {made.submission_id}."
    rated = [f"The reader rates the automatic disease region: {made.rating}."] if made.rating else []
    done = reading_sentences(evaluated.changes, evaluated.corrections, cleaned=INFLAMMATION in evaluated.segments)
    provenance = provenance_of(f"server, submission {made.submission_id}", evaluated.settings, evaluated.model, scans.inputs)
    provenance |= {"created": made.created, "versions": dict(made.versions)}
    change = None if evaluated.since is None else evaluated.since.change
    return report_content(result, provenance, reading=ReaderWork(facts, (who, *rated, *done)), scan=scan, change=change)


def _stored(path: Path, mask: Mask, proposal: Mapping[str, Any] | None = None) -> StoredSegment:
    write_mask(path, mask)
    return stored_segment(mask.name, path, mask.voxels, proposal)
