"""`sparcc`: score sheets for readers, and scores from filled-in sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

sparcc = typer.Typer(
    help="SPARCC score sheets: created for a reader, checked, and summed up as a table for cohort.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@sparcc.command("create")
def create(
    source: Annotated[Path, typer.Argument(help="Folder with <case>_STIR.nii.gz, or a cohort table (CSV).", show_default=False)],
    reader: Annotated[str, typer.Option(help="Who will score.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="CSV file with one sheet of six slices per case.", show_default=False)],
    reading: Annotated[int, typer.Option(min=1, max=99, help="1 for the reader's first reading.")] = 1,
    seed: Annotated[int, typer.Option(help="Another random order of the cases; each reader and reading has its own.")] = 0,
) -> None:
    """Write empty score sheets for a reader, the cases in random order.

    Six consecutive slices of each case; 1 or 0 for oedema in each quadrant, depth of 10 mm or more, intensity of fluid.
    """
    from ..cohort.score_sheets import blank_sheets
    from ..cohort.table import natural
    from ..errors import InputError, OutputError
    from ..files import check_output_file, write_atomically
    from ..readings.submission import check_reader
    from ..studies.reader_masks import find_stir
    from .cohort_input import read_table

    check_reader(reader)
    check_output_file(out)
    if out.exists():
        raise OutputError(f"{out} exists and may hold scores; pass a new file.")
    if source.is_dir():
        cases = sorted(find_stir(source), key=natural)
    else:
        table = read_table(source)
        keys = sorted(table.visits, key=lambda key: (natural(key[0]), key[1]))
        cases = [table.visits[key].case or f"{key[0]}_{key[1]}" for key in keys]
    if not cases:
        raise InputError(f"{source} holds no case; pass a folder with <case>_STIR.nii.gz, or a table with visits.")
    write_atomically(out, blank_sheets(cases, reader, reading, seed).encode("utf-8"))
    typer.echo(f"{len(cases)} sheets for {reader}, reading {reading}, in {out}")


@sparcc.command("check")
def check(
    sheets: Annotated[list[Path], typer.Argument(help="Filled-in sheets.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", help="CSV of the totals, for cohort --table.", show_default="only checked")
    ] = None,
) -> None:
    """Check score sheets and sum them up: 0 to 72 points a case.

    A wrong cell is refused by row and column; a case without a single filled-in cell is not scored yet, never 0.
    """
    from ..cohort.score_sheets import Scored, read_sheets, scores_table
    from ..csv_tables import read_table_text
    from ..errors import InputError
    from ..files import check_output_file, write_atomically

    if out is not None:
        check_output_file(out)
    by_reading: dict[tuple[str, int, str], tuple[Path, Scored]] = {}
    for path in sheets:
        for case in read_sheets(read_table_text(path), path.name):
            who = (case.reader, case.reading, case.case)
            if who in by_reading:
                raise InputError(
                    f"{path.name} and {by_reading[who][0].name} both hold case {case.case!r} of reader {case.reader!r}, reading "
                    f"{case.reading}; pass one of them."
                )
            by_reading[who] = path, case
    scored = [scan for _, scan in by_reading.values()]
    for case in scored:
        total = "not scored" if case.sheet is None else f"{case.sheet.total:2d} of 72"
        typer.echo(f"{case.case}  reader {case.reader}, reading {case.reading}: {total}")
    done = sum(scan.sheet is not None for scan in scored)
    typer.echo(f"{done} of {len(scored)} cases scored")
    if out is not None:
        write_atomically(out, scores_table(scored).encode("utf-8"))
