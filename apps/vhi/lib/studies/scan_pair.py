"""Two scans that a user named, as a pair on one grid. What is read of DICOM is loaded when a scan is DICOM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.volume import Grid, Volume, check_no_slice_is_blank
from ..errors import InputError
from .dicom_mark import is_dicom
from .nifti import read_volume
from .nifti_geometry import Form
from .registration import on_grid_of, reoriented

if TYPE_CHECKING:
    from .dicom_series import SeriesInfo


@dataclass(frozen=True, eq=False)
class ScanPair:
    """Both scans of a visit on STIR's grid.

    `t1w_info` and `stir_info` are None for a scan that was NIfTI. `files` are those of each role, `warnings` what the reader
    of a result must know about how the pair came about. `t1w_grid` is that of the T1W series itself.
    """

    t1w: Volume
    stir: Volume
    t1w_info: SeriesInfo | None
    stir_info: SeriesInfo | None
    files: dict[str, tuple[Path, ...]]
    warnings: tuple[str, ...] = ()
    t1w_grid: Grid | None = None


def read_pair(t1w: Path, stir: Path, form: Form | None = None) -> ScanPair:
    """Two scans that a user named: NIfTI files, DICOM files, or folders of one DICOM series each.

    `form` is the transform that rules in NIfTI files that carry two different ones.

    Raises
    ------
    InputError
        A scan cannot be read, or both are DICOM of different frames of reference.
    GridMismatchError
        DICOM series that show too little of the same place. Of two NIfTI files T1W is brought into the array order of STIR
        where both have the same voxels, and else left as it is.
    """
    t1w_volume, t1w_info = read_scan(t1w, "T1W", form)
    stir_volume, stir_info = read_scan(stir, "STIR", form)
    t1w_grid = t1w_volume.grid
    warnings: tuple[str, ...] = ()
    if t1w_info is not None and stir_info is not None:
        check_one_patient(t1w_info, stir_info)
        warnings = check_frame_of_reference(t1w_info, stir_info)
    if t1w_info is not None or stir_info is not None:
        t1w_volume, more = on_grid_of(t1w_volume, stir_volume)
        warnings = (*warnings, *more)
    else:
        t1w_volume = reoriented(t1w_volume, stir_volume.grid)
    check_no_slice_is_blank(t1w_volume)
    files = {"T1W": t1w_info.files if t1w_info else (t1w,), "STIR": stir_info.files if stir_info else (stir,)}
    notes = (*(stir_info.warnings if stir_info else ()), *(t1w_info.warnings if t1w_info else ()))
    return ScanPair(t1w_volume, stir_volume, t1w_info, stir_info, files, (*notes, *warnings), t1w_grid)


def read_scan(path: Path, name: str, form: Form | None = None) -> tuple[Volume, SeriesInfo | None]:
    """One scan from a NIfTI file, or a DICOM file or folder.

    Raises
    ------
    InputError
    """
    if path.is_dir() or is_dicom(path):
        from .dicom_series import read_series

        return read_series(path, name)
    return read_volume(path, name, form), None


def share_reference(one: SeriesInfo, other: SeriesInfo) -> bool:
    """Whether positions can be compared: one frame of reference, or where neither series names one, one study."""
    if one.frame_of_reference_uid or other.frame_of_reference_uid:
        return one.frame_of_reference_uid == other.frame_of_reference_uid
    return bool(one.study_uid) and one.study_uid == other.study_uid


def check_one_patient(t1w: SeriesInfo, stir: SeriesInfo) -> None:
    """Refuse series whose headers give different patients' IDs, which the message does not repeat.

    Raises
    ------
    InputError
    """
    if t1w.patient_id and stir.patient_id and t1w.patient_id != stir.patient_id:
        raise InputError(
            "T1W and STIR are of different patients, say their headers (PatientID); pass both series of one visit, or correct "
            "the ID where it is one patient's."
        )


def check_frame_of_reference(t1w: SeriesInfo, stir: SeriesInfo) -> tuple[str, ...]:
    """A warning where the frames of reference are not known.

    Raises
    ------
    InputError
        They differ.
    """
    if not share_reference(t1w, stir):
        raise InputError(
            f"T1W (series {t1w.number}) and STIR (series {stir.number}) have different frames of reference "
            f"({t1w.frame_of_reference_uid or 'none'} and {stir.frame_of_reference_uid or 'none'}), so their coordinates cannot "
            "be compared: the patient may have been moved in between. Pass series of one session, or register them first."
        )
    if t1w.frame_of_reference_uid:
        return ()
    return (
        "Neither T1W nor STIR names a frame of reference, which anonymising may have removed; as both are of one study, they "
        "were laid onto each other by their positions. Check that the anatomy agrees.",
    )
