"""The application that uvicorn runs: `lib.server.asgi:app`, MONAI Label behind the guard."""

from __future__ import annotations

import os

# MONAI Label would drop every module of ours when it loads the app, and load each a second time
os.environ.setdefault("MONAI_LABEL_RELOAD_APP_LIB", "false")

from .guard import install
from .postponed import MONAI_LABEL_POSTPONES, postponed

with postponed(MONAI_LABEL_POSTPONES):
    from monailabel.app import app

install(app)

__all__ = ["app"]
