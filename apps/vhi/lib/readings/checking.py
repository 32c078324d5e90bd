"""Whether the files of a case are whole: all that its readings rest on, before it is handed out and when a folder is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import DamagedError
from ..records import read_json
from .store import ReadingStore, check_file
from .submission import Submission

SCANS_FILE = "scans.json"
REPORT_ENDS = {".html": b"</html>", ".pdf": b"%%EOF"}
_END_BYTES = 1024


def check_records(store: ReadingStore, case_id: str) -> None:
    """Refuse a case one of whose small files is damaged; of submissions that were read before, nothing is read again.

    Raises
    ------
    DamagedError
    """
    read_scan_hashes(store.root / "cases" / case_id / SCANS_FILE)
    store.of_case(case_id)
    store.shared_by_choice(case_id)


def check_case(store: ReadingStore, case_id: str) -> None:
    """Refuse a case one of whose files is not what was kept. Reports do not count: they can be made again.

    Raises
    ------
    DamagedError
    """
    for error in case_damage(store, case_id, with_reports=False):
        raise error


def case_damage(store: ReadingStore, case_id: str, *, with_reports: bool = True) -> Iterator[DamagedError]:
    """Damages of a case's files, file by file; every file is read."""
    yield from _damage(read_scan_hashes, store.root / "cases" / case_id / SCANS_FILE)
    yield from _damage(store.shared_by_choice, case_id)
    for name in store.names(case_id):
        try:
            made = store.read(case_id, name)
        except DamagedError as error:
            yield error
            continue
        folder = store.folder_of(made)
        for segment in (*made.segments, *made.other):
            yield from _damage(check_file, folder / segment.file, segment.sha256)
        if with_reports:
            yield from report_damage(folder, made)


def report_damage(folder: Path, made: Submission) -> Iterator[DamagedError]:
    """Damages of the reports of a submission."""
    for name in report_names(made):
        yield from _damage(check_report, folder / name, made)


def report_names(made: Submission) -> tuple[str, ...]:
    """The files of a submission's report; none where nothing was measured."""
    return ("vhi.json", "report.html", "report.pdf") if made.measured else ()


def check_report(path: Path, made: Submission) -> None:
    """Refuse a report that is not the one that was kept; of an older submission, which notes no hash, one that is not whole.

    Raises
    ------
    DamagedError
    """
    if path.name in made.reports:
        check_file(path, made.reports[path.name])
    elif path.suffix == ".json":
        if read_json(path, vhi_mm3=dict, voxels=dict) is None:
            raise DamagedError(path, "it is missing")
    else:
        _check_end(path, REPORT_ENDS[path.suffix])


def read_scan_hashes(path: Path) -> dict[str, str] | None:
    """The hashes of a case's two scans; None where it was never opened.

    Raises
    ------
    DamagedError
    """
    return read_json(path, T1W=str, STIR=str)


def _damage(check: Callable[..., object], *given: object) -> Iterator[DamagedError]:
    """The error that a check raises."""
    try:
        check(*given)
    except DamagedError as error:
        yield error


def _check_end(path: Path, end: bytes) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(path, f"it is missing or cannot be read ({error.strerror or error})") from error
    if end not in content[-_END_BYTES:]:
        raise DamagedError(path, "it is empty or cut")
