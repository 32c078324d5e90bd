"""Checks of what clients send, before anything uses it."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .refusals import Refusal

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LABEL_SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd")
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
DEEPEST = 32
LARGEST = 1 << 53  # whole numbers that every JSON reader keeps exact
# keys of the server's own request that a client's params may not replace
RESERVED = frozenset({"model", "image", "image_id", "session", "session_id", "file", "strategy", "drawn_file"})


def check_id(kind: str, text: str) -> str:
    """The id of an image, label, tag, model or strategy, if it can be one.

    Raises
    ------
    Refusal
        400: it holds path separators, or anything else that no id holds.
    """
    if not ID.fullmatch(text) or ".." in text:
        raise Refusal(400, f"That {kind} cannot be one: letters, digits, '.', '_' and '-' are allowed, at most 128 of them.")
    return text


def check_is_form(headers: Mapping[str, str]) -> None:
    """Refuse a body that is no form: its options would be left aside without a word.

    Raises
    ------
    Refusal
        415
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in FORMS and headers.get("content-length") != "0":
        raise Refusal(
            415, f"A body of type {kind[:80]!r} is not read here; send the options as params of a form (multipart/form-data)."
        )


def parse_params(text: str | None, *, reserved: frozenset[str] = RESERVED) -> dict[str, Any]:
    """The JSON object that clients send as `params`; None and nothing count as an empty one.

    Raises
    ------
    Refusal
        400: not JSON, no object, a number that is not finite, too deep, or a key that only the server sets.
    """
    if not text:
        return {}
    try:
        params = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "params cannot be read: a JSON object with finite numbers is needed.") from error
    return check_params(params, reserved=reserved)


def check_params(params: Any, *, reserved: frozenset[str] = RESERVED) -> dict[str, Any]:
    """The same for params that are parsed already."""
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise Refusal(400, "params must be a JSON object.")
    if not _is_tame(params, DEEPEST):
        raise Refusal(
            400,
            f"params holds a number that is not finite or too large, a text that is no text, or is nested over {DEEPEST} deep.",
        )
    taken = sorted(reserved & set(params))
    if taken:
        raise Refusal(400, f"params may not hold {taken[0]!r}; the server sets it from the address of the request.")
    return params


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _is_tame(value: Any, depth: int) -> bool:
    if depth == 0:
        return False
    if isinstance(value, Mapping):
        return all(_is_tame(key, depth) and _is_tame(one, depth - 1) for key, one in value.items())
    if isinstance(value, list):
        return all(_is_tame(one, depth - 1) for one in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < LARGEST
    if isinstance(value, str):
        # a lone surrogate cannot be written to any file or header; NUL ends paths
        return not any(c == "\0" or 0xD800 <= ord(c) <= 0xDFFF for c in value)
    return True


@contextmanager
def uploaded_file(name: str | None, content: IO[bytes]) -> Iterator[Path]:
    """An uploaded label map as a file in a folder of its own that goes when the block ends; of the client's name only the suffix.

    Raises
    ------
    Refusal
        400: another kind of file, or an empty one.
    """
    suffix = next((suffix for suffix in LABEL_SUFFIXES if (name or "").lower().endswith(suffix)), None)
    if suffix is None:
        raise Refusal(400, f"A label map must be a {', '.join(LABEL_SUFFIXES)} file.")
    with tempfile.TemporaryDirectory(prefix="vhi-upload-") as folder:
        path = Path(folder) / f"label{suffix}"
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        if not path.stat().st_size:
            raise Refusal(400, "The label map is an empty file.")
        yield path


def take_file(path: str | os.PathLike[str] | None) -> tuple[str, bytes] | None:
    """Name and content of a result file, which is deleted; None when there is none."""
    if not path or not Path(path).is_file():
        return None
    file = Path(path)
    try:
        return file.name, file.read_bytes()
    finally:
        file.unlink(missing_ok=True)
