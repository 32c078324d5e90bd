"""The functions for files in `import vhi`, from several rooms, with paths as texts too, and names that may be left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cli.cohort_input import CohortInput
    from .core.volume import Mask, Volume
    from .examination import StrPath
    from .phantom.study import PhantomStudy
    from .studies.reader_masks import ReaderMask


def read_scan(path: StrPath, name: str = "scan") -> Volume:
    """Read one series.

    Parameters
    ----------
    path : path-like
        A NIfTI file (`.nii`, `.nii.gz`), a DICOM file, or the folder of one DICOM series.
    name : str
        How messages call it, e.g. ``"STIR"``.

    Returns
    -------
    Volume
        `data` is (I, J, K) float, K the slice axis, in scanner units; `grid` holds shape and affine (voxel to RAS+ mm).

    Raises
    ------
    InputError
        Missing, damaged, not one 3-D series, constant, or not finite.
    """
    from .studies import scan_pair

    return scan_pair.read_scan(Path(path), name)[0]


def read_mask(path: StrPath, name: str = "mask") -> Mask:
    """Read a mask.

    Parameters
    ----------
    path : path-like
        NIfTI of zeros and ones, stored as any number type; it may be empty.
    name : str
        How messages call it.

    Returns
    -------
    Mask
        `data` is (I, J, K) bool; `voxels` and `volume_mm3` say how large it is.

    Raises
    ------
    InputError
        Missing, damaged, or with any other value.
    """
    from .studies import nifti

    return nifti.read_mask(Path(path), name)


def write_mask(path: StrPath, mask: Mask) -> None:
    """Write a mask as NIfTI of zeros and ones. The file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Ends in `.nii` or `.nii.gz`.
    mask : Mask
        Lies on `mask.grid`, which is that of the scan it was drawn on.

    Raises
    ------
    OutputError
    """
    from .studies import nifti

    nifti.write_mask(Path(path), mask)


def write_phantom(folder: StrPath, study: PhantomStudy) -> None:
    """Write a synthetic study and its truth: `t1w.nii.gz`, `stir.nii.gz`, and masks and lesions under `truth/`.

    Parameters
    ----------
    folder : path-like
        New, empty, or an earlier phantom, which is replaced.
    study : PhantomStudy
        As `make_phantom` gives it.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    from .cli import phantom

    phantom.write_phantom(study, Path(folder))


def find_reader_masks(folder: StrPath) -> tuple[ReaderMask, ...]:
    """Find the masks of inflammation that readers drew, by their file names.

    Parameters
    ----------
    folder : path-like
        Looked through with all folders below; docs/cohort.md shows the names.

    Returns
    -------
    tuple of ReaderMask
        `case`, `reader`, `reading` (1 for a reader's first), `method` ("manual" or "semi-automatic") and `path` of each, sorted.
        Read one with ``read_mask(one.path)``.

    Raises
    ------
    InputError
        Two files of one reading, a session that is no visit, or a folder that cannot be read.
    """
    from .studies import reader_masks

    return reader_masks.find_reader_masks(Path(folder))


def read_cohort(source: StrPath, tables: Sequence[StrPath] = (), scans: StrPath | None = None) -> CohortInput:
    """Read the readings of a study: a table, a folder of readers' masks, or what a server stored.

    Parameters
    ----------
    source : path-like
        A CSV table; a folder with masks; or the studies (or data) folder of a server. docs/cohort.md describes each.
    tables : sequence of path-like
        Further tables: visits of cases, clinical values, scores.
    scans : path-like, optional
        Where STIR scans lie, if not in `source`.

    Returns
    -------
    CohortInput
        ``scans()`` goes through the masks of one scan after the other, for `mask_study`; ``whole_table()`` is the table with
        what they measure, for `analyse`, once ``scans()`` was gone through. Patients whom a table calls excluded or withdrawn
        are in neither; ``left_out`` names them with that word.

    Raises
    ------
    InputError
        By file, row and column; also where readings were measured by different chains of post-transforms.
    """
    from .cli import cohort_input

    return cohort_input.read_cohort(Path(source), [Path(table) for table in tables], None if scans is None else Path(scans))
