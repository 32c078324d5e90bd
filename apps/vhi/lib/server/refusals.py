"""Refusals and other answers that the guard gives itself: one sentence, as JSON."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import re
import secrets
import sqlite3
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import OutputError, VhiError
from ..sentences import without_uids
from .worker_pool import BusyError, GoneError

logger = logging.getLogger("vhi.server")
_HIDDEN: set[str] = set()

STATUS_OF = {
    "UnknownImageError": 404,
    "NotFoundError": 404,
    "RequestError": 400,
    "ConflictError": 409,
    "TooLargeError": 413,
    "UnavailableError": 503,
    "DisabledError": 403,
}
# what a full or closed disk raises
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_SQLITE_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
NO_ROOM = (
    "The server cannot write to its disk now, which may be full: nothing was stored. Tell its administrator, and send it again "
    "once there is room."
)


class Refusal(Exception):
    """A request that is not served: status, one sentence, further headers, and facts beside the sentence."""

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = for_readers(sentence)
        self.headers = dict(headers or {})
        self.facts = dict(facts or {})


def refusal_of(error: BaseException) -> Refusal:
    """How an exception is told to the client.

    A VhiError is a sentence for the user. Anything else is a bug: the client gets a number, the log the place; neither gets the
    exception's own message, which may name a patient.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BusyError):
        return Refusal(503, "The server is busy; try again in a moment.", {"Retry-After": "5"})
    if isinstance(error, TimeoutError):
        return Refusal(503, "The server was too busy to finish in time; try again.", {"Retry-After": "30"})
    if isinstance(error, GoneError):
        return Refusal(499, "The client went away.")
    if has_no_room(error):
        logger.error("nothing can be stored: %s", one_line(str(error)))
        return Refusal(507, NO_ROOM)
    if isinstance(error, VhiError):
        status = next((STATUS_OF[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in STATUS_OF), 422)
        return Refusal(status, one_line(str(error)), facts=getattr(error, "facts", None))
    incident = secrets.token_hex(4)
    trace = "".join(traceback.format_tb(error.__traceback__)[-8:])
    logger.error("incident %s: %s\n%s", incident, type(error).__name__, trace.rstrip())
    return Refusal(500, f"Something went wrong on the server; tell its administrator the incident number {incident}.")


def has_no_room(error: BaseException) -> bool:
    """Whether an error, or the one that it came from, is that nothing can be written: a full, closed or missing disk."""
    if isinstance(error, OutputError):
        return True
    if isinstance(error, sqlite3.Error):
        # what the module itself complains about, as of a closed database, has no code
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_NO_ROOM
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return True
    return error.__cause__ is not None and has_no_room(error.__cause__)


def hide(*folders: Path) -> None:
    """Take these folders out of sentences from now on, see `without_paths`."""
    _HIDDEN.update(form for folder in folders for form in (str(folder), str(folder.absolute()), str(folder.resolve())))


def without_paths(text: str) -> str:
    """A sentence without the folders of this server: what lies in them is named from there."""
    for folder in sorted(_HIDDEN, key=len, reverse=True):
        name = re.escape(folder)
        text = re.sub(rf"{name}{re.escape(os.sep)}", "", text)
        text = re.sub(rf"{name}(?![\w.-])", Path(folder).name.replace("\\", r"\\"), text)
    return text


def for_readers(text: str) -> str:
    """A sentence as a reader is shown it: without folders, addresses and UIDs, which say nothing to them."""
    return without_uids(without_paths(text))


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def body_of(refusal: Refusal) -> bytes:
    """The JSON body of a refusal; 3D Slicer shows it as it is, so that letters stay letters."""
    return json.dumps({"detail": refusal.sentence, **finite(refusal.facts)}, ensure_ascii=False).encode()


def validation_sentence(problems: Any) -> str:
    """FastAPI's list of what does not fit a route, as one sentence; the values sent are not repeated."""
    if not isinstance(problems, list):
        return one_line(str(problems))[:500]
    parts = []
    for problem in problems[:3]:
        place = ".".join(str(part) for part in problem.get("loc", ())[1:]) or "the body"
        parts.append(f"{place}: {one_line(str(problem.get('msg', 'not valid')))}")
    return ("The request cannot be read: " + "; ".join(parts))[:500]


def json_text(value: Any) -> str:
    """A value as JSON; walked through by `finite` only where it holds what JSON does not know."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(finite(value))


def finite(value: Any) -> Any:
    """The same value for JSON: what is not finite becomes null, numpy numbers plain ones."""
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [finite(one) for one in value]
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
