"""Reviews that an administrator recorded where two readings of a case differ: one file each, never changed.

`cases/<case>/reviews/<NNNN>.json` holds the fields of `Review`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import DamagedError
from ..records import log_once, read_json, write_json
from .aliases import ALIASES
from .data_folder import make_folder
from .store import ReadingStore

FOLDER = "reviews"
_FILE = re.compile(r"(\d{4,})\.json")
_FIELDS = {"case": str, "number": int, "created": str, "by": str, "first": str, "second": str, "reason": str, "note": str}


@dataclass(frozen=True)
class Review:
    """One record of a review.

    Attributes
    ----------
    case : its id, in a blinded study the alias
    number : 1, 2, ... within the case; 0 until it is kept
    created : ISO 8601, UTC
    by : who recorded it
    first, second : ids of the submissions that were compared
    slice : counted from 0 along K of STIR; None for the case as a whole
    reason : class of the difference
    note : free text
    """

    case: str
    number: int
    created: str
    by: str
    first: str
    second: str
    slice: int | None
    reason: str
    note: str


class Reviews:
    """The records of one data folder.

    Parameters
    ----------
    readings : ReadingStore
    """

    def __init__(self, readings: ReadingStore) -> None:
        self._readings = readings

    def append(self, review: Review) -> Review:
        """Keep one, whole or not at all, and give it its number: they count up.

        Raises
        ------
        OutputError
        """
        folder = self._folder(review.case)
        with self._readings.writing(review.case):
            make_folder(folder)
            number = max([int(_number(path)) for path in _files(folder)], default=0) + 1
            made = replace(review, number=number)
            write_json(folder / f"{number:04d}.json", asdict(made))
        return made

    def of_case(self, case_id: str) -> tuple[Review, ...]:
        """Those of one case, oldest first.

        Raises
        ------
        DamagedError
        """
        return tuple(_read(path, case_id) for path in _files(self._folder(case_id)))

    def all(self) -> Iterator[Review]:
        """Those of every case; a damaged one is left out and logged."""
        for case_id in self.cases():
            for path in _files(self._folder(case_id)):
                try:
                    yield _read(path, case_id)
                except DamagedError as error:
                    log_once(error, "it is left out")

    def cases(self) -> tuple[str, ...]:
        """Ids of the cases of which there are any."""
        folders = (self._readings.root / "cases").glob(f"*/{FOLDER}")
        return tuple(sorted(path.parent.name for path in folders if _files(path)))

    def _folder(self, case_id: str) -> Path:
        return self._readings.folder_of_case(case_id) / FOLDER


def classes_of_cases(root: Path) -> dict[str, str]:
    """The class of each case as a whole, as it was recorded last; by true id, also of a blinded study.

    Raises
    ------
    DamagedError
    """
    reviews = Reviews(ReadingStore(root, read_only=True))
    names = {str(alias): str(case) for alias, case in (read_json(root / ALIASES) or {}).items()}
    return {
        names.get(case_id, case_id): review.reason
        for case_id in reviews.cases()
        for review in reviews.of_case(case_id)
        if review.slice is None
    }


def review_damage(readings: ReadingStore, case_id: str) -> Iterator[DamagedError]:
    """The damaged records of a case."""
    for path in _files(readings.folder_of_case(case_id) / FOLDER):
        try:
            _read(path, case_id)
        except DamagedError as error:
            yield error


def _read(path: Path, case_id: str) -> Review:
    content = read_json(path, **_FIELDS)
    if content is None:
        raise DamagedError(path, "it is missing")
    if (content["case"], content["number"]) != (case_id, int(_number(path))):
        raise DamagedError(path, f"it describes record {content['number']} of {content['case']}")
    where = content.get("slice")
    if where is not None and (isinstance(where, bool) or not isinstance(where, int)):
        raise DamagedError(path, "its field 'slice' is something else than a number")
    return Review(**{name: content[name] for name in _FIELDS}, slice=where)


def _files(folder: Path) -> list[Path]:
    paths = [path for path in folder.iterdir() if _FILE.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(paths, key=lambda path: int(_number(path)))


def _number(path: Path) -> str:
    return path.stem
