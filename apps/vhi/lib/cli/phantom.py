"""`phantom`: a synthetic T1W and STIR study of a pelvis whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..phantom.study import PhantomStudy

LESION_TABLE = Path("truth") / "lesions.json"


def phantom(
    out: Annotated[Path, typer.Option(help="Folder for the study; an earlier phantom there is replaced.", show_default=False)],
    seed: Annotated[int, typer.Option(min=0, help="Another number, another pelvis with other lesions.")] = 0,
    shape: Annotated[tuple[int, int, int], typer.Option(metavar="I J K", help="Voxels; the field of view stays the same.")] = (
        336,
        336,
        25,
    ),
    n_lesions: Annotated[int, typer.Option(help="Patches of marrow oedema, 0 to 8.")] = 5,
    lesion_scale: Annotated[float, typer.Option(help="Factor on their radii, 0.2 to 1.5.")] = 1.0,
) -> None:
    """Write a synthetic T1W and STIR study with known lesions.

    Writes t1w.nii.gz and stir.nii.gz, and under truth/ the disease region, normal bone, lesions and vessels as masks and the
    lesions' volumes as lesions.json.
    """
    from ..phantom.study import make_phantom
    from .status import status

    check_phantom_folder(out)
    with status("Building the phantom"):
        study = make_phantom(seed, shape, n_lesions=n_lesions, lesion_scale=lesion_scale)
    with status("Writing the study"):
        write_phantom(study, out)
    for lesion in study.lesion_table:
        typer.echo(f"lesion {lesion.label}  {lesion.volume_mm3:7.0f} mm3  {lesion.side} {lesion.bone}")
    typer.echo(f"written   {out}")


def check_phantom_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier phantom, so that no scan is ever overwritten by a synthetic one.

    Raises
    ------
    OutputError
    """
    from ..errors import OutputError
    from ..files import output_error

    try:
        taken = folder.exists() and any(folder.iterdir()) and not (folder / LESION_TABLE).exists()
    except OSError as error:
        raise output_error(folder, error) from error
    if taken:
        raise OutputError(f"{folder} is not empty and holds no earlier phantom ({LESION_TABLE}); pass a new folder.")


def write_phantom(study: PhantomStudy, folder: Path) -> None:
    """Write a study and its truth as NIfTI and JSON.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    import json
    from dataclasses import asdict

    from ..files import output_error, write_atomically
    from ..studies.nifti import write_labels, write_mask, write_volume

    check_phantom_folder(folder)
    truth = folder / "truth"
    try:
        truth.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    table = {"seed": study.seed, "lesions": [asdict(lesion) for lesion in study.lesion_table]}
    # the table first: it marks the folder as a phantom's, which the next run may replace
    write_atomically(folder / LESION_TABLE, (json.dumps(table, indent=2) + "\n").encode())
    write_volume(folder / "t1w.nii.gz", study.t1w)
    write_volume(folder / "stir.nii.gz", study.stir)
    write_mask(truth / "disease_region.nii.gz", study.disease_region)
    write_mask(truth / "normal_bone.nii.gz", study.normal_bone)
    write_mask(truth / "vessels.nii.gz", study.vessels)
    write_labels(truth / "lesions.nii.gz", study.lesions, study.grid)
