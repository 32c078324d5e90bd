"""Reports made again from what they were made of, where a file of one is damaged: the scans, the masks and `submission.json`.

The regions are those that the submission rests on by its own words (`started_from`). The number must be the one that was kept, by
its `result_id`, and the file the one that was kept, by its sha256; else nothing is written, and a backup must bring it.
"""

from __future__ import annotations

import logging
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from ..core.cleaning import measure_cleaned
from ..core.corrections import Corrections
from ..core.pipeline import VhiResult
from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..core.settings import VhiSettings
from ..core.volume import Mask
from ..errors import DamagedError, VhiError
from ..files import write_atomically
from ..readings.checking import check_report, report_damage
from ..readings.submission import Submission
from ..records import log_once, read_json
from .active_regions import ActiveRegions, automatic_regions, bone_of_submission, region_of_submission
from .earlier import EarlierVisits
from .evaluation import EvaluatedSubmission
from .gestures import parse_decisions
from .measuring import MeasurementService
from .response_facts import result_id_of
from .scans import Scans
from .submission_files import REPORT_FILES, content_of, write_reports

_NUMBER = re.compile(r"\d{4,}")
log = logging.getLogger("vhi.service")


def is_damaged(path: Path, made: Submission) -> bool:
    """Whether a file of a report is not what was kept."""
    try:
        check_report(path, made)
    except DamagedError:
        return True
    return False


def remake_reports(measurements: MeasurementService, earlier: EarlierVisits, scans: Scans, made: Submission) -> tuple[str, ...]:
    """Make again what is damaged of the reports of a submission; the names of the files. Callers hold the case's lock.

    Raises
    ------
    DamagedError
        They cannot be made again, or would not be what was kept.
    """
    folder = measurements.readings.folder_of(made)
    damaged = list(report_damage(folder, made))
    if not damaged:
        return ()
    try:
        evaluated = _evaluated(measurements, scans, made)
    except VhiError as error:
        raise DamagedError(damaged[0].path, f"it cannot be made again, because {error}") from error
    result = evaluated.result
    if result is None or (made.result and result_id_of(result, evaluated.model) != made.result["result_id"]):
        raise DamagedError(damaged[0].path, "made again it would have another number than the one that was kept")
    evaluated = replace(evaluated, since=earlier.again(scans, result, made.earlier))
    with tempfile.TemporaryDirectory(prefix="vhi-report-") as beside:
        hashes = write_reports(content_of(scans, evaluated, made, result), Path(beside))
        for file in damaged:
            name = file.path.name
            if made.reports.get(name, hashes[name]) != hashes[name]:
                raise DamagedError(file.path, "made again by this version of the program it would be another file")
            write_atomically(file.path, (Path(beside) / name).read_bytes())
            log_once(file, "it was made again from its submission")
    return tuple(report.path.name for report in damaged)


def _evaluated(measurements: MeasurementService, scans: Scans, made: Submission) -> EvaluatedSubmission:
    """The submission as it was evaluated, from what was kept of it."""
    settings, regions = VhiSettings.from_values(made.settings), _regions(measurements, scans, made)
    automatic = measurements.result(scans, _proposal_version(measurements, made), regions, settings)
    segments = {
        segment.name: mask for segment in made.segments if (mask := _mask(measurements, scans, made, segment.name)) is not None
    }
    kept = segments.get(INFLAMMATION)
    result: VhiResult = automatic if kept is None else measure_cleaned(automatic, kept)
    return EvaluatedSubmission(
        segments=segments,
        other=(),
        result=result,
        automatic=automatic,
        inflammation_changes=None,
        changes=made.changes,
        corrections=made.corrections or Corrections().as_dict(),
        decisions=parse_decisions(made.decisions or {}),
        settings=settings,
        regions=regions,
        proposals={},
        started_from=made.started_from,
        messages=made.messages,
    )


def _proposal_version(measurements: MeasurementService, made: Submission) -> str | None:
    """The version of the cleaning proposal beside the result: as `vhi.json` says, else as was noted of what was shown.

    None for a noted one that is gone: a reading handed in since is reported without it, any other is known by its sha256.
    """
    readings = measurements.readings
    path = readings.folder_of(made) / REPORT_FILES["json"]
    if not is_damaged(path, made):
        proposal = (read_json(path) or {}).get("proposal")
        return None if proposal is None else str(proposal["version"])
    shown = readings.proposal_shown(made.case_id, made.reader, made.reading)
    return shown if shown is not None and measurements.has_proposal(shown) else None


def _regions(measurements: MeasurementService, scans: Scans, made: Submission) -> ActiveRegions:
    """The regions that a submission was measured with."""
    source = _source(measurements, made, DISEASE_REGION)
    if source is None:
        version = str((made.model or {})["version"]) if made.model else None
        active = automatic_regions(measurements.automatic.of(scans, version))
    else:
        mask = _needed(measurements, scans, source, DISEASE_REGION)
        active = region_of_submission(source, mask, made.started_from.get(DISEASE_REGION, ""))
        if made.model is not None and active.normal_bone is None:
            own = measurements.automatic.of(scans, str(made.model["version"]))
            active = replace(active, normal_bone=automatic_regions(own).normal_bone)
    bone = _source(measurements, made, NORMAL_BONE)
    if bone is not None:
        mask = _needed(measurements, scans, bone, NORMAL_BONE)
        active = replace(active, normal_bone=bone_of_submission(bone, mask))
    return active


def _source(measurements: MeasurementService, made: Submission, part: str) -> Submission | None:
    """The submission that a region comes from: this one, or the one that it started from; None for the automatic one."""
    if made.segment(part) is not None:
        return made
    words = made.started_from.get(part, "")
    number = _NUMBER.search(words) if words.startswith(("your submission", "shared by study")) else None
    earlier = measurements.readings.of_case(made.case_id) if number else ()
    return next(
        (
            submission
            for submission in earlier
            if number and submission.number == int(number[0]) and submission.segment(part) is not None
        ),
        None,
    )


def _needed(measurements: MeasurementService, scans: Scans, made: Submission, part: str) -> Mask:
    mask = _mask(measurements, scans, made, part)
    if mask is None:
        raise DamagedError(measurements.readings.folder_of(made), f"it holds no {part}")
    return mask


def _mask(measurements: MeasurementService, scans: Scans, made: Submission, part: str) -> Mask | None:
    mask = measurements.readings.read_segment(made, part)
    return None if mask is None else Mask(mask.data, scans.stir.grid, part)
