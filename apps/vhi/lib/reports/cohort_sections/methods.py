"""The paragraph on methods for an article, from what was done: readers, analyses, settings, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...cohort.study import VHI, Study, vhi_column
from ...cohort.table import VISITS, Reading
from ...core.stages import NAMES, STAGES
from ..cohort_content import Section

_LIBRARIES = ("numpy", "scipy", "statsmodels", "SimpleITK", "matplotlib")


def methods_paragraph(study: Study, sections: Sequence[Section], origin: Mapping[str, Any]) -> str:
    """Sentences on the readings, then on each analysis that was done, then on the programs with their versions.

    What was not available is not in it; the words of each analysis are those of the report.
    """
    paragraphs = [_readings(study)]
    paragraphs += [f"{section.title}. {section.method} ({section.source}.)" for section in sections if not section.why_not]
    return "\n\n".join([*paragraphs, _programs(origin)])


def _readings(study: Study) -> str:
    # a row may be a day or a rating alone, and a visit may be in the table for its clinical values
    readings = [reading for reading in study.table.readings if reading.values]
    readers = {reading.reader for reading in readings}
    subjects = {reading.subject for reading in readings}
    read = {(reading.subject, reading.visit) for reading in readings}
    visits = {when: sum(visit == when for _, visit in read) for when in VISITS}
    methods = sorted({reading.method for reading in readings if reading.method})
    unit = "mm³, from the spacing between slices" if vhi_column(study.table) == VHI else "voxels"
    drawn = f" Volumes of hyperintense inflammation (VHI) were {' and '.join(methods)} and are in {unit}." if methods else ""
    return (
        f"{_counted(len(subjects), 'subject')} with {_counted(visits['baseline'], 'baseline visit')} and "
        f"{_counted(visits['follow_up'], 'follow-up visit')} were read by {_counted(len(readers), 'reader')} "
        f"({_counted(len(readings), 'reading')}).{drawn}{_uncleaned(readings)}"
    )


def _uncleaned(readings: Sequence[Reading]) -> str:
    """That some volumes are no VHI, where they were accepted all the same."""
    stages = [reading.stage for reading in readings if reading.stage]
    counts = [f"{stages.count(stage)} of {NAMES[stage].lower()}" for stage in STAGES if stage != "cleaned" and stage in stages]
    return f" Not all of these volumes are VHI: {' and '.join(counts)} were accepted, which no reader cleaned." if counts else ""


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _programs(origin: Mapping[str, Any]) -> str:
    versions = {str(name): str(value) for name, value in origin.get("versions", {}).items()}
    libraries = ", ".join(f"{name} {versions[name]}" for name in _LIBRARIES if name in versions)
    settings = origin.get("settings", {})
    chosen = ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
    return (
        f"Analyses were done with VHI {versions.get('vhi', 'of unknown version')} (Python {versions.get('python', 'unknown')}"
        f"{f'; {libraries}' if libraries else ''}), command cohort{f'; settings: {chosen}' if chosen else ''}."
    )
