"""The report of a cohort: put together once, written as HTML, PDF, JSON, CSV, PNG and SVG."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reportlab.lib.units import inch, mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, CondPageBreak, Flowable, Frame, KeepTogether, PageTemplate, Spacer

from ..cohort.masks import ComparedVisits, DisagreementImages, MaskStudy
from ..cohort.overlap import summarise_overlaps
from ..cohort.study import SPARCC, VHI, Study
from ..cohort.table import DATES, FACTS, NUMBERS, VISIT_DATE
from ..errors import OutputError
from ..files import check_result_folder, write_atomically
from . import pdf
from .cohort_content import (
    TITLE,
    CohortContent,
    CohortFigure,
    Records,
    Section,
    estimate,
    median_range,
    number,
    rows_of,
)
from .cohort_sections.agreement import agreement_section
from .cohort_sections.conduct import conduct_section
from .cohort_sections.dictionary import data_dictionary
from .cohort_sections.failure import failure_section, ratings_section
from .cohort_sections.methods import methods_paragraph
from .cohort_sections.overlap import overlap_section, reference_section
from .cohort_sections.relation import relation_section
from .cohort_sections.response import change_section, response_section
from .cohort_sections.sensitivity import sensitivity_section
from .cohort_sections.visits import effort_section, visits_section
from .content import NOT_A_DEVICE
from .html import data_uri, template_environment
from .parts import Table

MARK = "cohort.json"
OWN_FILES = (MARK, "report.html", "report.pdf", "methods.txt", "tables", "figures")
MOST_ROWS = 40
_A4 = pdf.A4


@dataclass(frozen=True)
class InputNotes:
    """Remarks on the input of a study.

    Attributes
    ----------
    notes : sentences that a reader of the report must know
    passed_over : files of the folder that no reading was taken from, and why
    left_out : subjects that the table says are not included, and what it says; they are in no analysis
    """

    notes: Sequence[str] = ()
    passed_over: Sequence[tuple[str, str]] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def cohort_content(
    study: Study,
    masks: MaskStudy | None,
    images: DisagreementImages,
    visits: ComparedVisits,
    origin: Mapping[str, Any],
    noted: InputNotes | None = None,
) -> CohortContent:
    """Everything that the report says.

    Parameters
    ----------
    study : Study
    masks : MaskStudy or None
        None where there are only numbers.
    images : DisagreementImages
    visits : ComparedVisits
    origin : mapping
        `created`, `command`, `versions`, `settings`, `inputs`.
    noted : InputNotes, optional
    """
    noted = noted or InputNotes()
    table = study.table
    sections = (
        conduct_section(table, noted.left_out),
        overlap_section(masks),
        reference_section(masks, study.settings),
        relation_section(study),
        agreement_section(study, VHI),
        agreement_section(study, SPARCC),
        response_section(study),
        change_section(study),
        sensitivity_section(study),
        failure_section(study, images),
        ratings_section(study),
        visits_section(visits),
        effort_section(study),
    )
    readers = sorted({reading.reader for reading in table.readings})
    counts = {visit: sum(when == visit for _, when in table.visits) for visit in ("baseline", "follow_up")}
    facts = (
        ("Subjects", str(len(table.subjects))),
        ("Visits", f"{counts['baseline']} baseline, {counts['follow_up']} follow-up"),
        ("Readings", str(len(table.readings))),
        ("Readers", ", ".join(readers) or "none"),
        ("Created", str(origin.get("created", ""))),
    )
    return CohortContent(
        title=TITLE,
        facts=facts,
        key_results=_key_results(study, masks),
        sections=sections,
        notes=tuple(noted.notes),
        provenance=_provenance(origin),
        disclaimer=NOT_A_DEVICE,
        readings=_readings(study),
        passed_over=Records("passed_over", ("file", "why"), rows_of(noted.passed_over)),
        origin=origin,
        methods=methods_paragraph(study, sections, origin),
        dictionary=data_dictionary(study.table),
    )


def _key_results(study: Study, masks: MaskStudy | None) -> Table:
    """The paper's headline numbers, of this study."""
    rows: list[tuple[str, str, str]] = []
    for overlap in summarise_overlaps(masks.pairs, each_pair=False) if masks else ():
        if overlap.kind != "between methods":
            rows.append(
                (f"Dice {overlap.kind}, {overlap.method}: median (range)", median_range(overlap.dice), str(overlap.dice.n))
            )
    for name, agreements, unit in (("VHI", study.vhi_agreement, study.vhi_unit), ("SPARCC", study.sparcc_agreement, "points")):
        for agreement in agreements[:3]:
            raw = agreement.limits["raw"]
            who = f"{name}, readers {' and '.join(agreement.readers)}" + (f", {agreement.method}" if agreement.method else "")
            limits = f"{number(raw.bias.value)} ({number(raw.lower.value)} to {number(raw.upper.value)}) {unit}"
            rows.append((f"{who}: bias (95% limits of agreement)", limits, str(raw.n)))
            rows.append((f"{who}: ICC(A,1) (95% CI)", estimate(agreement.icc["raw"].icc, 2), str(agreement.icc["raw"].n)))
    if not isinstance(study.relations, str):
        log = study.relations[0].regressions["log"]
        rows.append(("log(VHI + 1) per SPARCC point: slope (95% CI)", estimate(log.slope), str(log.n)))
    if not isinstance(study.response, str):
        for pair in study.response.agreement:
            if pair.a in ("VHI", "SPARCC") and pair.b in ("VHI", "SPARCC", study.response.primary):
                agreeing = f"{pair.table.agreeing} of {pair.table.n}"
                rows.append((f"Response by {pair.a} and by {pair.b}: agree", agreeing, str(pair.table.n)))
        if study.response.change is not None:
            fit = study.response.change
            rows.append(
                (f"Change of VHI per point of change of SPARCC [{study.vhi_unit}] (95% CI)", estimate(fit.slope), str(fit.n))
            )
        for name, compared in study.response.sensitivity.comparisons.items():
            if not compared.note:
                words = f"Patients for a trial by {name}, as a multiple of one by SPARCC (95% CI)"
                rows.append((words, estimate(compared.patients, 2), str(compared.n)))
    return Table("Key results", ("", "", "n"), tuple(rows))


def _readings(study: Study) -> Records:
    """The table as it was understood: readings, then what is known of visits that nobody read."""
    columns = tuple(column.name for column in NUMBERS.values())
    rows = []
    visits_read = set()
    for reading in study.table.readings:
        visit = study.table.visits[reading.subject, reading.visit]
        values = {**visit.values, **reading.values}
        visits_read.add((reading.subject, reading.visit))
        words = (
            reading.stage,
            reading.verdict,
            reading.rating,
            visit.disagreement,
            *(visit.facts.get(name) for name in FACTS),
            visit.facts.get(VISIT_DATE),
        )
        rows.append((*reading.key, visit.case, *(values.get(column) for column in columns), *words, reading.read_on))
    for key, visit in study.table.visits.items():
        if key not in visits_read:
            facts = (*(visit.facts.get(name) for name in FACTS), visit.facts.get(VISIT_DATE))
            known = (visit.values.get(column) for column in columns)
            rows.append((*key, None, None, None, visit.case, *known, None, None, None, visit.disagreement, *facts, None))
    names = (*columns, "stage", "verdict", "rating", "disagreement", *FACTS, *DATES)
    return Records("readings", ("subject", "visit", "reader", "reading", "method", "case", *names), rows_of(rows))


def _provenance(origin: Mapping[str, Any]) -> tuple[Table, ...]:
    inputs = tuple((file["role"], file["file"], (file.get("sha256") or "")[:16]) for file in origin.get("inputs", ()))
    versions = tuple((str(name), str(value)) for name, value in origin.get("versions", {}).items())
    settings = tuple(
        (name, "chosen from the data" if value is None else str(value)) for name, value in origin.get("settings", {}).items()
    )
    return (
        Table("Settings", ("setting", "value"), settings, text_columns=2),
        Table("Input", ("role", "file or folder", "sha256 (begin)"), inputs, text_columns=3),
        Table("Made by", ("program", "version"), (*versions, ("command", str(origin.get("command", "")))), text_columns=2),
    )


def cohort_html(content: CohortContent) -> str:
    """The report as one HTML document that needs no other file; everything that comes from outside is escaped."""
    environment = template_environment()
    environment.filters["picture_uri"] = _picture_uri
    return environment.get_template("cohort.html.j2").render(content=content, most=MOST_ROWS)


def _picture_uri(figure: CohortFigure) -> str:
    """Charts as SVG, sharp at every size; scans as PNG, which is smaller and as they were drawn."""
    kind, file = ("image/png", figure.png) if _is_picture(figure) else ("image/svg+xml", figure.svg)
    return data_uri(kind, file)


def _is_picture(figure: CohortFigure) -> bool:
    return figure.name.startswith(("failure", "before_after"))


def cohort_pdf(content: CohortContent) -> bytes:
    """The report as a PDF on A4; the same bytes for the same content."""
    pdf._register_fonts()
    file = io.BytesIO()
    frame = Frame(pdf._SIDE, pdf._BOTTOM, pdf._WIDTH, pdf._HEIGHT, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)
    document = BaseDocTemplate(file, pagesize=_A4, title=content.title, author="", invariant=1)
    document.addPageTemplates(PageTemplate(frames=[frame]))

    def canvas(*args: Any, **more: Any) -> Canvas:
        return pdf._NumberedCanvas(*args, footer=content.disclaimer, **more)

    story: list[Flowable] = [
        pdf._words(content.title, pdf._style(15, bold=True, after=3)),
        pdf._words("  ·  ".join(f"{name}: {value}" for name, value in content.facts), pdf._style(7, colour=pdf._FAINT, after=5)),
        *pdf._warnings(content.notes),
    ]
    if content.key_results.rows:
        story += [pdf._words(content.key_results.title, pdf._SECTION), pdf._grid(content.key_results, content.key_results.rows)]
    for section in content.sections:
        story += _pdf_section(section)
    if content.methods:
        story.append(pdf._words("Methods, for an article", pdf._SECTION))
        story += [pdf._words(paragraph, pdf._style(7.5, after=3)) for paragraph in content.methods.split("\n\n")]
    for table in content.provenance:
        story += [pdf._words(table.title, pdf._SECTION), pdf._grid(table, table.rows)] if table.rows else []
    document.build(story, canvasmaker=canvas)
    return file.getvalue()


def _pdf_section(section: Section) -> list[Flowable]:
    title = pdf._words(section.title, pdf._SECTION)
    if section.why_not:
        return [KeepTogether([title, pdf._words(f"Not available: {section.why_not}", pdf._TEXT)])]
    story: list[Flowable] = [CondPageBreak(55 * mm), title, pdf._words(f"n: {section.n}.", pdf._style(7.5, bold=True, after=2))]
    story += [pdf._words(sentence, pdf._style(7.5, after=1)) for sentence in section.findings]
    for figure in section.figures:
        story.append(
            KeepTogether([Spacer(1, 4), _pdf_image(figure), pdf._words(figure.picture.caption, pdf._NOTE), Spacer(1, 3)])
        )
    for table in section.tables:
        shown = table.rows[:MOST_ROWS]
        more = (
            [pdf._words(f"And {len(table.rows) - MOST_ROWS} more rows, in the CSV.", pdf._NOTE)]
            if len(table.rows) > MOST_ROWS
            else []
        )
        note = [pdf._words(table.note, pdf._NOTE)] if table.note else []
        block = [
            pdf._words(table.title, pdf._style(7.5, bold=True, after=2, spaceBefore=4, keepWithNext=1)),
            pdf._grid(table, shown),
        ]
        story += [*block, *more, *note] if len(shown) > 12 else [KeepTogether([*block, *more, *note])]
    words = (section.excluded_sentence(), f"Method: {section.method}", f"Source: {section.source}.")
    story.append(KeepTogether([Spacer(1, 3), *(pdf._words(word, pdf._NOTE) for word in words)]))
    return story


def _pdf_image(figure: CohortFigure) -> Flowable:
    """A figure at the size it was drawn for, smaller where the page is; pictures of scans so that two fit on a page."""
    pixels = ImageReader(io.BytesIO(figure.png)).getSize()
    width, height = (side / figure.dpi * inch for side in pixels)
    return pdf._image(figure.picture, min(width, pdf._WIDTH), min(height, (0.43 if _is_picture(figure) else 0.8) * pdf._HEIGHT))


def write_cohort(content: CohortContent, folder: Path) -> None:
    """Write all forms into an empty folder.

    Raises
    ------
    OutputError
    """
    for name in ("tables", "figures"):
        (folder / name).mkdir()
    for records in content.records:
        write_atomically(folder / "tables" / f"{records.name}.csv", records.csv_text().encode("utf-8"))
    for figure in content.figures:
        write_atomically(folder / "figures" / f"{figure.name}.png", figure.png)
        write_atomically(folder / "figures" / f"{figure.name}.svg", figure.svg)
        if figure.points.rows:
            write_atomically(folder / "figures" / f"{figure.name}.csv", figure.points.csv_text().encode("utf-8"))
    if content.methods:
        write_atomically(folder / "methods.txt", f"{content.methods}\n".encode())
    write_atomically(folder / "report.html", cohort_html(content).encode("utf-8"))
    write_atomically(folder / "report.pdf", cohort_pdf(content))
    write_atomically(folder / content.mark, content.json_text().encode("utf-8"))


def check_cohort_folder(folder: Path) -> None:
    """Refuse, before any work is done, a folder that holds anything but an earlier cohort report.

    Raises
    ------
    OutputError
    """
    check_result_folder(folder, OWN_FILES, MARK)
    if not (folder / MARK).is_file():
        return
    try:
        own = set(json.loads((folder / MARK).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{folder / MARK} is no cohort report that could be replaced ({error}); pass a new folder.") from error
    for path in sorted(path for name in ("tables", "figures") for path in (folder / name).rglob("*")):
        if str(path.relative_to(folder)) not in own:
            raise OutputError(
                f"{folder} holds an earlier report, which would be replaced, but also {path.relative_to(folder)}, which is not "
                "part of it; move that away, or pass a new folder."
            )
