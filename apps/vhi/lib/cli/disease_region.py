"""`disease-region`: the bone in which inflammation may count, from T1W alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .ensemble import MODEL_DIR


def disease_region(
    t1w: Annotated[Path, typer.Argument(help="T1W: .nii, .nii.gz, or the folder of a DICOM series.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Mask to write, .nii or .nii.gz.", show_default=False)],
    model_dir: Annotated[Path, typer.Option(help="Folder of the trained ensemble.", show_default="the shipped one")] = MODEL_DIR,
) -> None:
    """Outline the disease region on a T1W scan."""
    from ..errors import OutputError
    from ..files import check_output_file
    from .status import status

    if not out.name.endswith((".nii", ".nii.gz")):
        raise OutputError(f"{out} must end in .nii or .nii.gz; a mask is written as NIfTI.")
    check_output_file(out)
    if out.exists() and t1w.exists() and out.samefile(t1w):
        raise OutputError(f"{out} is the T1W scan itself; pass another name for the mask.")
    with status("Reading T1W"):
        from ..studies.nifti import write_mask
        from ..studies.scan_pair import read_scan

        volume, _ = read_scan(t1w, "T1W")
    with status("Loading the networks"):
        from ..core.contrast import t1w_warnings
        from ..core.disease_region import segment_disease_region
        from ..core.plausibility import region_warnings
        from .ensemble import load_ensemble, reference_of

        members, manifest = load_ensemble(model_dir)
    with status("Finding the disease region"):
        region, reference = segment_disease_region(volume, members), reference_of(manifest, volume.grid)
        rank = None if reference is None else reference.rank(region)
        warnings = (*t1w_warnings(volume), *region_warnings(volume, region, reference))
    write_mask(out, region.mask)
    disagreement = "none with a single network" if region.member_disagreement is None else f"{region.member_disagreement:.4f}"
    typer.echo(f"disease region       {region.mask.voxels} voxels, {region.mask.volume_mm3:.0f} mm3")
    typer.echo(f"member disagreement  {disagreement} (1 - mean Dice between members)")
    if rank is not None:
        typer.echo(f"                     more than on {rank.above} of {rank.of} reference scans")
    typer.echo(f"entropy inside       {region.entropy:.4f} bit (0 sure, 1 a coin toss)")
    typer.echo(f"model                {manifest.version}, {region.source}, sha256 {manifest.sha256[:12]}")
    for warning in warnings:
        typer.echo(f"WARNING              {warning}")
    typer.echo(f"written              {out}")
