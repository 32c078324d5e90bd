"""Blinded studies: cases under names that tell neither the patient nor the order of visits."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ..readings.aliases import ALIASES, alias_of
from ..readings.data_folder import make_folder, remove_but
from ..records import read_remakable, write_json
from ..studies.anonymous import write_anonymous
from ..studies.pairing import Archived, Case, CaseIndex, Role, Waiting
from .deidentified import DeidentifiedCopies


class Blinding:
    """Aliases, reading orders and readers' pseudonyms of one study, from its seed alone.

    Parameters
    ----------
    root : Path
        The data folder; `aliases.json` in it is for the administrator.
    seed : int
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.seed = root, seed
        self.copies = DeidentifiedCopies(root)
        self._copied: dict[Path, tuple[int, int]] = {}
        self._writing = threading.Lock()

    def index(self, unblinded: CaseIndex) -> CaseIndex:
        """The cases under their aliases, in an order that tells nothing."""
        aliased = [(self.alias(case.case_id), case) for case in unblinded.cases]
        cases = sorted(
            (replace(case, case_id=alias, blinded=True, shown=self._shown(alias, case.archived)) for alias, case in aliased),
            key=lambda case: case.case_id,
        )
        names = {alias: case.case_id for alias, case in aliased}
        if read_remakable(self.root / ALIASES) != names:
            write_json(self.root / ALIASES, names)
        hidden = sorted(self.alias(waiting.name) for waiting in unblinded.waiting)
        return CaseIndex(
            tuple(cases),
            tuple(Waiting(name, "It is not ready; the administrator's log says why.") for name in hidden),
            unblinded.complete,
        )

    def _shown(self, alias: str, archived: Archived | None) -> Archived | None:
        return self.copies.replaced_uids(alias, archived) if archived else None

    def alias(self, case_id: str) -> str:
        return alias_of(self.seed, case_id)

    def pseudonym(self, reader: str) -> str:
        """A reader's pseudonym outside the data folder; `readers.json` in it is for the administrator."""
        name = f"reader-{hmac.new(str(self.seed).encode(), f'reader/{reader}'.encode(), hashlib.sha256).hexdigest()[:10]}"
        with self._writing:
            known = read_remakable(self.root / "readers.json") or {}
            if known.get(name) != reader:
                write_json(self.root / "readers.json", {**known, name: reader})
        return name

    def order(self, cases: Sequence[Case], reader: str, reading: int) -> list[Case]:
        """Random, but always the same for one reader in one reading."""
        return shuffled(cases, f"{self.seed}/{reader}/{reading}")

    def forget_but(self, case_ids: Collection[str]) -> None:
        """Remove the copies of scans that are no longer there."""
        remove_but(self.root / "blinded", case_ids)
        self.copies.forget_but(case_ids)

    def image_file(self, case: Case, role: Role) -> Path:
        """A copy of a scan whose name and header carry no words."""
        source = case.path(role)
        status = source.stat()
        folder = self.root / "blinded" / case.case_id / f"{status.st_size}-{status.st_mtime_ns}"
        target = folder / f"{case.image_id(role)}.nii.gz"
        # a copy of another process, or one that changed since it was made, may be damaged: it is made anew
        if not target.exists() or self._copied.get(target) != _mark(target):
            make_folder(folder)
            write_anonymous(source, target, role)
            self._copied[target] = _mark(target)
        return target


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def shuffled(cases: Sequence[Case], seed: str) -> list[Case]:
    """A random order that the text `seed` decides; cases that are left out, or that are new, do not change that of the others."""
    return sorted(cases, key=lambda case: hashlib.sha256(f"{seed}/{case.case_id}".encode()).digest())
