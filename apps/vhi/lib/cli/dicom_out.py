"""`--dicom-out`: a result as DICOM, in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, OutputError, RequestError

if TYPE_CHECKING:
    from ..reports.content import ReportContent
    from ..studies.dicom_series import SeriesInfo

MARK = "sr.dcm"
REPORT = "report.dcm"
DICOM_FILES = (MARK, "seg.dcm", REPORT, "picture.dcm", "picture-visits.dcm")
DICOM_REPORT_HELP = "With --dicom-out: the report (Encapsulated PDF) and its pictures (Secondary Capture) too."


def check_dicom_report(dicom_report: bool, dicom_out: Path | None) -> None:
    """Refuse a report as DICOM that has no folder to lie in.

    Raises
    ------
    InputError
    """
    if dicom_report and dicom_out is None:
        raise InputError("--dicom-report adds to the folder of --dicom-out; pass both.")


def check_dicom_out(folder: Path, out: Path) -> None:
    """Refuse, before any work is done, a place where the two DICOM files could not be put.

    Raises
    ------
    OutputError
    """
    from ..files import check_result_folder

    check_apart(folder, out)
    check_result_folder(folder, DICOM_FILES, MARK)


def check_apart(folder: Path, out: Path) -> None:
    """Refuse two folders of results that lie in each other.

    Raises
    ------
    OutputError
    """
    one, other = folder.resolve(), out.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise OutputError(
            f"--dicom-out {folder} and --out {out} lie in each other, and each is replaced whole; pass two folders."
        )


def check_dicom_series(stir: SeriesInfo | None) -> SeriesInfo:
    """The STIR series that results refer to.

    Raises
    ------
    RequestError
        STIR was no DICOM series.
    """
    if stir is None:
        raise RequestError(
            "A result as DICOM needs a STIR scan that is a DICOM series, because it belongs to a patient; pass "
            "the folder of the series, or make one with the command dicomize."
        )
    return stir


def write_dicom_files(
    content: ReportContent, stir: SeriesInfo, t1w: SeriesInfo | None, folder: Path, with_pages: bool = False
) -> None:
    """Write `seg.dcm`, unless no segment holds a voxel, and `sr.dcm`; with `with_pages` the report and its pictures as well.

    Raises
    ------
    InputError
        The headers of a series cannot carry results.
    OutputError
    """
    from ..reports.dicom_seg import segmentation
    from ..reports.dicom_source import write_dicom
    from ..reports.dicom_sr import structured_report
    from ..studies.dicom_files import read_header

    def headers(files: Sequence[Path]) -> list:
        return [read_header(path) for path in files]

    stir_headers = headers(stir.files)
    segments = segmentation(content, stir_headers)
    if segments is not None:
        write_dicom(segments, folder / "seg.dcm")
    if with_pages:
        from ..reports.dicom_pages import pages_of

        for name, dataset in pages_of(content, stir_headers).items():
            write_dicom(dataset, folder / name)
    write_dicom(structured_report(content, stir_headers, headers(t1w.files) if t1w else (), segments), folder / MARK)
