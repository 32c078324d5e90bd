"""The cases that there are, and their scans: what turns out unusable waits, with its reason."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import (
    DamagedError,
    InputError,
    NotFoundError,
    OutputError,
    ShareError,
    UnavailableError,
    UnknownImageError,
    VhiError,
)
from ..readings.checking import check_case, check_records
from ..readings.store import ReadingStore
from ..records import log_once
from ..studies.pairing import ROLES, Case, CaseIndex, CaseSource, Role, Waiting
from .blinding import Blinding
from .deidentified import CopiesVersion
from .memory_cache import LastUsed, NamedLocks
from .scans import ScanReader, Scans
from .unusable import UnusableCases, version_of

log = logging.getLogger("vhi.service")


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
        self._locks = NamedLocks()
        self._refreshing = threading.Lock()
        self._unusable = UnusableCases(blinding is not None)
        self._voxels: LastUsed[tuple[Case, Mapping[Role, int]]] = LastUsed(4096)
        self._damaged: dict[str, DamagedError] = {}
        self._away: ShareError | None = None
        self._looked_at: set[str] = set()
        self._index = CaseIndex()
        self._worked = time.monotonic()
        with suppress(ShareError):  # who asks is given the reason, until the share is there
            self.refresh()

    @property
    def index(self) -> CaseIndex:
        """The cases as of the last `refresh`; those wait whose scans turned out unusable, or of which a file is damaged."""
        unusable = self._unusable.reasons | {case_id: set_aside(error) for case_id, error in dict(self._damaged).items()}
        if not unusable:
            return self._index
        cases = tuple(case for case in self._index.cases if case.case_id not in unusable)
        gone = {case.case_id for case in self._index.cases} - {case.case_id for case in cases}
        waiting = (*self._index.waiting, *(Waiting(name, unusable[name]) for name in sorted(gone)))
        return CaseIndex(cases, waiting, self._index.complete)

    @property
    def listed(self) -> CaseIndex:
        """The same with those whose scans turned out unusable, which may have been mended since."""
        return self._index

    def is_unusable(self, case: Case) -> bool:
        """Whether its scans turned out unusable, and neither changed since nor are to be tried again."""
        return case in self._unusable

    @property
    def damaged(self) -> tuple[DamagedError, ...]:
        """The damaged file of each case that is set aside."""
        return tuple(self._damaged.values())

    @property
    def away(self) -> ShareError | None:
        """Why the studies cannot be had now; None where they can."""
        return self._away

    def of_image(self, image_id: str) -> tuple[Case, Role]:
        """The case that a series belongs to, and which of its two it is.

        Raises
        ------
        UnknownImageError
        ShareError
            It is not known, and the studies are away.
        """
        try:
            return self._index.of_image(image_id)
        except UnknownImageError:
            if self._away is not None:
                raise self._away from None
            raise

    def refresh(self) -> CaseIndex:
        """Ask the source of the cases again; cheap where nothing changed.

        Raises
        ------
        ShareError
            The folder of studies is gone, or is empty though cases were known; the cases stay those that were known.
        """
        with self._refreshing:
            index = self._index_of_source()
            if self._away is not None:
                log.warning("the studies are back")
            self._away = None
            self._index = self._blinding.index(index) if self._blinding else index
            self._unusable.forget_old(self._index.cases)
            self._look_at_records()
        return self.index

    def _index_of_source(self) -> CaseIndex:
        """The cases that the source has now; `ShareError` where that is away."""
        try:
            index = self.source.find()
            if not (index.complete or index.cases or index.waiting) and self._were_known:
                raise InputError("their folder is empty, though cases were known")
        except InputError as error:
            if self._away is None:
                log.error("the studies are away, their network share may not be mounted: %s", error)
            self._away = ShareError(
                "The folder of the studies is away or empty now, as when its network share is not mounted. Nothing is lost; the "
                "server goes on by itself once the share is back. Tell its administrator."
            )
            raise self._away from error
        return index

    @property
    def _were_known(self) -> bool:
        return bool(self._index.cases or self.readings.cases() or any((self.readings.root / "precomputed").glob("*")))

    def _look_at_records(self) -> None:
        """Set aside the cases whose small files are damaged: all at first, then those that are new, or that may be mended."""
        listed = {case.case_id for case in self._index.cases}
        for case_id in self._damaged.keys() - listed:
            self._damaged.pop(case_id, None)
        for case_id in (listed - self._looked_at) | self._damaged.keys():
            self._checked(case_id, check_case if case_id in self._damaged else check_records)
        self._looked_at = listed

    def is_whole(self, case: Case) -> bool:
        """Whether all files of a case are what was kept; one that is not is set aside. Every file is read.

        Raises
        ------
        ShareError, ArchiveError
            Its scans cannot be had now.
        """
        if not self._checked(case.case_id, check_case):
            return False
        if case.archived is not None and not self._blinding:
            return True  # its scans come from the archive when it is opened
        try:
            with self._using_scans(case):
                self._make_copies(case)
                for role in ROLES:
                    self.scans.checked_hash(case, role)
        except (UnavailableError, OutputError):
            raise
        except VhiError:
            return False
        self._unusable.forget(case)
        return True

    @contextmanager
    def _using_scans(self, case: Case) -> Iterator[None]:
        """Where the scans of a case cannot be used inside, it waits; the error that comes out is one for readers."""
        version = version_of(case)
        try:
            yield
        except (UnavailableError, OutputError) as error:
            raise self._unusable.error_for_readers(case, error) from error.__cause__  # nothing is wrong with the scans
        except DamagedError as error:
            self._set_aside(case.case_id, error)
            raise
        except VhiError as error:
            self._refuse_away()
            self._unusable.note(case, version, error)
            raise self._unusable.error_for_readers(case, error) from error.__cause__

    def _checked(self, case_id: str, check: Callable[[ReadingStore, str], None]) -> bool:
        try:
            check(self.readings, case_id)
        except DamagedError as error:
            self._set_aside(case_id, error)
            return False
        self._damaged.pop(case_id, None)
        return True

    def _set_aside(self, case_id: str, error: DamagedError) -> None:
        log_once(error, "the case is set aside")
        self._damaged[case_id] = error

    def _refuse_away(self) -> None:
        """Raise `ShareError` where the reason for a failure is that the studies are away; else do nothing."""
        with self._refreshing:
            self._index_of_source()

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
        self._refuse_damaged(case)
        with self._using_scans(case):
            self.scans.checked_hash(case, role)
            self._make_copies(case)
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
            self._refuse_damaged(case)
            with self._using_scans(case):
                scans = self.scans.of(case)
                self._make_copies(case)
            self._unusable.forget(case)
            try:
                yield scans
            except DamagedError as error:
                if error.path.is_relative_to(self.readings.folder_of_case(case.case_id) / "submissions"):
                    self._set_aside(case.case_id, error)
                raise

    def _make_copies(self, case: Case) -> None:
        """Of a blinded study's archived case: pixels that may hold text are refused there, whatever shows them."""
        if self._blinding and case.archived:
            self._blinding.copies.make(case, self.source.series_folder)

    def _refuse_damaged(self, case: Case) -> None:
        """Raise the `DamagedError` of a case whose records are damaged."""
        self._checked(case.case_id, check_case if case.case_id in self._damaged else check_records)
        if (error := self._damaged.get(case.case_id)) is not None:
            raise error

    @property
    def copies_folder(self) -> Path:
        """Where a blinded study's series lie as browsers are shown them.

        Raises
        ------
        NotFoundError
            The study is not blinded.
        """
        if self._blinding is None:
            raise NotFoundError("This study is not blinded: the archive's own images are shown.")
        return self._blinding.copies.folder

    def show(self, study_uid: str) -> CopiesVersion:
        """Make sure that a browser can be shown a case of a blinded study, and tell which copies it is shown.

        Parameters
        ----------
        study_uid : str
            In place of the study's own.

        Raises
        ------
        UnknownImageError
            No case is shown under that UID.
        VhiError
            As `loaded`.
        """
        case = next((other for other in self._index.cases if other.shown and other.shown.study_uid == study_uid), None)
        if self._blinding is None or case is None:
            raise UnknownImageError("The archive does not have that.")
        version = None if case in self._unusable else self._blinding.copies.version(case)
        if version is None:
            with self.loaded(case):
                version = self._blinding.copies.version(case)
        return version

    def voxels_of(self, image_id: str) -> Mapping[Role, int]:
        """How many voxels each series of a case has.

        Raises
        ------
        VhiError
            No such case, or its scans cannot be had now.
        """
        case, _ = self.of_image(image_id)
        known = self._voxels.get(case.case_id)
        # kept, so that what is asked often waits for nobody who works on the case; a pair in an archive may still change
        if known is None or known[0] != case:
            with self.loaded(case) as scans:
                known = case, {role: math.prod(scans.grid(role).shape) for role in ROLES}
            self._voxels.put(case.case_id, known)
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


def set_aside(error: DamagedError) -> str:
    """Why a case waits of which a file is damaged, for who reads the list of cases: the file is named without its folders."""
    return f"Its file {error.path.name} on the server is damaged; the administrator's log and `data check` say more."
