"""The gateway of a blinded study: what browsers read are de-identified copies of the worklist's cases, and nothing is stored.

The archive itself is not asked here at all. The copies lie behind an address of their own (`lib.datastores.viewed`), made of what
the server fetched to measure; a study that is no case, and every UID that the archive itself knows, is not among them.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import Future
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from .dicomweb import resource_of
from .gateway import ArchiveAddress, Gateway
from .refusals import Refusal
from .server_context import ServerContext

STORING = (
    "This study is blinded: what you read is handed in in the panel, and the server stores it with the patient. Nothing else is "
    "stored in the archive from here."
)
CLOSED = "This study is blinded, and the images of its archive are not shown on this server."
_STUDY = re.compile(r"/studies/([0-9.]+)(?:/.*)?")
_STUDY_KEYS = ("studyinstanceuid", "0020000d")


class BlindedGateway:
    """ASGI application for what the allow-list lets through to the archive, while the study is blinded."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._gateway: Gateway | None = None
        self._jobs: dict[str, Future[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises
        ------
        Refusal
            403 for storing, 404 for a study that is no case; what `Gateway` raises.
        VhiError
            The scans of the case cannot be had, or cannot be used.
        """
        viewed = getattr(self._context.app, "viewed", None)
        if viewed is None:
            raise Refusal(403, CLOSED)
        if scope["method"] == "POST":
            raise Refusal(403, STORING)
        study = _study_of(scope)
        # who asks for a study that is being copied waits for that copy; a client that goes away does not end it for others
        await asyncio.shield(asyncio.wrap_future(self._showing(viewed, study)))
        if self._gateway is None:
            self._gateway = Gateway(ArchiveAddress(viewed.url, viewed.user, viewed.password))
        await self._gateway(scope, receive, send)

    def _showing(self, viewed: Any, study: str | None) -> Future[None]:
        """The one job that sees to it that a study is there; a search of all looks anew. For the event loop alone."""
        if study is None:
            return self._context.copies.submit(viewed.look)
        job = self._jobs.get(study)
        if job is None:
            job = self._jobs[study] = self._context.copies.submit(lambda: viewed.show(study))
            job.add_done_callback(lambda _: self._jobs.pop(study, None))
        return job

    async def close(self) -> None:
        """Close idle connections."""
        if self._gateway is not None:
            await self._gateway.close()


def _study_of(scope: Scope) -> str | None:
    """The study that a request names, in its path or its query; None where it asks for all."""
    named = _STUDY.fullmatch(resource_of(scope["path"]))
    if named:
        return named[1]
    asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    return next((value for key, value in asked if key.lower() in _STUDY_KEYS and re.fullmatch(r"[0-9.]{1,64}", value)), None)
