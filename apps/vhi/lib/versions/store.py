"""Reading, checking, publishing and switching trained versions."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import DamagedError, ModelError
from ..files import output_error, write_atomically
from ..records import log_once, read_json, read_text, write_json
from .manifest import Manifest

WEIGHTS, ENGINE, MANIFEST, POINTER, PIN = "ensemble.safetensors", "ensemble.onnx", "manifest.json", "live.json", "pinned.json"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Version:
    """A version on disk: its folder and what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def engine(self) -> Path:
        return self.folder / ENGINE


def list_versions(root: Path) -> tuple[str, ...]:
    """Ids of the versions under `root`, oldest first (by creation time, then id); damaged ones are left out and logged."""
    versions: list[tuple[str, str]] = []
    for path in (root / "versions").glob(f"*/{MANIFEST}"):
        if _ID.fullmatch(version := path.parent.name):
            try:
                versions.append((read_version(root, version).manifest.created, version))
            except ModelError as error:
                log_once(DamagedError(path, str(error)), "the version is left out")
    return tuple(version for _, version in sorted(versions))


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
    return _read_verified(version.weights, version.manifest.sha256, "Restore the file, or use another version.")


def verify_engine(version: Version) -> bytes:
    """The bytes of the engine file, likewise.

    Raises
    ------
    ModelError
        The version has none, or as `verify`.
    """
    name, engine = version.manifest.version, version.manifest.engine
    if engine is None:
        raise ModelError(f"Version {name} has no engine file; make it with models add-engine {name}.")
    return _read_verified(version.engine, engine.get("sha256", ""), f"Make it again with models add-engine {name}.")


def verify_files(version: Version) -> None:
    """That every file of a version is that of its manifest.

    Raises
    ------
    ModelError
    """
    verify(version)
    if version.manifest.engine is not None:
        verify_engine(version)


def _read_verified(path: Path, sha256: str, way_out: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} is missing or cannot be read; restore it, or use another version.") from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ModelError(
            f"{path} is corrupt or was swapped: its sha256 starts {actual[:12]}, the manifest says {sha256[:12]}. {way_out}"
        )
    return content


def publish(root: Path, manifest: Manifest, weights: bytes, *, engine: bytes | None = None, live: bool = True) -> Version:
    """Add a version, and by default point `live.json` at it.

    `manifest.sha256` and `manifest.engine` are set from `weights` and `engine`, the ONNX file of the same networks.

    Raises
    ------
    ModelError
        A version of this id exists: versions are never overwritten.
    OutputError
        The folder cannot be written; nothing is left behind.
    """
    manifest = replace(manifest, sha256=hashlib.sha256(weights).hexdigest(), engine=_engine_entry(engine))
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
        if engine is not None:
            write_atomically(beside / ENGINE, engine)
        write_atomically(beside / MANIFEST, manifest.as_json().encode())
        beside.rename(folder)
    except OSError as error:
        raise output_error(folder, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # gone already when it became the version
    if live:
        make_live(root, manifest.version)
    return Version(folder, manifest)


def add_engine(version: Version, content: bytes) -> Version:
    """Put an engine file beside the weights of a version, and its sha256 into the manifest.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    manifest = replace(version.manifest, engine=_engine_entry(content))
    # the manifest is last: until then the version is used as it was
    write_atomically(version.engine, content)
    write_atomically(version.folder / MANIFEST, manifest.as_json().encode())
    return Version(version.folder, manifest)


def _engine_entry(content: bytes | None) -> dict[str, str] | None:
    return None if content is None else {"sha256": hashlib.sha256(content).hexdigest()}


def make_live(root: Path, version: str) -> Version:
    """Point `live.json` at a version whose files have been verified; also the way to roll back."""
    new = read_version(root, version)
    verify_files(new)
    write_atomically(root / POINTER, (json.dumps({"version": version}) + "\n").encode())
    return new


def pin(root: Path, who: str) -> str:
    """Keep the live version live: training publishes others and does not replace it. Returns its id.

    Raises
    ------
    ModelError
        There is no live version.
    """
    version = read_live(root).manifest.version
    write_json(root / PIN, {"version": version, "by": who})
    return version


def unpin(root: Path) -> None:
    """Let training replace the live version again."""
    (root / PIN).unlink(missing_ok=True)


def pinned(root: Path) -> dict[str, Any] | None:
    """The `version` that is pinned and by whom (`by`); None where none is, or where another one was made live since.

    Raises
    ------
    ModelError
        There is no live version.
    """
    try:
        content = read_json(root / PIN, version=str, by=str)
    except DamagedError:
        # whose file it was cannot be told: what was to be kept is kept
        return {"version": read_live(root).manifest.version, "by": "somebody"}
    return content if content is not None and content["version"] == read_live(root).manifest.version else None


def _checked_id(version: str) -> str:
    if not _ID.fullmatch(version):
        raise ModelError(f"{version!r} cannot name a version; use letters, digits, '.', '_' and '-'.")
    return version
