"""The cases that there are, and their scans: what turns out unusable waits, with its reason."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import ArchiveError, VhiError
from ..readings.store import ReadingStore
from ..studies.pairing import ROLES, Case, CaseIndex, CaseSource, Role, Waiting
from .blinding import Blinding
from .keep import Kept, Locks
from .scans import ScanReader, Scans


class Cases:
    """The cases of one source by their public ids; safe between threads.

    Parameters
    ----------
    source : CaseSource
    readings : ReadingStore
    blinding : Blinding, optional
        Of a blinded study.
    loaded : int
        How many pairs of scans stay in memory.

    Raises
    ------
    VhiError
        The cases cannot be looked for.
    """

    def __init__(self, source: CaseSource, readings: ReadingStore, blinding: Blinding | None, loaded: int) -> None:
        self.source, self.readings, self._blinding = source, readings, blinding
        self.scans = ScanReader(readings, loaded, source)
        self._locks = Locks()
        self._refreshing = threading.Lock()
        self._unusable: dict[str, str] = {}
        self._voxels: Kept[tuple[Case, Mapping[Role, int]]] = Kept(4096)
        self._index = CaseIndex()
        self._worked = time.monotonic()
        self.refresh()

    @property
    def index(self) -> CaseIndex:
        """The cases as of the last `refresh`; those whose scans turned out unusable wait."""
        unusable = dict(self._unusable)
        if not unusable:
            return self._index
        cases = tuple(case for case in self._index.cases if case.case_id not in unusable)
        gone = {case.case_id for case in self._index.cases} - {case.case_id for case in cases}
        return CaseIndex(cases, (*self._index.waiting, *(Waiting(name, unusable[name]) for name in sorted(gone))))

    @property
    def listed(self) -> CaseIndex:
        """The same with those whose scans turned out unusable, which may have been mended since."""
        return self._index

    def of_image(self, image_id: str) -> tuple[Case, Role]:
        """The case that a series belongs to, and which of its two it is.

        Raises
        ------
        UnknownImageError
        """
        return self._index.of_image(image_id)

    def refresh(self) -> CaseIndex:
        """Ask the source of the cases again; cheap where nothing changed.

        Raises
        ------
        InputError
            The folder of studies is gone.
        """
        with self._refreshing:
            found = self.source.find()
            self._index = self._blinding.index(found) if self._blinding else found
        return self.index

    def look(self) -> int:
        """Have an archive asked for what is new, which may take a while; how many of its studies are left to look at.

        Raises
        ------
        ArchiveError
            It cannot be asked now.
        """
        return self.source.look(self._is_read)

    def file(self, case: Case, role: Role) -> Path:
        """The file to hand to a viewer; of a blinded study a copy without a name.

        Raises
        ------
        InputError, ConflictError
            The scan is gone, or is no longer the file that was opened first.
        """
        self.scans.checked_hash(case, role)
        return self._blinding.image_file(case, role) if self._blinding else case.path(role)

    @contextmanager
    def loaded(self, case: Case) -> Iterator[Scans]:
        """The scans of a case, for work on it: one at a time, while that on others goes on.

        Raises
        ------
        VhiError
            They cannot be had now (ArchiveError), or cannot be used; then the case waits until they can.
        """
        with self._locks.of(case.case_id):
            self.note_work()
            try:
                scans = self.scans.of(case)
            except ArchiveError:
                raise  # nothing is wrong with the scans
            except VhiError as error:
                self._unusable[case.case_id] = str(error)
                raise
            self._unusable.pop(case.case_id, None)
            yield scans

    def voxels_of(self, image_id: str) -> Mapping[Role, int]:
        """How many voxels each series of a case has.

        Raises
        ------
        VhiError
            No such case, or its scans cannot be had now.
        """
        case, _ = self.of_image(image_id)
        known = self._voxels.find(case.case_id)
        # kept, so that what is asked often waits for nobody who works on the case; a pair in an archive may still change
        if known is None or known[0] != case:
            with self.loaded(case) as scans:
                known = case, {role: math.prod(scans.grid(role).shape) for role in ROLES}
            self._voxels.keep(case.case_id, known)
        return known[1]

    def most_voxels(self, image_id: str) -> int:
        """How many a label map of a case may have: those of the larger series.

        Raises
        ------
        VhiError
            As `voxels_of`.
        """
        return max(self.voxels_of(image_id).values())

    @property
    def idle_s(self) -> float:
        """Seconds since somebody last worked on a case or was offered one."""
        return time.monotonic() - self._worked

    def note_work(self) -> None:
        self._worked = time.monotonic()

    def _is_read(self, case_id: str) -> bool:
        return bool(self.readings.of_case(self._blinding.alias(case_id) if self._blinding else case_id))
