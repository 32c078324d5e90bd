"""`check-studies`: which studies could be measured, and what the others lack."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .batch import SOME_FAILED

if TYPE_CHECKING:
    from ..studies.pairing_rules import PairingRules
    from ..studies.survey import StudyCheck


def check_studies(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER_OR_URL", help="Folder of NIfTI or DICOM studies, or a DICOMweb archive.", show_default=False
        ),
    ],
    pacs_user: Annotated[str | None, typer.Option(metavar="NAME", help="Login of an archive.")] = None,
    pacs_password_file: Annotated[
        Path | None, typer.Option(help="File with its password alone; or set MONAI_LABEL_DICOMWEB_PASSWORD.")
    ] = None,
    pacs_filter: Annotated[
        str, typer.Option(metavar="KEYWORD=VALUE", help="Which studies of an archive, as StudyDescription=*SIJ*.")
    ] = "",
    pairing_rules: Annotated[Path | None, typer.Option(help="A site's own rules, see docs/dicom.md.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every series.")] = False,
) -> None:
    """List studies: what would be taken for T1W and STIR and why, and what is missing. Nothing is measured.

    Ends with 3 where a study cannot be measured.
    """
    from ..pacs.start import is_archive
    from ..studies.pairing_rules import read_rules
    from .serve import pacs_login
    from .status import status

    rules = read_rules(pairing_rules) if pairing_rules else None
    login = pacs_login(source if is_archive(source) else None, pacs_user, pacs_password_file)
    with status("Looking at the studies"):
        checks = _of_archive(source, login, rules, pacs_filter) if is_archive(source) else _of_folder(Path(source), rules)
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2, ensure_ascii=False))
    else:
        _print(checks)
    if any(check.missing for check in checks):
        raise typer.Exit(SOME_FAILED)


def _of_folder(folder: Path, rules: PairingRules | None) -> Sequence[StudyCheck]:
    from ..errors import InputError
    from ..studies.survey import check_folder

    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; pass a folder of studies, or the address of a DICOMweb archive.")
    return check_folder(folder, rules)


def _of_archive(url: str, login: dict[str, str], rules: PairingRules | None, pacs_filter: str) -> Sequence[StudyCheck]:
    from ..pacs.archive_cases import PacsConfig
    from ..pacs.start import cases_of
    from ..pacs.survey import check_archive

    os.environ |= login
    with tempfile.TemporaryDirectory(prefix="vhi-check-") as data:
        # studies that are still arriving are looked at too: the list is of this moment
        return check_archive(
            cases_of(url, Path(data), rules, PacsConfig(pacs_settle_s=0, pacs_look_s=0, pacs_filter=pacs_filter))
        )


def _print(studies: Sequence[StudyCheck]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table("study", "patient", "date", "T1W", "STIR", "ready", box=None, pad_edge=False)
    for study in studies:
        row = (study.study, study.patient, study.date, study.t1w or "", study.stir or "", "no" if study.missing else "yes")
        table.add_row(*map(Text, row))
    Console(width=None if console.is_terminal else 240).print(table)
    wide = Console(highlight=False, soft_wrap=True)
    for study in studies:
        for sentence in [*study.why, *([f"MISSING {study.missing}"] if study.missing else [])]:
            wide.print(f"{study.study}  {sentence}", markup=False)
    typer.echo(f"{len(studies)} studies, {sum(study.missing is None for study in studies)} ready")
