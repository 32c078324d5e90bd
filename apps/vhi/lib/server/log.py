"""The server's log: one line per request, without ids of images, parameters, tokens or exceptions' texts."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import Any

from ..errors import OutputError, SettingsError

LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"


@dataclass(frozen=True)
class LogConfig:
    """Where log lines go, and in which form. The audit log is another file, and is never rotated.

    Attributes
    ----------
    file : None for the standard error stream
    mib : size at which a new file is begun; 0 where logrotate moves the file, which is then opened anew
    files : older files that are kept
    as_json : one JSON object a line
    """

    file: Path | None = None
    mib: int = 20
    files: int = 5
    as_json: bool = False

    def __post_init__(self) -> None:
        if self.mib < 0 or self.files < 1:
            raise SettingsError(
                f"A log of {self.mib} MiB and {self.files} older files cannot be; 0 MiB or more, and 1 file or more."
            )

    def to_dict(self) -> dict[str, Any]:
        """The configuration for `logging.config.dictConfig`.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        form = {"()": JsonLines} if self.as_json else {"format": LINE}
        return {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": form},
            "handlers": {"log": {**self._handler(), "formatter": "line"}, "none": {"class": "logging.NullHandler"}},
            "root": {"level": "WARNING", "handlers": ["log"]},
            "loggers": {
                "vhi.server": {"level": "INFO"},
                "uvicorn": {"level": "WARNING"},
                # their messages repeat requests
                "uvicorn.access": {"level": "CRITICAL", "propagate": False},
                "monailabel": {"level": "WARNING"},
                # warnings alone, of what other libraries import of it, at each start; it sets its level itself
                "pydicom": {"handlers": ["none"], "propagate": False},
            },
        }

    def _handler(self) -> dict[str, Any]:
        if self.file is None:
            return {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
        try:
            with _private(str(self.file), "a"):
                pass
        except OSError as error:
            raise OutputError(f"The log {self.file} cannot be written ({error.strerror}); pass another --log-file.") from error
        where = {"filename": str(self.file), "encoding": "utf-8"}
        if not self.mib:
            return {"()": PrivateWatched, **where}
        return {"()": PrivateRotating, **where, "maxBytes": self.mib << 20, "backupCount": self.files}


class JsonLines(logging.Formatter):
    """One JSON object a line: time in UTC, level, logger, message, and the parts of a request's line by their names."""

    def format(self, record: logging.LogRecord) -> str:
        parts = dict(record.args) if isinstance(record.args, Mapping) else {}
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **({"trace": self.formatException(record.exc_info)} if record.exc_info else {}),
        }
        return json.dumps({**parts, **entry}, ensure_ascii=False, default=str)


class PrivateRotating(RotatingFileHandler):
    """A log that only the server's own user reads."""

    def _open(self) -> TextIOWrapper:
        return _private(self.baseFilename, self.mode)


class PrivateWatched(WatchedFileHandler):
    """The same where another program moves the file away."""

    def _open(self) -> TextIOWrapper:
        return _private(self.baseFilename, self.mode)


def _private(path: str, mode: str) -> TextIOWrapper:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if mode == "w" else os.O_APPEND)
    return TextIOWrapper(os.fdopen(os.open(path, flags, 0o600), f"{mode}b"), encoding="utf-8", line_buffering=True)
