"""Reading, checking, publishing and switching trained versions."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DamagedError, ModelError
from ..files import output_error, write_atomically
from ..records import read_json, read_text, tell_once
from .manifest import Manifest

WEIGHTS, MANIFEST, POINTER = "ensemble.safetensors", "manifest.json", "live.json"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Version:
    """A version on disk: its folder and what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS


def list_versions(root: Path) -> tuple[str, ...]:
    """Ids of the versions under `root`, oldest first (by creation time, then id); damaged ones are left out and logged."""
    found: list[tuple[str, str]] = []
    for path in (root / "versions").glob(f"*/{MANIFEST}"):
        if _ID.fullmatch(version := path.parent.name):
            try:
                found.append((read_version(root, version).manifest.created, version))
            except ModelError as error:
                tell_once(DamagedError(path, str(error)), "the version is left out")
    return tuple(version for _, version in sorted(found))


def read_live(root: Path) -> Version:
    """The version that `live.json` names.

    Raises
    ------
    ModelError
        No pointer, an unreadable one, or one to a version that is not there.
    """
    pointer = root / POINTER
    try:
        content = read_json(pointer, version=str)
    except DamagedError as error:
        raise ModelError(f'{pointer} is damaged ({error.reason}); it should read {{"version": "<id>"}}.') from error
    if content is None:
        raise ModelError(f"No trained model at {root} ({POINTER} is missing); restore it, or train one.")
    return read_version(root, content["version"])


def read_version(root: Path, version: str) -> Version:
    """One version by id; the weights are not opened.

    Raises
    ------
    ModelError
        No such version, or a damaged manifest.
    """
    folder = root / "versions" / _checked_id(version)
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelError(f"There is no version {version} of {root.name}: {path} is missing.")
    try:
        manifest = Manifest.from_json(read_text(path) or "", str(path))
    except DamagedError as error:
        raise ModelError(f"{path} is damaged ({error.reason}); restore the version from where it came.") from error
    if manifest.version != version:
        raise ModelError(f"{path} describes version {manifest.version}, not {version}; the folder was renamed or swapped.")
    return Version(folder, manifest)


def verify(version: Version) -> bytes:
    """The bytes of the weights, proved to be those of the manifest.

    The bytes that were hashed are those returned: nothing can change between the check and the use.

    Raises
    ------
    ModelError
        The file is missing, or its sha256 is another one.
    """
    try:
        content = version.weights.read_bytes()
    except OSError as error:
        raise ModelError(f"{version.weights} is missing or cannot be read; restore it, or use another version.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != version.manifest.sha256:
        raise ModelError(
            f"{version.weights} is corrupt or was swapped: its sha256 starts {found[:12]}, the manifest says "
            f"{version.manifest.sha256[:12]}. Restore the file, or use another version."
        )
    return content


def publish(root: Path, manifest: Manifest, weights: bytes, *, live: bool = True) -> Version:
    """Add a version, and by default point `live.json` at it. `manifest.sha256` is set from `weights`.

    Raises
    ------
    ModelError
        A version of this id exists: versions are never overwritten.
    OutputError
        The folder cannot be written; nothing is left behind.
    """
    manifest = replace(manifest, sha256=hashlib.sha256(weights).hexdigest())
    folder = root / "versions" / _checked_id(manifest.version)
    if folder.exists():
        raise ModelError(f"Version {manifest.version} exists at {folder}; versions are never overwritten, choose another id.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = folder.parent / f".publishing-{secrets.token_hex(8)}"
        beside.mkdir()
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        write_atomically(beside / WEIGHTS, weights)
        write_atomically(beside / MANIFEST, manifest.as_json().encode())
        beside.rename(folder)
    except OSError as error:
        raise output_error(folder, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # gone already when it became the version
    if live:
        make_live(root, manifest.version)
    return Version(folder, manifest)


def make_live(root: Path, version: str) -> Version:
    """Point `live.json` at a version whose weights have been verified; also the way to roll back."""
    found = read_version(root, version)
    verify(found)
    write_atomically(root / POINTER, (json.dumps({"version": version}) + "\n").encode())
    return found


def _checked_id(version: str) -> str:
    if not _ID.fullmatch(version):
        raise ModelError(f"{version!r} cannot name a version; use letters, digits, '.', '_' and '-'.")
    return version
