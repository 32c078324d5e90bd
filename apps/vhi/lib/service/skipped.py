"""Cases that a reader asked to be taken past: remembered for that reader and reading, until they ask for them again."""

from __future__ import annotations

from pathlib import Path

from ..readings.data_folder import make_folder
from ..records import read_remakable, write_json


class Skipped:
    """One small file per case, `<reader>`: the readings in which it was skipped. Damaged it is as if nobody had.

    Parameters
    ----------
    root : Path
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def note(self, case_id: str, reader: str, reading: int) -> None:
        """The reader wants another case.

        Raises
        ------
        OutputError
        """
        make_folder(self._root)
        noted = self._noted(case_id)
        write_json(self._path(case_id), {**noted, reader: sorted({*noted.get(reader, []), reading})})

    def forget(self, case_id: str, reader: str, reading: int) -> None:
        """The reader took it up again, or handed it in."""
        noted = self._noted(case_id)
        if reading in noted.get(reader, []):
            write_json(self._path(case_id), {**noted, reader: [number for number in noted[reader] if number != reading]})

    def by(self, case_id: str, reader: str, reading: int) -> bool:
        """Whether that reader skipped it in that reading."""
        return reading in self._noted(case_id).get(reader, [])

    def cases(self, reader: str, reading: int) -> frozenset[str]:
        """All cases that the reader skipped in that reading."""
        return frozenset(path.stem for path in self._root.glob("*.json") if self.by(path.stem, reader, reading))

    def _noted(self, case_id: str) -> dict[str, list[int]]:
        noted = read_remakable(self._path(case_id)) or {}
        return {reader: readings for reader, readings in noted.items() if isinstance(readings, list)}

    def _path(self, case_id: str) -> Path:
        return self._root / f"{case_id}.json"
