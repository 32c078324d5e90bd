"""Damage in a data folder, file by file, and how to mend it. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DamagedError, InputError, ModelError
from ..readings.audit import AuditLog, unlogged
from ..readings.checking import case_damage
from ..readings.data_folder import FORMAT_FILE, check_folder
from ..readings.finished import ALIASES
from ..readings.reviews import review_damage
from ..readings.store import ReadingStore
from ..records import read_json
from ..retraining.retraining_folder import FOLDER as RETRAINING
from ..versions import read_live, read_version, verify
from ..versions.site import FOLDER as MODELS
from ..versions.site import START

RESTORE = "restore it from a backup"
REPAIR = "`data repair` makes it anew"
REMAKE = "`data repair --studies FOLDER` makes it again from its submission, else restore it from a backup"
SERVER = "the server makes it anew; `data repair` removes it"
# small files that are as good as gone when they are damaged
REMAKABLE = (
    "leases/*.json",
    "leases/readers/*/*.json",
    "reviews/*.json",
    "skipped/*.json",
    "scores/*.json",
    "readers.json",
    "uids.json",
    "server.json",
    ALIASES,
    "cases/*/shown/*.json",
    "cases/*/voxels.json",
    "cases/*/drafts/*.json",
    "corrections/*/*.json",
    "corrections/cases/*/*.json",
    f"{RETRAINING}/progress.json",
    f"{RETRAINING}/labels/*.json",
    f"{RETRAINING}/measured/*.json",
    f"{RETRAINING}/history/*/result.json",
    f"{RETRAINING}/comparisons/*/comparison.json",
    f"{MODELS}/{START}",
    "precomputed/*/*/info.json",
    "precomputed/*/*/landmarks.json",
)
OUTBOX = ("outbox/waiting/*.json", "outbox/sent/*.json")


@dataclass(frozen=True)
class Problem:
    """One damaged file: its path below the data folder, what is wrong with it, and what mends it."""

    file: str
    reason: str
    remedy: str

    @property
    def needs_backup(self) -> bool:
        return self.remedy == RESTORE


def problems_of(root: Path) -> tuple[Problem, ...]:
    """The damaged files, by room.

    Raises
    ------
    InputError
        It is no data folder, or one of a newer program.
    """
    return tuple(problem for room in (_format, _cases, _audit, _small, _outbox, _models, _holdout) for problem in room(root))


def _format(root: Path) -> Iterator[Problem]:
    try:
        check_folder(root)
    except DamagedError as error:
        yield Problem(FORMAT_FILE, error.reason, REPAIR)


def _cases(root: Path) -> Iterator[Problem]:
    store = ReadingStore(root, unchecked=True)
    for folder in sorted(path for path in (root / "cases").glob("*") if path.is_dir()):
        for error in case_damage(store, folder.name):
            yield _problem(root, error, _remedy_of(error.path))
        for error in review_damage(store, folder.name):
            yield _problem(root, error, RESTORE)


def _remedy_of(path: Path) -> str:
    if path.name in ("vhi.json", "report.html", "report.pdf"):
        return REMAKE
    return REPAIR if path.name in ("scans.json", "shared.json") else RESTORE


def _audit(root: Path) -> Iterator[Problem]:
    log = AuditLog(root / "audit.jsonl")
    try:
        log.verify()
    except InputError as error:
        yield Problem("audit.jsonl", str(error).removeprefix(f"{log.path} "), RESTORE)
    store = ReadingStore(root, unchecked=True)
    missing = sum(1 for _ in unlogged(log, store))
    if missing:
        yield Problem("audit.jsonl", f"it lacks {missing} submissions", "`data repair` and the next start of the server log them")


def _small(root: Path) -> Iterator[Problem]:
    for path in _files(root, REMAKABLE):
        for error in _damage(path):
            yield _problem(root, error, SERVER)


def _outbox(root: Path) -> Iterator[Problem]:
    for path in _files(root, OUTBOX):
        for error in _damage(path, files=list):
            yield _problem(root, error, REPAIR)
            break
        else:
            gone = [name for name in (read_json(path) or {})["files"] if not (root / str(name)).is_file()]
            if gone and path.parent.name == "waiting":
                yield Problem(_name(root, path), f"it waits to be sent, and {gone[0]} is gone", RESTORE)


def _models(root: Path) -> Iterator[Problem]:
    for folder in sorted(path for path in (root / MODELS).glob("*") if path.is_dir()):
        try:
            read_live(folder)
        except ModelError as error:
            yield Problem(f"{MODELS}/{folder.name}/live.json", _reason(root, error), REPAIR)
        for version in sorted(path.name for path in (folder / "versions").glob("*") if not path.name.startswith(".")):
            try:
                verify(read_version(folder, version))
            except ModelError as error:
                yield Problem(f"{MODELS}/{folder.name}/versions/{version}", _reason(root, error), RESTORE)


def _holdout(root: Path) -> Iterator[Problem]:
    # which patients no version ever learns: it must not be drawn again
    for error in _damage(root / RETRAINING / "holdout.json", patients=dict, cases=dict):
        yield _problem(root, error, RESTORE)


def _reason(root: Path, error: ModelError) -> str:
    return str(error).replace(f"{root}/", "").rstrip(".")


def _files(root: Path, patterns: tuple[str, ...]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(root.glob(pattern)) if not path.name.startswith(".")]


def _damage(path: Path, **needed: Any) -> Iterator[DamagedError]:
    try:
        read_json(path, **needed)
    except DamagedError as error:
        yield error


def _problem(root: Path, error: DamagedError, remedy: str) -> Problem:
    return Problem(_name(root, error.path), error.reason, remedy)


def _name(root: Path, path: Path) -> str:
    return str(path.relative_to(root))


def audit_events(root: Path) -> tuple[dict[str, Any], ...]:
    """The events of the audit log, oldest first."""
    return tuple(AuditLog(root / "audit.jsonl").entries())
