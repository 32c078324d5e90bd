"""`cohort`: from readers' readings of many scans to the analyses of a study."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..cohort.masks import CaseImages, ComparedVisits, DisagreementImages, TwoVisits
    from ..cohort.study import LeftOut, Study
    from .cohort_input import CohortInput

MOST_SLICES = 3


def cohort(  # noqa: PLR0913 options of a command
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="Result folder; an earlier report there is replaced.", show_default=False)],
    source: Annotated[
        Path | None,
        typer.Argument(help="Table (CSV), folder of masks, or a server's studies folder.", show_default="the archive of --pacs"),
    ] = None,
    pacs: Annotated[
        str | None, typer.Option(metavar="URL", help="DICOMweb archive: its Segmentations and reports are the readings.")
    ] = None,
    pacs_filter: Annotated[
        str, typer.Option(metavar="KEY=VALUE", help="Only studies with these values, e.g. StudyDescription=VHI*.")
    ] = "",
    pacs_user: Annotated[str | None, typer.Option(help="As serve takes it.")] = None,
    pacs_password_file: Annotated[Path | None, typer.Option(help="As serve takes it.")] = None,
    table: Annotated[
        list[Path] | None,
        typer.Option("--table", metavar="CSV", help="Further table: visits of cases, clinical values, scores; repeatable."),
    ] = None,
    scans: Annotated[Path | None, typer.Option(help="Folder with <case>_STIR.nii.gz, if not the same.")] = None,
    truncate: Annotated[
        float | None, typer.Option(metavar="MM3", help="Truncated scale: leave out VHI above.", show_default="upper fence")
    ] = None,
    votes: Annotated[int, typer.Option(min=1, help="Readings that make a voxel inflamed in the reference standard.")] = 3,
    vhi_response: Annotated[float, typer.Option(metavar="MM3", help="VHI must fall by more than that for a response.")] = 0.0,
    sparcc_response: Annotated[float, typer.Option(metavar="POINTS", help="SPARCC, likewise.")] = 0.0,
    failure_sd: Annotated[float, typer.Option(help="Failures differ by more standard deviations than that.")] = 2.0,
    reading: Annotated[int, typer.Option(min=1, help="Which reading of a reader the analyses of numbers take.")] = 1,
    per_reader: Annotated[bool, typer.Option("--per-reader", help="Regressions of each reader too.")] = False,
    accept_uncleaned: Annotated[
        bool, typer.Option("--accept-uncleaned", help="Analyse volumes too that no reader has cleaned; they are no VHI.")
    ] = False,
    align: Annotated[
        bool, typer.Option("--align/--no-align", help="Match lesions of two visits; takes seconds a subject.")
    ] = True,
    tolerance_mm: Annotated[float, typer.Option(min=0.0, help="Lesions of two visits match within that distance.")] = 3.0,
    pictures: Annotated[int, typer.Option(min=0, help="Most failures, and most before/after pictures, that are drawn.")] = 4,
) -> None:
    """Analyse a study: overlap, agreement between readers, response to treatment.

    Writes report.html, report.pdf, cohort.json, and folders of tables (CSV) and figures (PNG, SVG). docs/cohort.md describes
    the table's columns and the names of masks.
    """
    from ..cohort.masks import ComparedVisits, mask_study
    from ..cohort.study import StudySettings, analyse, unused
    from ..errors import SettingsError
    from ..files import result_folder
    from ..reports.cohort import MARK, OWN_FILES, InputNotes, check_cohort_folder, cohort_content, write_cohort
    from ..studies.staple import staple
    from .cohort_input import read_cohort
    from .status import status

    settings = StudySettings(truncate, votes, vhi_response, sparcc_response, failure_sd, reading, per_reader)
    check_cohort_folder(out)
    if (source is None) == (pacs is None):
        raise SettingsError("Pass a folder or a table, or --pacs URL for an archive: one of them.")
    with status("Reading"):
        if pacs is not None:
            from .cohort_archive import archive_at, read_archive

            scratch = ctx.with_resource(TemporaryDirectory(prefix="vhi-cohort-"))
            archive = archive_at(pacs, pacs_user, pacs_password_file)
            given = read_archive(archive, pacs_filter, table or [], Path(scratch), accept_uncleaned)
        elif source is not None:
            given = read_cohort(source, table or [], scans, accept_uncleaned)
    with status("Comparing masks"):
        masks = mask_study(given.scans(), votes, reading, staple) if given.masks else None
    with status("Analysing"):
        study = analyse(given.whole_table(), settings)
        given.notes += unused(study.table, settings)
    images = _failure_images(study, given, pictures)
    visits = (
        _two_visits(study, given, tolerance_mm, pictures)
        if align
        else ComparedVisits([], [], tolerance_mm, "--no-align was given.")
    )
    with status("Writing the report"), result_folder(out, OWN_FILES, MARK) as folder:
        origin = _origin(given, {**asdict(settings), "lesion_tolerance_mm": tolerance_mm})
        noted = InputNotes(given.notes, [(str(file.path), file.why) for file in given.passed_over], given.left_out)
        content = cohort_content(study, masks, images, visits, origin, noted)
        write_cohort(content, folder)
    for note in content.notes:
        typer.echo(f"NOTE     {note}")
    for section in content.sections:
        state = f"not available: {section.why_not}" if section.why_not else f"n = {section.n}"
        typer.echo(f"{section.title}: {state}")
    typer.echo(f"report   {out / 'report.html'}")


def _failure_images(study: Study, given: CohortInput, most: int) -> DisagreementImages:
    """The scans on which readers disagree most, with both masks; and why some are missing."""
    from ..cohort.masks import CaseImages, DisagreementImages
    from ..cohort.slices import slices_of_disagreement
    from ..core.volume import check_same_grid
    from ..errors import GridMismatchError
    from .status import status

    images: list[CaseImages] = []
    why = "there are no masks, only numbers." if not given.masks else "there are no STIR scans of them (--scans)."
    for failure in study.failures:
        for visit, _ in failure.failures:
            if len(images) >= most:
                return DisagreementImages(images, why)
            key = (visit.subject, visit.visit)
            pair = [given.mask_of(*key, reader, study.settings.reading, failure.method) for reader in failure.readers]
            first, second = pair
            if first is None or second is None:
                continue
            with status(f"Drawing {visit.subject}"):
                from ..studies.registration import reoriented

                second = reoriented(second, first.grid)
                stir = given.stir_of(*key, first)
                if stir is None:
                    continue
                try:
                    check_same_grid(stir, first)
                except GridMismatchError as error:
                    given.notes.append(f"No picture of {visit.subject}, {visit.visit}: {error}")
                    continue
                slices = sorted(disagreement.slice for disagreement in slices_of_disagreement(first, second)[:MOST_SLICES])
                images.append(CaseImages(*key, stir, failure.readers, first, second, tuple(slices)))
    return DisagreementImages(images, why)


def _two_visits(study: Study, given: CohortInput, tolerance_mm: float, pictures: int) -> ComparedVisits:
    """Lesions of every subject that has masks and STIR scans of both visits; images of those that changed most."""
    from dataclasses import replace

    from ..cohort.masks import ComparedVisits
    from ..cohort.study import LeftOut, main_method, vhi_column
    from ..cohort.table import VISITS
    from ..errors import VhiError
    from .status import status

    method = main_method(study.table)
    if not given.masks or method is None:
        why = "it needs readers' masks and STIR scans of both visits, and only a table of numbers was given."
        return ComparedVisits([], [], tolerance_mm, why)
    reader = study.table.readers(vhi_column(study.table), method)[0]
    visits: list[TwoVisits] = []
    left_out: list[LeftOut] = []
    for subject in study.table.subjects:
        have = {(mask.visit) for mask in given.masks if (mask.subject, mask.reader, mask.method) == (subject, reader, method)}
        missing = [visit.replace("_", "-") for visit in VISITS if visit not in have]
        if missing:
            left_out.append(LeftOut(subject, "", f"no {method} mask of reader {reader} at {' nor at '.join(missing)}"))
            continue
        missing = [visit.replace("_", "-") for visit in VISITS if (subject, visit) not in given.stir]
        if missing:
            left_out.append(LeftOut(subject, "", f"no STIR scan at {' nor at '.join(missing)}"))
            continue
        try:
            with status(f"Aligning the visits of {subject}"):
                compared = _compare_visits(subject, reader, study.settings.reading, method, given, tolerance_mm)
        except VhiError as error:
            left_out.append(LeftOut(subject, "", str(error)))
            continue
        visits.append(compared)
        # images are large: only those of the subjects that changed most stay
        kept = sorted(visits, key=lambda visit: -abs(visit.comparison.change_mm3))[:pictures]
        visits = [visit if visit in kept else replace(visit, images=None) for visit in visits]
    return ComparedVisits(visits, left_out, tolerance_mm, "no subject has masks and STIR scans of both visits.")


def _compare_visits(subject: str, reader: str, reading: int, method: str, given: CohortInput, tolerance_mm: float) -> TwoVisits:
    """Align, carry over, match.

    Raises
    ------
    VhiError
        A mask does not lie on its scan, or the scans cannot be aligned.
    """
    import numpy as np

    from ..cohort.masks import TwoVisits, visit_images
    from ..cohort.table import VISITS
    from ..cohort.visits import match_lesions
    from ..core.lesions import label_lesions
    from ..core.volume import check_same_grid
    from ..errors import InputError
    from ..studies.alignment import align, moved_labels, moved_volume

    masks, stir, labels = {}, {}, {}
    for visit in VISITS:
        mask = given.mask_of(subject, visit, reader, reading, method)
        volume = None if mask is None else given.stir_of(subject, visit, mask)
        if mask is None or volume is None:
            raise InputError(f"reading {reading} of reader {reader} is missing at {visit.replace('_', '-')}")
        check_same_grid(volume, mask)
        masks[visit], stir[visit] = mask, volume
        labels[visit] = label_lesions(mask.data.astype(np.uint8))[0]
    alignment = align(stir["baseline"], stir["follow_up"])
    grid = stir["baseline"].grid
    labels["follow_up"] = moved_labels(labels["follow_up"], stir["follow_up"].grid, grid, alignment)
    comparison = match_lesions(labels["baseline"], labels["follow_up"], grid, tolerance_mm=tolerance_mm)
    on_grid = {"baseline": stir["baseline"], "follow_up": moved_volume(stir["follow_up"], grid, alignment)}
    return TwoVisits(
        subject,
        reader,
        comparison,
        alignment.turn_deg,
        alignment.shift_mm,
        visit_images(on_grid, labels, comparison, MOST_SLICES),
    )


def _origin(given: CohortInput, settings: dict[str, Any]) -> dict[str, Any]:
    """When, by what, from what."""
    from ..files import sha256_of
    from ..provenance import command_line, now, versions

    libraries = ("numpy", "scipy", "matplotlib", *(("nibabel", "SimpleITK") if given.masks else ()))
    return {
        "created": now(),
        "command": command_line(),
        "versions": versions(*libraries),
        "settings": settings,
        "inputs": [
            {
                "role": role if path.is_file() else f"{role}, {len(given.masks)} masks",
                "file": path.name or path.resolve().name,
                "sha256": sha256_of(path) if path.is_file() else None,
            }
            for role, path in given.inputs
        ],
    }
