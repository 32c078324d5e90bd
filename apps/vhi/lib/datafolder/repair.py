"""Repair of a data folder: damaged files made anew from whole ones. Others are left as they are, for a backup to bring."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import ConflictError, DamagedError, InputError, ModelError, VhiError
from ..provenance import now
from ..readings.aliases import ALIASES
from ..readings.audit import AuditLog, log_unlogged, unlogged
from ..readings.checking import SCANS_FILE, read_scan_hashes
from ..readings.data_folder import FORMAT, FORMAT_FILE
from ..readings.holding import held
from ..readings.store import ReadingStore
from ..records import read_json, write_json
from ..studies.pairing import ROLES
from ..versions import make_live, read_live
from ..versions.site import FOLDER as MODELS
from .check import OUTBOX, REMAKABLE, audit_events

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


def repair_folder(root: Path, studies: Path | None = None, model_dir: Path | None = None) -> Iterator[str]:
    """Mend what can be; one line for each thing that was done. No server can start on the folder meanwhile.

    Parameters
    ----------
    studies, model_dir : Path, optional
        Folder of the scans, from which reports are made again, and of the trained ensemble.

    Raises
    ------
    ConflictError
        A server works on the folder, or it belongs to another account.
    InputError
        It is no data folder.
    VhiError
        The studies cannot be used, or the folder belongs to a study that is set up otherwise.
    """
    if not (root / "cases").is_dir():
        raise InputError(f"{root} holds no cases: it is not the data folder of a server. Pass the folder that serve uses.")
    _check_account(root)
    with held(root):
        for room in (_format, _scans, _shared, _audit, _small, _outbox, _live, _modes):
            yield from room(root)
        if studies is not None:
            yield from _reports(root, studies, model_dir)


def _check_account(root: Path) -> None:
    """Refuse to write files that the server, which runs under the account of the folder, could not read."""
    owner = root.stat().st_uid
    if hasattr(os, "geteuid") and os.geteuid() != owner:
        raise ConflictError(
            f"{root} belongs to account {owner}, and this runs as {os.geteuid()}, whose files the server could not use; run it "
            f"as that account, as with: sudo -u '#{owner}' ..."
        )


def _reports(root: Path, studies: Path, model_dir: Path | None) -> Iterator[str]:
    """Damaged reports, from the scans; one line for each, also for those where that is not possible."""
    from ..service.service import MODEL_DIR, VhiService
    from ..service.study_config import StudyConfig

    study = (read_json(root / FORMAT_FILE) or {}).get("study") or {}
    config = StudyConfig(blinded=bool(study.get("blinded")), **({"seed": study["seed"]} if "seed" in study else {}))
    service = VhiService(studies, data=root, model_dir=model_dir or MODEL_DIR, config=config)
    for case in service.cases.listed.cases:
        try:
            for name in service.remake_reports(case):
                yield f"{name}: made again from its submission"
        except VhiError as error:
            yield f"cases/{case.case_id}: its reports were not made again: {error}"


def _format(root: Path) -> Iterator[str]:
    try:
        if read_json(root / FORMAT_FILE, format=int) is not None:
            return
    except DamagedError:
        pass
    if (root / ALIASES).exists():
        yield f"{FORMAT_FILE}: left as it is; it is of a blinded study, and starting the server with its seed makes it anew"
        return
    write_json(root / FORMAT_FILE, {"format": FORMAT, "study": {}})
    yield f"{FORMAT_FILE}: made anew"


def _scans(root: Path) -> Iterator[str]:
    """The hashes of scans, from the submissions about them, else from the note about their voxels."""
    store = ReadingStore(root, unchecked=True)
    for path in sorted(root.glob(f"cases/*/{SCANS_FILE}")):
        try:
            read_scan_hashes(path)
        except DamagedError:
            hashes = _hashes(store, path.parent.name)
            if hashes is not None:
                write_json(path, hashes)
                yield f"{path.relative_to(root)}: made anew from what rests on the scans"


def _hashes(store: ReadingStore, case_id: str) -> dict[str, str] | None:
    for name in store.names(case_id):
        try:
            scans = store.read(case_id, name).scans
        except DamagedError:
            continue
        if set(ROLES) <= set(scans):
            return {role: str(scans[role]) for role in ROLES}
    try:
        noted = read_json(store.root / "cases" / case_id / "voxels.json", T1W=dict, STIR=dict) or {}
        return {role: str(noted[role]["file"]) for role in ROLES}
    except (DamagedError, KeyError):
        return None


def _shared(root: Path) -> Iterator[str]:
    """The choices that an administrator shares, from the audit log, which says each of them."""
    store = ReadingStore(root, unchecked=True)
    for path in sorted(root.glob("cases/*/shared.json")):
        case_id, chosen = path.parent.name, dict[str, str]()
        try:
            store.shared_by_choice(case_id)
        except DamagedError:
            for event in audit_events(root):
                if event.get("case") == case_id and isinstance(event.get("shared"), list):
                    chosen |= {str(part): str(event["submission"]) for part in event["shared"]}
            if chosen:
                write_json(path, chosen)
                yield f"{path.relative_to(root)}: made anew from the audit log"


def _audit(root: Path) -> Iterator[str]:
    log, store = AuditLog(root / "audit.jsonl"), ReadingStore(root, unchecked=True)
    missing = sum(1 for _ in unlogged(log, store))
    if missing:
        log_unlogged(log, store)
        yield f"audit.jsonl: {missing} submissions were logged that it lacked"


def _small(root: Path) -> Iterator[str]:
    for pattern in REMAKABLE:
        for path in sorted(root.glob(pattern)):
            try:
                read_json(path)
            except DamagedError:
                path.unlink(missing_ok=True)
                yield f"{path.relative_to(root)}: removed; the server makes it anew"


def _outbox(root: Path) -> Iterator[str]:
    """Parcels, from the submissions whose name they bear."""
    for pattern in OUTBOX:
        for path in sorted(root.glob(pattern)):
            try:
                read_json(path, files=list)
            except DamagedError:
                case_id, _, submission = path.stem.partition("~")
                files = sorted((root / "cases" / case_id / "submissions" / submission).glob("*.dcm"))
                if files:
                    write_json(path, {"created": now(), "files": [str(file.relative_to(root)) for file in files]})
                    yield f"{path.relative_to(root)}: made anew from its submission"


def _live(root: Path) -> Iterator[str]:
    """The pointers to the live versions, as the audit log or the last session that was accepted says."""
    for folder in sorted(path for path in (root / MODELS).glob("*") if path.is_dir()):
        try:
            read_live(folder)
        except ModelError:
            version = _last_live(root, folder)
            if version is not None:
                make_live(folder, version)
                yield f"{MODELS}/{folder.name}/live.json: made anew; {version} was live last"


def _last_live(root: Path, folder: Path) -> str | None:
    """The version that was made live last by a person or by a session, and is whole."""
    made_live = [
        (str(event["time"]), str(event.get("version"))) for event in audit_events(root) if event.get("event") == "model made live"
    ]
    for path in root.glob("retraining/history/*/result.json"):
        try:
            result = read_json(path, ended=str, state=str) or {}
        except DamagedError:
            continue
        if result.get("live") and result.get("version"):
            made_live.append((result["ended"], str(result["version"])))
    for _, version in sorted(made_live, reverse=True)[:1]:
        if (folder / "versions" / version).is_dir():
            return version
    return None


def _modes(root: Path) -> Iterator[str]:
    """Everything is for the server's own account alone."""
    changed = 0
    for path in (root, *root.rglob("*")):
        wanted = PRIVATE_FOLDER if path.is_dir() else PRIVATE_FILE
        if not path.is_symlink() and path.stat().st_mode & 0o077:
            path.chmod(wanted)
            changed += 1
    if changed:
        yield f"{changed} files and folders were open to others, and are no longer"
