"""What the server writes to its log: one line per request, without ids of images, parameters, tokens or exceptions' texts."""

from __future__ import annotations

from typing import Any

CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "vhi.server": {"level": "INFO"},
        "uvicorn": {"level": "WARNING"},
        # their messages repeat requests
        "uvicorn.access": {"level": "CRITICAL", "propagate": False},
        "monailabel": {"level": "WARNING"},
    },
}
