"""The page about a clone of the authors' repository: ours beside theirs, table by table and figure by figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..reproduction.comparison import EQUAL, Comparison
from ..reproduction.comparisons import counted
from ..reproduction.pictures import Pictures
from ..reproduction.run import RunResults
from .cohort_content import CohortContent, Records, rows_of
from .content import NOT_A_DEVICE
from .parts import Table
from .reproduction_sections.printed import arithmetic_section, not_public_section
from .reproduction_sections.readers import agreement_section, composite_section, overlap_section, similarity_section
from .reproduction_sections.regions import additional_section, curves_section, further_section, test_scans_section
from .reproduction_sections.scans import bone_section, data_section, workflow_section

MARK = "reproduction.json"
OWN_FILES = (MARK, "report.html", "report.pdf", "tables", "figures")
MOST_FAILURES = 4
TITLE = "The VHI paper from its public data"


def reproduction_content(
    results: RunResults, comparisons: Sequence[Comparison], pictures: Pictures, notes: Sequence[str], origin: Mapping[str, Any]
) -> CohortContent:
    """Everything that the page says.

    Parameters
    ----------
    results : RunResults
    comparisons : sequence of Comparison
        Ours beside theirs; see `lib.reproduction.comparisons`.
    pictures : Pictures
    notes : sequence of str
        Sentences that a reader must know first.
    origin : mapping
        `created`, `command`, `versions`, `settings`, `inputs`.
    """
    groups: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault(comparison.group, []).append(comparison)
    not_done = Records("not_done", ("step", "why"), rows_of(results.failed))
    sections = (
        replace(data_section(results, groups), records=(not_done,)),
        overlap_section(results, groups),
        similarity_section(results, groups),
        composite_section(results, groups),
        agreement_section(results),
        bone_section(results, groups),
        workflow_section(results, pictures),
        test_scans_section(results, groups),
        curves_section(results),
        additional_section(results, pictures),
        further_section(results),
        arithmetic_section(groups),
        not_public_section(),
    )
    clone = results.clone
    facts = (
        ("Readers' masks", str(sum(len(reader["voxels"]) for reader in results.readers.values()))),
        ("T1W scans", str(len(clone.t1w))),
        ("STIR scans", str(len(clone.stir))),
        ("Tables of numbers", str(len(clone.texts))),
        ("Ensembles", ", ".join(ensemble.name for ensemble in results.ensembles) or "none"),
        ("Created", str(origin.get("created", ""))),
    )
    return CohortContent(
        title=TITLE,
        facts=facts,
        key_results=_summary(groups),
        sections=sections,
        notes=(*notes, *_failures(results)),
        provenance=_provenance(origin),
        disclaimer=NOT_A_DEVICE,
        readings=_comparison_records(comparisons),
        passed_over=Records("passed_over", ("file", "why"), rows_of((str(file.path), file.why) for file in clone.passed_over)),
        origin=origin,
        mark=MARK,
    )


def _summary(groups: Mapping[str, Sequence[Comparison]]) -> Table:
    """A line per group: how many numbers are equal, and by how much the others differ."""
    rows = []
    for group, comparisons in groups.items():
        counts = counted(comparisons)
        equal = sum(counts.get(verdict, 0) for verdict in EQUAL)
        apart = [
            abs(comparison.difference)
            for comparison in comparisons
            if comparison.verdict in ("identical", "equal to the last digit")
        ]
        worst = f"{max(apart):.1e}" if apart and max(apart) > 0 else "0" if apart else ""
        cells = (counts.get("differs", 0), counts.get("missing", 0), counts.get("not comparable", 0))
        rows.append((group, str(equal), *(str(cell) if cell else "·" for cell in cells), worst))
    header = (
        "published numbers, ours beside theirs",
        "equal",
        "differ",
        "not in the clone",
        "not comparable",
        "largest difference",
    )
    note = "Largest difference: of numbers published with every digit; others are equal when they round to what is printed."
    return Table("Ours beside theirs", header, tuple(rows), note=note)


def _comparison_records(comparisons: Iterable[Comparison]) -> Records:
    columns = ("group", "what", "where", "published", "ours", "difference", "verdict", "note")
    return Records(
        "comparisons",
        columns,
        rows_of(
            (
                comparison.group,
                comparison.what,
                comparison.where,
                comparison.published,
                comparison.ours,
                comparison.difference,
                comparison.verdict,
                comparison.note,
            )
            for comparison in comparisons
        ),
    )


def _failures(results: RunResults) -> tuple[str, ...]:
    """Steps that could not be done; the table not_done lists each one."""
    shown = tuple(f"Not done: {what}: {why}" for what, why in results.failed[:MOST_FAILURES])
    more = len(results.failed) - len(shown)
    return (*shown, f"Not done: {more} more steps, in tables/not_done.csv.") if more else shown


def _provenance(origin: Mapping[str, Any]) -> tuple[Table, ...]:
    versions = tuple((str(name), str(value)) for name, value in origin.get("versions", {}).items())
    inputs = tuple((file["role"], file["file"], file.get("identity", "")) for file in origin.get("inputs", ()))
    return (
        Table("Input", ("role", "file or folder", "identity"), inputs, text_columns=3),
        Table("Made by", ("program", "version"), (*versions, ("command", str(origin.get("command", "")))), text_columns=2),
    )
