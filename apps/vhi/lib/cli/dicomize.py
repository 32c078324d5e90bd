"""`dicomize`: a pair of NIfTI scans as a DICOM MR study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def dicomize(
    t1w: Annotated[Path, typer.Option("--t1w", help="T1W series, .nii or .nii.gz.", show_default=False)],
    stir: Annotated[Path, typer.Option("--stir", help="STIR series of the same visit.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for the study, new or empty.", show_default=False)],
    patient_id: Annotated[str, typer.Option(help="Patient id to write; none otherwise.")] = "",
    study_date: Annotated[str, typer.Option(metavar="YYYYMMDD", help="Study date to write; none otherwise.")] = "",
    descending: Annotated[bool, typer.Option(help="Number the slices against their order in space.")] = False,
) -> None:
    """Write a T1W and a STIR NIfTI scan as a DICOM study.

    For tests, demonstrations, and sites that keep NIfTI. Intensities and geometry stay as they are.
    """
    from ..studies.dicomize import Labels, write_dicom_study
    from .status import status

    with status("Writing the DICOM study"):
        done = write_dicom_study(out, t1w, stir, Labels(patient_id, study_date, descending))
    for one in done:
        typer.echo(f"{one.role:<9} {one.slices} files, series {one.series_uid}")
        typer.echo(f"          largest change of an intensity {one.largest_error:.3g}")
    typer.echo(f"written   {out}")
