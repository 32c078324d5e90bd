"""Which case is precomputed next, and which are not tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lib.core.disease_region import DiseaseRegionError
from lib.errors import ArchiveError, ConflictError, InputError
from lib.service.automatic import Automatic
from lib.service.scans import ScanReader
from lib.service.scores import Scores
from lib.studies.pairing import ROLES, Case, Role
from lib.versions import Manifest

_Attempt = tuple[str | int | None, ...]


class Pending:
    """The cases without automatic regions."""

    def __init__(self, scans: ScanReader, automatic: Automatic, scores: Scores) -> None:
        self._scans, self._automatic, self._scores = scans, automatic, scores
        # what is ready, and what cannot be: either way there is nothing to do
        self._done: set[_Attempt] = set()
        self._not_sent: Counter[str] = Counter()

    def first(self, cases: Sequence[Case]) -> tuple[Case | None, int]:
        """The next one, None when there is none, and how many are left after it.

        Raises
        ------
        ModelError
            There is no model to compute with.
        """
        manifest = self._automatic.networks.manifest()
        pending = [case for case in cases if not self._is_done(case, manifest)]
        # what an archive did not send comes after the others
        return min(pending, key=lambda case: self._not_sent[case.case_id], default=None), max(0, len(pending) - 1)

    @contextmanager
    def trying(self, case: Case) -> Iterator[None]:
        """Where a case cannot be computed inside, it is not tried again before its scans or the model change."""
        try:
            yield
        except (InputError, ConflictError, DiseaseRegionError):
            self._done.add(_attempt(case, self._automatic.networks.manifest()))
        except ArchiveError:
            self._not_sent[case.case_id] += 1
            raise

    def _is_done(self, case: Case, manifest: Manifest) -> bool:
        attempt = _attempt(case, manifest)
        if attempt not in self._done:
            hashes = self._scans.known(case)
            if hashes is None or not self._automatic.is_ready(case.case_id, hashes, manifest):
                return False
            self._scores.note(case, hashes, manifest)
            self._done.add(attempt)
        return True


def _attempt(case: Case, manifest: Manifest) -> _Attempt:
    """A version of the scans with a model."""
    if case.archived is not None:
        return case.case_id, manifest.sha256, str(case.stir)  # the name changes with the instances; the file comes and goes
    return case.case_id, manifest.sha256, *(_time_of(case, role) for role in ROLES)


def _time_of(case: Case, role: Role) -> int | None:
    try:
        return case.path(role).stat().st_mtime_ns
    except OSError:
        return None
