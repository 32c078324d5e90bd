"""Taking instances in: each part of a request to a file of its own, checked, then put in its place whole."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lib.archive.index import OWN_FOLDER, Index
from lib.archive.instance import Instance, read_instance
from lib.errors import InputError, RequestError

LARGEST_PART = 4 << 30
MOST_PARTS = 10_000
# failure reasons (PS3.18, table I.2-2, and PS3.4, annex GG)
_DAMAGED, _OTHER_STUDY, _DUPLICATE = 0xC000, 0xA900, 0x0111
_BOUNDARY = re.compile(rb"[ -~]{1,70}")
_DICOM = "application/dicom"


@dataclass
class Stored:
    """What became of the parts of a request: kept ones with their address in the archive, refused ones with the reason."""

    kept: list[Instance] = field(default_factory=list)
    refused: list[tuple[Instance | None, int, str]] = field(default_factory=list)

    def as_json(self, base: str) -> dict[str, Any]:
        """The answer of the standard (PS3.18, 10.5.3)."""
        answer: dict[str, Any] = {}
        studies = {one.study_uid for one in self.kept}
        if len(studies) == 1:
            answer["00081190"] = {"vr": "UR", "Value": [f"{base}/studies/{studies.pop()}"]}
        if self.refused:
            answer["00081198"] = {"vr": "SQ", "Value": [_failed(*one) for one in self.refused]}
        if self.kept:
            answer["00081199"] = {"vr": "SQ", "Value": [_referenced(one, base) for one in self.kept]}
        return answer

    @property
    def status(self) -> int:
        if not self.refused:
            return 200
        return 202 if self.kept else 409


def _referenced(one: Instance, base: str) -> dict[str, Any]:
    address = f"{base}/studies/{one.study_uid}/series/{one.series_uid}/instances/{one.sop_uid}"
    return {
        "00081150": {"vr": "UI", "Value": [one.sop_class]},
        "00081155": {"vr": "UI", "Value": [one.sop_uid]},
        "00081190": {"vr": "UR", "Value": [address]},
    }


def _failed(one: Instance | None, reason: int, sentence: str) -> dict[str, Any]:
    named = {"00081150": {"vr": "UI", "Value": [one.sop_class]}, "00081155": {"vr": "UI", "Value": [one.sop_uid]}} if one else {}
    return named | {
        "00081197": {"vr": "US", "Value": [reason]},
        "00000902": {"vr": "LO", "Value": [sentence]},
    }


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a multipart body; None for a single instance as the whole body.

    Raises
    ------
    RequestError
        The body is neither.
    """
    kind, _, rest = content_type.partition(";")
    parameters: dict[str, str] = {}
    for name, quoted, bare in re.findall(r';\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^;\s]*))', f";{rest}"):
        parameters.setdefault(name.lower(), quoted or bare)
    kind = kind.strip().lower()
    if kind == _DICOM:
        return None
    if kind != "multipart/related" or parameters.get("type", _DICOM).lower() != _DICOM:
        raise RequestError(f"Instances are taken as multipart/related; type={_DICOM}, found Content-Type {content_type[:80]!r}.")
    boundary = parameters.get("boundary", "").encode("latin-1", "replace")
    if not _BOUNDARY.fullmatch(boundary):
        raise RequestError("The Content-Type of a multipart body must give its boundary.")
    return boundary


class Incoming:
    """The parts of one request as files beside the archive's own; `clear` takes away what was not kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / OWN_FOLDER / "incoming"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.files: list[Path] = []

    async def read(self, body: AsyncIterator[bytes], boundary: bytes | None) -> None:
        """Write the parts of a body as they come.

        Raises
        ------
        RequestError
            The body breaks off, or is not made of parts.
        """
        if boundary is None:
            file = self._next()
            with file:
                async for chunk in body:
                    file.write(chunk)
            return
        await self._read_parts(body, b"--" + boundary)

    async def _read_parts(self, body: AsyncIterator[bytes], mark: bytes) -> None:
        held = b"\r\n"  # before the first boundary as before every other
        mark = b"\r\n" + mark
        file: BinaryIO | None = None
        state = "before"
        try:
            async for chunk in body:
                held += chunk
                while True:
                    if state in ("before", "part"):
                        at = held.find(mark)
                        sure = at if at >= 0 else max(0, len(held) - len(mark) - 2)
                        if file is not None:
                            file.write(held[:sure])
                            if file.tell() > LARGEST_PART:
                                raise RequestError(f"An instance is larger than {LARGEST_PART >> 30} GiB; it was not stored.")
                        if at < 0:
                            held = held[sure:]
                            break
                        held = held[at + len(mark) :]
                        if file is not None:
                            file.close()
                            file = None
                        state = "boundary"
                    elif state == "boundary":
                        if len(held) < 2:
                            break
                        state = "after" if held[:2] == b"--" else "headers"
                    elif state == "headers":
                        at = held.find(b"\r\n\r\n")
                        if at < 0:
                            if len(held) > 1 << 16:
                                raise RequestError("A part of the request has no end of its headers.")
                            break
                        held = held[at + 4 :]
                        file = self._next()
                        state = "part"
                    else:
                        held = b""
                        break
        finally:
            if file is not None:
                file.close()
        if state != "after":
            raise RequestError("The request broke off before its end; nothing of it was stored. Send it again.")

    def _next(self) -> BinaryIO:
        if len(self.files) >= MOST_PARTS:
            raise RequestError(f"A request may hold {MOST_PARTS} instances; send fewer at a time.")
        path = self._folder / f"{secrets.token_hex(16)}.part"
        self.files.append(path)
        return path.open("xb")

    def clear(self) -> None:
        for path in self.files:
            path.unlink(missing_ok=True)


def clear_incoming(folder: Path) -> None:
    """Take away what requests left that were cut off with the process."""
    for path in (folder / OWN_FOLDER / "incoming").glob("*.part"):
        path.unlink(missing_ok=True)


def keep(index: Index, files: Sequence[Path], study_uid: str | None = None) -> Stored:
    """Check each file and put it in its place; the index tells of them when all stand on disk.

    Parameters
    ----------
    study_uid : str, optional
        The study that the request names; instances of others are refused.
    """
    stored = Stored()
    placed: dict[Path, Instance] = {}
    folders: set[Path] = set()
    for file in files:
        try:
            found = read_instance(file)
        except InputError as error:
            # the file's name here is ours and says nothing to who sent it
            stored.refused.append((None, _DAMAGED, str(error).replace(file.name, "An instance")))
            continue
        if study_uid is not None and found.study_uid != study_uid:
            stored.refused.append((found, _OTHER_STUDY, "It belongs to another study than the address names."))
            continue
        known = index.place_of(found.sop_uid)
        target = index.folder / "studies" / found.study_uid / found.series_uid / f"{found.sop_uid}.dcm"
        there = known.path if known is not None and known.path.exists() else target if target.exists() else None
        if there is not None:
            if _digest(there) == _digest(file):
                stored.kept.append(found)
                if known is None:
                    placed[there] = found
            else:
                reason = "Another object is stored under its SOP Instance UID; a changed object needs a UID of its own."
                stored.refused.append((found, _DUPLICATE, reason))
            continue
        with file.open("rb") as content:
            os.fsync(content.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)  # fails where another request was quicker, which a renaming would overwrite
        except FileExistsError:
            if _digest(target) != _digest(file):
                stored.refused.append((found, _DUPLICATE, "Another object was stored under its SOP Instance UID just now."))
                continue
        folders |= {target.parent, target.parent.parent, target.parent.parent.parent}
        placed[target] = found
        stored.kept.append(found)
    for folder in folders:
        _sync(folder)
    if placed:
        index.add(placed)
    return stored


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
