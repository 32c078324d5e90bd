"""Computing before anyone asks, as far as no reader is needed: which case is next, and which are not tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..core.disease_region import DiseaseRegionError
from ..errors import ArchiveError, ConflictError, DamagedError, InputError
from ..readings.store import ReadingStore
from ..studies.pairing import Case, CaseIndex
from ..versions import Manifest
from .automatic import Automatic
from .blinding import Blinding
from .cases import Cases
from .scores import Scores
from .unusable import FileVersion, version_of

_Attempt = tuple[FileVersion, ...]


class Precomputing:
    """The cases without automatic regions, computed one by one."""

    def __init__(
        self, cases: Cases, readings: ReadingStore, automatic: Automatic, scores: Scores, blinding: Blinding | None
    ) -> None:
        self._cases, self._readings, self._automatic, self._scores = cases, readings, automatic, scores
        self._blinding = blinding
        # what is ready, and what cannot be: either way there is nothing to do
        self._done: set[_Attempt] = set()
        self._not_sent: Counter[str] = Counter()

    def one_case(self) -> int:
        """Compute the automatic regions of one case that has none yet; how many cases are left.

        Cases whose scans cannot be used are moved from the cases to what waits.

        Raises
        ------
        ArchiveError
            The scans of a case cannot be had now; the others come first next time.
        ModelError
            There is no model to compute with.
        """
        listed = self._cases.listed
        if self._cases.away is not None:
            return 0
        case, left = self._first(listed.cases)
        if case is None:
            return self._tidy_and_compare_labels(listed)
        self._scores.write(all_done=False)
        with self._trying(case), self._cases.loaded(case) as scans:
            self._automatic.of(scans)
        return left

    def _tidy_and_compare_labels(self, listed: CaseIndex) -> int:
        """When there is nothing to compute: forget cases that are gone, compare labels; how many of these are left."""
        known = {*(case.case_id for case in listed.cases), *(waiting.name for waiting in listed.waiting)}
        if listed.complete:  # else a part of the studies is away, not gone
            self._automatic.forget_but(known)
            self._scores.forget_but(known)
            if self._blinding:
                self._blinding.forget_but(known)
        left = self._scores.compare_labels(listed.cases, self._readings, self._cases.scans)
        self._scores.write(all_done=not left)
        return left

    def _first(self, cases: Sequence[Case]) -> tuple[Case | None, int]:
        """The next one, None when there is none, and how many are left after it."""
        manifest = self._automatic.networks.manifest()
        pending = [case for case in cases if not self._cases.is_unusable(case) and not self._is_done(case, manifest)]
        # what an archive did not send comes after the others
        return min(pending, key=lambda case: self._not_sent[case.case_id], default=None), max(0, len(pending) - 1)

    @contextmanager
    def _trying(self, case: Case) -> Iterator[None]:
        """Where a case cannot be computed inside, it is not tried again before its scans or the model change."""
        try:
            yield
        except (InputError, ConflictError, DiseaseRegionError):
            if not self._cases.is_unusable(case):  # one whose scans are unusable waits there
                self._done.add(_attempt(case, self._automatic.networks.manifest()))
        except ArchiveError:
            self._not_sent[case.case_id] += 1
            raise

    def _is_done(self, case: Case, manifest: Manifest) -> bool:
        attempt = _attempt(case, manifest)
        if attempt not in self._done:
            try:
                hashes = self._cases.scans.known(case)
            except DamagedError:
                return True  # set aside until it is mended
            if hashes is None or not self._automatic.is_ready(case.case_id, hashes, manifest):
                return False
            self._scores.note(case, hashes, manifest)
            self._done.add(attempt)
        return True


def _attempt(case: Case, manifest: Manifest) -> _Attempt:
    """A version of the scans with a model."""
    return case.case_id, manifest.sha256, *version_of(case)
