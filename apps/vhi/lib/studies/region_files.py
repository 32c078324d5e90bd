"""A region that somebody drew, from any file that holds one, on STIR's grid.

NIfTI masks, NRRD and `.seg.nrrd`, DICOM Segmentations and RT Structure Sets. Of several segments the one is taken that is
called like the region, or that a user names; which it was is said. A region drawn on T1W is read at STIR's voxels where the grids
differ.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..core.volume import GRID_TOLERANCE_MM, Grid, Mask, grid_distance_mm
from ..errors import GridMismatchError, InputError
from .dicom_files import read_whole
from .dicom_mark import is_dicom
from .dicom_seg_reader import SEGMENTATIONS, read_segments
from .dicom_series import SeriesInfo
from .nifti import read_labels, read_mask
from .nifti_geometry import Form
from .nrrd import MAGIC, read_nrrd
from .registration import labels_at, placed, turn_between
from .rtstruct import RT_STRUCTURE_SET, roi_mask, roi_names
from .scan_pair import ScanPair

_CODED_BY = ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyCategoryCodeSequence", "AnatomicRegionSequence")
# from the grid and the frame of reference of a scan: the segment that is meant, there or as it lies, and a sentence on the choice
_Reader = Callable[[Grid, str | None], tuple[Mask, str | None]]


def read_region(
    path: Path, role: str, pair: ScanPair, segment: str | None = None, form: Form | None = None
) -> tuple[Mask, tuple[str, ...]]:
    """A region on STIR's grid.

    Parameters
    ----------
    path : Path
        A file, or a folder with DICOM Segmentations.
    role : str
        What it is for: ``"normal bone"`` or ``"disease region"``. A segment of this name is taken.
    pair : ScanPair
        The scans; the region lies on the voxels of either.
    segment : str, optional
        Which segment: its name, its number in a label map, or the code of what it shows (``SCT:54735007``).
    form : "sform" or "qform", optional
        Which transform rules in a NIfTI file that carries two.

    Returns
    -------
    mask : Mask
    notes : tuple of str
        Which segment was taken, and whether it was brought onto STIR's grid.

    Raises
    ------
    InputError
        It cannot be read, or it is not clear which segment is meant.
    GridMismatchError
        It lies on the voxels of neither scan.
    """
    mask, *notes = _on_stir(_reader(path, role, segment, form), pair, role)
    mask = Mask(mask.data, mask.grid, f"{role} ({path.resolve().name})")
    return mask, tuple(note for note in notes if note)


def _reader(path: Path, role: str, segment: str | None, form: Form | None) -> _Reader:
    if is_dicom(path) or path.is_dir():
        return _of_dicom(path, role, segment)
    if _begins_with(path, MAGIC):
        nrrd = read_nrrd(path, role)
        name = _name(nrrd.segments, role, segment, path)
        return lambda *_: (nrrd.mask(name), _segment_note(role, name, nrrd.segments, path))
    if segment is None:
        mask = read_mask(path, role, form)
        return lambda *_: (mask, None)
    labels, grid = read_labels(path, role, form)
    values = {str(value): int(value) for value in np.unique(labels) if value}
    value = _name(values, role, segment, path)
    return lambda *_: (Mask(labels == values[value], grid, role), _segment_note(role, value, values, path))


def _of_dicom(path: Path, role: str, segment: str | None) -> _Reader:
    objects = [read_whole(file) for file in _dicom_files(path)]
    structures = [dataset for dataset in objects if dataset.get("SOPClassUID") == RT_STRUCTURE_SET]
    segmentations = [dataset for dataset in objects if dataset.get("SOPClassUID") in SEGMENTATIONS]
    if not structures and not segmentations:
        raise InputError(
            f"{role}: {path} is a folder that holds no DICOM Segmentation or RT Structure Set, or a file that is neither; pass "
            "the file of a mask (NIfTI, NRRD, DICOM)."
        )
    if structures and (len(structures) > 1 or segmentations):
        raise InputError(f"{role}: {path} holds several RT Structure Sets or Segmentations; pass the file of one.")
    if structures:
        names = {name: number for number, name in roi_names(structures[0]).items()}
        roi = _name(names, role, segment, path)
        return lambda grid, uid: (roi_mask(structures[0], names[roi], grid, uid), _segment_note(role, roi, names, path))

    def read(grid: Grid, uid: str | None) -> tuple[Mask, str | None]:
        masks = read_segments(segmentations, grid, uid)
        name = _name(masks, role, segment, path, _codes(segmentations))
        return masks[name], _segment_note(role, name, masks, path)

    return read


def _on_stir(read: _Reader, pair: ScanPair, role: str) -> tuple[Mask, str | None, str | None]:
    stir, t1w_grid = pair.stir, pair.t1w_grid or pair.t1w.grid
    one_grid = _same(t1w_grid, stir.grid) or turn_between(t1w_grid, stir.grid) is not None
    try:
        mask, segment_note = read(stir.grid, _frame_of_reference(pair.stir_info))
        mask = placed(mask, stir.grid)
    except GridMismatchError:
        if one_grid:
            raise
        mask, segment_note = read(t1w_grid, _frame_of_reference(pair.t1w_info))
    if one_grid or _same(mask.grid, stir.grid):
        return mask, segment_note, None
    on_t1w = placed(mask, t1w_grid)
    if not _same(on_t1w.grid, t1w_grid):
        return mask, segment_note, None  # on the voxels of neither, which is refused where it is measured
    data = labels_at(on_t1w.data.astype(np.uint8), t1w_grid, stir.grid) > 0
    note = f"The {role} was drawn on T1W, whose voxels are not those of STIR; it was read at STIR's voxels (nearest neighbour)."
    return Mask(data, stir.grid, mask.name), segment_note, note


def _same(one: Grid, other: Grid) -> bool:
    return one.shape == other.shape and grid_distance_mm(one, other) <= GRID_TOLERANCE_MM


def _name(
    names: Iterable[str], role: str, wanted: str | None, path: Path, codes: Mapping[str, frozenset[str]] | None = None
) -> str:
    """The segment that is meant."""
    names, option = list(names), f"--{role.replace(' ', '-')}-segment"
    sought = _plain(wanted or role)
    fitting = [name for name in names if _plain(name) == sought]
    if not fitting and wanted:
        fitting = [name for name in names if sought in (codes or {}).get(name, frozenset())]
    if not fitting and not wanted and len(names) == 1:
        fitting = names
    if len(fitting) == 1:
        return fitting[0]
    content = f"{len(names)} segments ({', '.join(repr(name) for name in names[:20])}{', ...' if len(names) > 20 else ''})"
    why = f"{len(fitting) or 'none'} of them {'are' if len(fitting) > 1 else 'is'} {wanted or role!r}"
    raise InputError(f"{role}: {path.name} holds {content}, and {why}; name the one that is meant with {option}.")


def _segment_note(role: str, name: str, names: Iterable[str], path: Path) -> str:
    count = len(list(names))
    among = "the only segment" if count == 1 else f"one of {count} segments"
    return f"The {role} is the segment {name!r}, {among} of {path.name}."


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _codes(segmentations: Sequence[Dataset]) -> dict[str, frozenset[str]]:
    """By label: the codes of what a segment shows and of where it is (``scheme:value``), and their meanings."""
    by_label: dict[str, frozenset[str]] = {}
    for item in (item for segmentation in segmentations for item in segmentation.get("SegmentSequence") or []):
        codes = [code for keyword in _CODED_BY for code in item.get(keyword) or []]
        texts = [f"{code.get('CodingSchemeDesignator', '')}:{code.get('CodeValue', '')}" for code in codes]
        meanings = [str(code.get("CodeMeaning", "")) for code in codes]
        label = " ".join(str(item.get("SegmentLabel") or f"segment {item.get('SegmentNumber')}").split())
        by_label[label] = frozenset(_plain(text) for text in (*texts, *meanings))
    return by_label


def _dicom_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [file_path for place, _, files in os.walk(path) for file in sorted(files) if is_dicom(file_path := Path(place, file))]


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _frame_of_reference(info: SeriesInfo | None) -> str | None:
    return None if info is None else info.frame_of_reference_uid or None
