"""The routes that this server answers itself, off the event loop: each topic has a module of its own."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from .datastore import add_datastore
from .describe import description_of
from .drafts import add_drafts
from .health import add_health
from .inference import add_inference
from .metrics import Metrics
from .overview import add_overview
from .readings import add_readings
from .refusals import Refusal, body_of, has_no_room, refusal_of, validation_sentence
from .review import add_review
from .server_context import ServerContext
from .sessions import add_sessions
from .sign_on import add_sign_on
from .tokens import add_tokens
from .training import add_models, add_training
from .viewer import add_viewer
from .worklist import add_worklist


def make_routes(context: ServerContext, metrics: Metrics, *, has_archive: bool) -> FastAPI:
    """The application that answers the allow-list's own routes."""
    # the guard settles trailing slashes; redirects of the framework know no prefix
    api = FastAPI(title="VHI", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for kind in (RequestValidationError, HTTPException, Exception):
        api.add_exception_handler(kind, _error_answer)
    for add in (
        add_tokens,
        add_sessions,
        add_sign_on,
        add_inference,
        add_datastore,
        add_overview,
        add_readings,
        add_review,
        add_drafts,
        add_training,
        add_models,
    ):
        add(api, context)
    add_health(api, context, metrics)
    add_viewer(api, context, has_archive=has_archive)
    add_worklist(api, context, has_archive=has_archive)

    @api.get("/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        return JSONResponse(description_of(api))

    return api


def _error_answer(request: Request, error: Exception) -> Response:
    """Any error as one sentence."""
    if isinstance(error, RequestValidationError):
        refusal = Refusal(422, validation_sentence(list(error.errors())))
    elif isinstance(error, HTTPException) and not has_no_room(error):  # a body that could not be put down is not unreadable
        refusal = Refusal(error.status_code, validation_sentence(error.detail), dict(error.headers or {}))
    else:
        refusal = refusal_of(error)
    body = b"" if request.method == "HEAD" else body_of(refusal)
    return Response(body, refusal.status, refusal.headers, "application/json")
