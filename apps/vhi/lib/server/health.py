"""Health, for anybody and for administrators, and numbers for Prometheus."""

from __future__ import annotations

import logging
import secrets
import shutil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from ..errors import SettingsError, VhiError
from .config import ServerConfig
from .identity import Identity
from .metrics import CONTENT_TYPE, Metrics, places_of
from .server_context import ServerContext

logger = logging.getLogger("vhi.server")
METRICS_PATH = "/vhi/metrics"
SCRAPER = Identity("prometheus", "admin")


def add_health(api: FastAPI, context: ServerContext, metrics: Metrics) -> None:
    """Add the routes `/vhi/health` and `/vhi/metrics`."""

    @api.get("/vhi/health", tags=["VHI"], summary="Whether the server answers, what is wrong, and what is at work")
    async def health(request: Request) -> dict[str, Any]:
        findings = await context.quickly(request, context.findings)
        return {
            "status": "impaired" if findings else "ok",
            "findings": [{"name": finding.name, "sentence": finding.sentence} for finding in findings],
            "inferences": context.infer.jobs,
            "saves": context.save.jobs,
        }

    @api.get("/vhi/health/details", tags=["VHI"], summary="The same with files, folders, the archive and the outbox")
    async def details(request: Request) -> dict[str, Any]:
        return await context.quickly(request, lambda: _details(context))

    @api.get(METRICS_PATH, tags=["VHI"], summary="Numbers for Prometheus")
    async def numbers(request: Request) -> Response:
        return Response(await context.quickly(request, metrics.text), media_type=CONTENT_TYPE)


def scraper(config: ServerConfig, template: str, authorization: str) -> Identity | None:
    """Who asks with the token of the metrics, which opens nothing else; nobody while its file cannot be read."""
    token = _metrics_token(config) if template == METRICS_PATH else ""
    kind, _, given = authorization.partition(" ")
    same = secrets.compare_digest(given.strip().encode(), token.encode())
    return SCRAPER if token and same and kind.lower() == "bearer" else None


def _metrics_token(config: ServerConfig) -> str:
    """The token; empty, with the reason in the log, where its file is gone since the start."""
    try:
        return config.read_metrics_token()
    except SettingsError as error:
        logger.error("the token of the metrics opens nothing now: %s", error)
        return ""


def _details(context: ServerContext) -> dict[str, Any]:
    findings = context.findings()
    archive_sync = getattr(context.app, "archive_sync", None)
    return {
        "findings": [{"name": finding.name, "sentence": finding.sentence, "files": list(finding.files)} for finding in findings],
        "disk": {name: _room(place) for name, place in places_of(context).items()},
        "archive": None if archive_sync is None else _archive(archive_sync),
        "jobs": {name: getattr(context, name).jobs for name in ("infer", "save", "quick", "copies", "password")},
    }


def _room(place: Any) -> dict[str, Any]:
    try:
        return {"folder": str(place), "free_bytes": shutil.disk_usage(place).free}
    except OSError as error:
        return {"folder": str(place), "free_bytes": None, "problem": error.strerror}


def _archive(archive_sync: Any) -> dict[str, Any]:
    try:
        outbox = archive_sync.outbox.state()
    except VhiError as error:
        return {"problem": str(error)}
    return {"waiting": outbox.waiting, "sent": outbox.sent, "last_error": outbox.last_error}
