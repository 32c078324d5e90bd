"""The content of a report: every word and number, made once, printed by every form alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..core.change import Change, NotCompared
from ..core.numbers import plain, printable, vhi_numbers
from ..core.pipeline import VhiResult
from ..core.propagation import ImageStatistics
from ..core.stages import warnings_of
from ..core.verdict import verdict_of
from .change import change_facts, change_sentences, change_table
from .parts import Figure, Paper, ReaderWork, ScanFacts, Table
from .pictures import figures_of
from .sentences import automatic_sentences, reader_sentences, stability_sentences, vhi_meaning, vhi_ranges
from .tables import image_tables, lesions_table, provenance_tables, settings_table, thresholds_table, volumes_table
from .wording import counted, mm3, typeset

SUBTITLE = "Volume of STIR-hyperintense inflammation of the sacroiliac joints"
NOT_A_DEVICE = "For research. Not a medical device: no diagnosis or treatment may rest on it."


@dataclass(frozen=True)
class ReportContent:
    """One measurement, ready to be written in any form.

    Parameters
    ----------
    title, subtitle : str
        What the number may be called (`lib.core.stages`), and what it is a volume of.
    who : tuple of (str, str)
        Patient, day of the scan, scanner, reader, as far as they are known.
    change : tuple of str
        Since the earlier visit; empty without one. `lesion_changes` is its table.
    scan : tuple of (str, str)
        What was measured and when.
    verdict : str
        Usable, check or not comparable, with the reasons.
    vhi : str
        The primary number, at the sensitive threshold, with its unit.
    vhi_ranges : tuple of (str, str)
        Where else it may lie, and under which change; the first is 5% of the sensitive threshold.
    stability, automatic, reader, warnings : tuple of str
        Sentences.
    volumes, lesions, thresholds, images, settings, provenance : Table, or several
        `lesions` holds all of them, the largest first; `lesion_mm3` the volume of each row.
    numbers : mapping
        What `vhi.json` holds.
    result : VhiResult
        For the figures alone.
    """

    title: str
    subtitle: str
    who: tuple[tuple[str, str], ...]
    scan: tuple[tuple[str, str], ...]
    change: tuple[str, ...]
    lesion_changes: Table | None
    vhi: str
    verdict: str
    vhi_meaning: str
    vhi_ranges: tuple[tuple[str, str], ...]
    stability: tuple[str, ...]
    warnings: tuple[str, ...]
    volumes: Table
    automatic: tuple[str, ...]
    reader: tuple[str, ...]
    lesions: Table
    lesion_mm3: tuple[float, ...]
    thresholds: Table
    images: tuple[Table, ...]
    settings: Table
    provenance: tuple[Table, ...]
    disclaimer: str
    numbers: Mapping[str, Any] = field(repr=False)
    result: VhiResult = field(repr=False)
    visits: Change | None = field(default=None, repr=False)
    paper: Paper = "a4"

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """`mosaic`, `where`, `projection`, `histogram`, `stability`, and `visits` where an earlier scan is at hand.

        Drawn when first asked for: JSON needs none of them.
        """
        return {figure.name: figure for figure in figures_of(self.result, self)}

    @property
    def main_picture(self) -> Figure:
        """The largest picture of the first page: both visits where there are two, else the slices."""
        return self.figures.get("visits") or self.figures["mosaic"]

    def further_lesions(self, shown: int) -> str:
        """A sentence on the lesions that a form leaves out which prints the `shown` largest only; empty where those are all."""
        rest = self.lesion_mm3[shown:]
        return f"And {counted(len(rest), 'smaller one', 'smaller ones')}, {mm3(sum(rest))} together." if rest else ""


def report_content(
    result: VhiResult,
    provenance: Mapping[str, Any],
    image_statistics: Sequence[ImageStatistics] = (),
    reading: ReaderWork | None = None,
    *,
    scan: ScanFacts | None = None,
    change: Change | NotCompared | None = None,
) -> ReportContent:
    """The report of one measurement, for A4 paper.

    Parameters
    ----------
    result : VhiResult
    provenance : mapping
        `versions`, `model` (None where no network was used), `settings`, `inputs` (role, file, sha256 of each), `created`
        (UTC, ISO 8601) and `command`.
    image_statistics : sequence of ImageStatistics
        Other sequences of the visit, as `lib.core.propagation` describes them.
    reading : ReaderWork, optional
        Where a reader corrected the result.
    scan : ScanFacts, optional
        Whose scan it is, as far as its files say so and the report may.
    change : Change or NotCompared, optional
        Since an earlier visit.
    """
    source = plain(provenance)
    files = {file["role"]: file["file"] for file in source.get("inputs") or [] if "role" in file and "file" in file}
    numbers = vhi_numbers(result, provenance, image_statistics, None if reading is None else reading.facts)
    if scan is not None:
        numbers["scan"] = plain(scan)
    numbers |= plain(change_facts(change))
    return ReportContent(
        title=numbers["title"],
        subtitle=SUBTITLE,
        who=tuple(_who(scan, reading)),
        scan=_scan(files, source),
        change=change_sentences(change),
        lesion_changes=change_table(change),
        vhi=mm3(result.measurement.total.sensitive_mm3),
        verdict=verdict_of(result).sentence,
        vhi_meaning=vhi_meaning(result),
        vhi_ranges=tuple(vhi_ranges(result)),
        stability=stability_sentences(result),
        warnings=tuple(typeset(printable(warning)) for warning in warnings_of(result)),
        volumes=volumes_table(result),
        automatic=tuple(automatic_sentences(result)),
        reader=tuple(reader_sentences(result, reading)),
        lesions=lesions_table(result),
        lesion_mm3=tuple(lesion.mm3 for lesion in result.lesions),
        thresholds=thresholds_table(result),
        images=tuple(table for statistics in image_statistics for table in image_tables(statistics, files)),
        settings=settings_table(result.settings),
        provenance=tuple(provenance_tables(source)),
        disclaimer=NOT_A_DEVICE,
        numbers=numbers,
        result=result,
        visits=change if isinstance(change, Change) else None,
    )


def _who(scan: ScanFacts | None, reading: ReaderWork | None) -> Iterator[tuple[str, str]]:
    """The facts that a clinician looks for first; only those that are known."""
    known = scan or ScanFacts()
    stated = {} if reading is None else reading.facts
    facts = {
        "Patient": known.patient,
        "Scan of": known.date,
        "Scanner": known.scanner,
        "Reader": str(stated.get("reader") or "none"),
    }
    yield from ((name, printable(value)) for name, value in facts.items() if value)


def _scan(files: Mapping[str, str], provenance: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    known = [(role, files[role]) for role in ("T1W", "STIR") if role in files]
    created = provenance.get("created")
    return (*known, *((("Measured", str(created).replace("T", " ").replace("+00:00", " UTC")),) if created else ()))
