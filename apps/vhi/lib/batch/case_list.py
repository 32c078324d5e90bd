"""Which scans a batch measures: the rows of a table, or the cases of a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..csv_tables import parse_table_text, read_table_text
from ..errors import InputError
from ..studies.pairing import CASE_ID, find_cases

if TYPE_CHECKING:
    from ..studies.nifti_geometry import Form

FILES = ("t1w", "stir", "study", "normal_bone", "disease_region")
WITHIN_STUDY = ("stir_series", "t1w_series", "study_uid", "patient")
CHOICES = (*WITHIN_STUDY, "normal_bone_segment", "disease_region_segment", "use_form", "normal_bone_at")
COLUMNS = ("case", *FILES, *CHOICES)


@dataclass(frozen=True)
class BatchCase:
    """One scan to be measured: `t1w` and `stir` (files, or folders of DICOM series) or `study` (a DICOM study), and regions where
    there are any. `name` is that of its result folder.

    The rest are choices where files leave one: which study and which series within `study`, the segment of a region, which
    transform (`use_form`: "sform" or "qform") rules in NIfTI files that carry two, and where a reader clicked in normal bone
    (`normal_bone_at`: "I,J,K; I,J,K; ...", voxels of STIR counted from 0), in place of a mask of it.
    """

    name: str
    t1w: Path | None = None
    stir: Path | None = None
    study: Path | None = None
    normal_bone: Path | None = None
    disease_region: Path | None = None
    stir_series: str | None = None
    t1w_series: str | None = None
    study_uid: str | None = None
    patient: str | None = None
    normal_bone_segment: str | None = None
    disease_region_segment: str | None = None
    use_form: Form | None = None
    normal_bone_at: str | None = None

    def __post_init__(self) -> None:
        pair = [name for name in ("t1w", "stir") if getattr(self, name) is not None]
        if len(pair) != (0 if self.study is not None else 2):
            given = " and ".join([*pair, *(["study"] if self.study is not None else [])]) or "nothing"
            raise InputError(f"{self.name}: {given} is given; a scan needs t1w and stir, or study alone.")
        if self.use_form not in (None, "sform", "qform"):
            raise InputError(f"{self.name}: use_form is {self.use_form!r}; it must be sform, qform or empty.")
        within_study = [name for name in WITHIN_STUDY if getattr(self, name)]
        if self.study is None and within_study:
            raise InputError(
                f"{self.name}: {' and '.join(within_study)} can only be given with study; leave them out with t1w and stir."
            )
        if self.normal_bone is not None and self.normal_bone_at:
            raise InputError(f"{self.name}: normal bone is given as a mask and by clicks; leave one of the two out.")
        _ = self.clicks

    @property
    def clicks(self) -> tuple[tuple[int, int, int], ...]:
        """Where a reader clicked in normal bone, as voxels of STIR; empty where nobody did."""
        return tuple(_voxel(text, self.name) for text in (self.normal_bone_at or "").split(";") if text.strip())

    @property
    def scans(self) -> dict[str, Path]:
        """The files or folders that T1W and STIR come from."""
        return {"T1W": self.t1w or self.study or Path(), "STIR": self.stir or self.study or Path()}

    @property
    def files(self) -> dict[str, Path]:
        """The files that are given, by the names of `FILES`."""
        return {name: path for name in FILES if (path := getattr(self, name)) is not None}

    @property
    def choices(self) -> dict[str, str]:
        """The choices that are made, by the names of `CHOICES`."""
        return {name: choice for name in CHOICES if (choice := getattr(self, name)) is not None}

    @property
    def regions(self) -> dict[str, tuple[Path, str | None]]:
        """File and segment of each region that is given."""
        given = {
            "normal bone": (self.normal_bone, self.normal_bone_segment),
            "disease region": (self.disease_region, self.disease_region_segment),
        }
        return {role: (path, segment) for role, (path, segment) in given.items() if path is not None}


def read_cases(source: Path, form: Form | None = None) -> tuple[tuple[BatchCase, ...], tuple[str, ...]]:
    """The scans of a table (CSV) or of a folder of NIfTI files, named as `lib.studies.pairing` tells.

    `form` is the transform that rules in NIfTI files that carry two, where a row says nothing else.

    Returns
    -------
    cases : tuple of BatchCase
    left_out : tuple of str
        One sentence for each file or case of a folder that cannot be measured as it is.

    Raises
    ------
    InputError
        Nothing to measure, or a table that is wrong: by row and column.
    """
    if source.is_dir():
        index = find_cases(source, form)
        cases = tuple(BatchCase(case.case_id, case.t1w, case.stir) for case in index.cases)
        left_out = tuple(f"{waiting.name}: {waiting.reason}" for waiting in index.waiting)
    else:
        cases, left_out = parse_cases(read_table_text(source), source.name, source.resolve().parent), ()
    if form is not None:
        cases = tuple(case if case.use_form else replace(case, use_form=form) for case in cases)
    if not cases:
        raise InputError(f"{source} holds no scans to measure; pass a table with the columns {', '.join(COLUMNS)}, or a folder.")
    return cases, left_out


def parse_cases(text: str, name: str, folder: Path) -> tuple[BatchCase, ...]:
    """The rows of a table of cases.

    Parameters
    ----------
    text : str
        CSV with a header; the columns are those of `COLUMNS`, in any order, of which only `case` must be there.
    name : str
        How messages call it.
    folder : Path
        What relative paths start from.

    Raises
    ------
    InputError
        By row (the header is row 1) and column. Whether files exist is seen when their case is measured: one that is missing
        fails its case, not the batch.
    """
    table = parse_table_text(text, name)
    for column in table.header:
        if column not in COLUMNS:
            raise InputError(f"{name}, row {table.header_row}: the column {column!r} is unknown; known are {', '.join(COLUMNS)}.")
    if "case" not in table.header:
        raise InputError(f"{name}, row {table.header_row}: there is no column case; it names the result folder of each scan.")
    cases: dict[str, BatchCase] = {}
    for number, cells in table.rows():
        case = _case(cells, f"{name}, row {number}", folder)
        # file systems that ignore case would put both into one folder
        if case.name.casefold() in cases:
            raise InputError(f"{name}, row {number}, column case: {case.name!r} is there twice; a name is of one scan.")
        cases[case.name.casefold()] = case
    return tuple(cases.values())


def _case(cells: dict[str, str], where: str, folder: Path) -> BatchCase:
    name = cells["case"]
    if not CASE_ID.fullmatch(name) or name.endswith("."):
        raise InputError(
            f"{where}, column case: found {name[:80]!r}; needed is a name of at most 64 letters, digits, dots, dashes and "
            "underscores that begins with a letter or digit."
        )
    given: dict[str, Any] = {column: folder / cells[column] for column in FILES if cells.get(column)}
    given |= {column: cells[column] for column in CHOICES if cells.get(column)}
    try:
        return BatchCase(name, **given)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix(f'{name}: ')}") from error


def _voxel(text: str, name: str) -> tuple[int, int, int]:
    numbers = re.fullmatch(r"\s*(\d{1,6})(?:\s*,\s*|\s+)(\d{1,6})(?:\s*,\s*|\s+)(\d{1,6})\s*", text, re.ASCII)
    if numbers is None:
        raise InputError(
            f"{name}: the normal-bone click {text.strip()[:60]!r} is no voxel; needed are three whole numbers I,J,K, counted "
            "from 0."
        )
    i, j, k = map(int, numbers.groups())
    return i, j, k
