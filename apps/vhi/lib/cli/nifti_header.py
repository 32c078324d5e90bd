"""`nifti-header`: where a NIfTI file says its voxels lie, and a copy that says it once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..studies.nifti_geometry import Form

FORM_HELP = "Which transform rules in NIfTI files whose sform and qform differ (docs/nifti.md)."


def form_of(use_qform: bool | None) -> Form | None:
    """The transform that the option names."""
    return None if use_qform is None else "qform" if use_qform else "sform"


def nifti_header(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A .nii or .nii.gz file.", show_default=False)],
    use_qform: Annotated[
        bool | None, typer.Option("--use-qform/--use-sform", help="Which transform the copy has, as the only one.")
    ] = None,
    slices_last: Annotated[
        bool, typer.Option("--slices-last", help="The copy has its slices along the third axis of the array.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="COPY", help="Write a copy; voxels stay as they are.")] = None,
) -> None:
    """Show both transforms of a NIfTI file, and whether programs read them alike; or write a copy with one of them, or with
    slices along the third axis.

    Ends with 3 where programs read the header differently.
    """
    from ..errors import InputError
    from ..studies.nifti import read_forms, write_slices_last, write_with_form
    from ..studies.nifti_geometry import disagreement

    if (use_qform is not None) + slices_last != (out is not None):
        raise InputError("A copy needs --out COPY, and one of --use-qform, --use-sform and --slices-last.")
    form = form_of(use_qform)
    if slices_last and out is not None:
        write_slices_last(source, out)
        typer.echo(f"written  {out}")
        return
    if form is not None and out is not None:
        write_with_form(source, form, out)
        typer.echo(f"written  {out}")
        return
    forms, shape = read_forms(source, "the file")
    for name, affine, code in (("sform", forms.sform, forms.sform_code), ("qform", forms.qform, forms.qform_code)):
        typer.echo(f"{name}    code {code}" + ("" if affine is not None else ": none"))
        for row in [] if affine is None else affine[:3]:
            typer.echo("         " + " ".join(f"{number:12.5f}" for number in row))
    typer.echo("pixdim   " + " x ".join(f"{mm:.5g}" for mm in forms.pixdim) + " mm")
    question = disagreement(forms, shape)
    if question is not None:
        typer.echo(f"WARNING  {question}.")
        raise typer.Exit(3)
    alike = forms.affine(None) is not None
    typer.echo("Programs read this header alike." if alike else "It carries no geometry (both codes are 0).")
