"""The routes of training, with MONAI Label's addresses and answers, and those of the model versions."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from .addresses import current_addresses
from .identity import current_identity
from .refusals import Refusal, finite
from .requests import check_id, check_params
from .server_context import ServerContext
from .sessions import cookie_names

NAME = "disease_region"
# what clients send with every request
WITHOUT_EFFECT = ("client_id", "user", "model")


def add_training(api: FastAPI, context: ServerContext) -> None:
    """`/train/`, as MONAI Label's clients know it; the work is done in a process of its own, which others do not see."""

    def start(given: Any) -> dict[str, Any]:
        _check_may_train(context)
        task = context.app.training.start(options_of(check_params(given, reserved=frozenset())), current_identity().name)
        if task is None:
            raise Refusal(429, "A training session is under way; wait for it, or stop it.")
        return dict(finite(task))

    @api.get("/train/", tags=["Train"], summary="The training session: how far it is, or how it ended")
    async def status(request: Request, check_if_running: bool = False) -> Response:
        task = await context.quickly(request, lambda: context.app.training.status())
        if check_if_running and (task is None or task["status"] != "RUNNING"):
            # 3D Slicer reads the status code of this as the answer
            raise Refusal(404, "No training session is running.")
        # MONAI Label's client raises on another code than 200, which its module does not catch here
        return JSONResponse(finite(task) if task else {"status": "NONE", "details": "There was no training session yet."})

    @api.post("/train/", tags=["Train"], summary="Start every trainer: there is one")
    async def start_all(request: Request, params: Annotated[Any, Body()] = None) -> Response:
        return JSONResponse({NAME: {"result": await context.quickly(request, lambda: start(params)), "detail": None}})

    @api.post("/train/{model}", tags=["Train"], summary="Start training")
    async def start_one(request: Request, model: str, params: Annotated[Any, Body()] = None) -> Response:
        if check_id("model", model) != NAME:
            raise Refusal(404, f"There is no trainer {model!r}; there is {NAME}.")
        return JSONResponse(await context.quickly(request, lambda: start(params)))

    @api.delete("/train/", tags=["Train"], summary="Stop training; what was learnt so far is kept, and gone on with")
    async def stop(request: Request) -> Response:
        _check_may_train(context)
        by = current_identity().name
        return JSONResponse(finite(await context.quickly(request, lambda: context.app.training.stop(by))))


def add_models(api: FastAPI, context: ServerContext) -> None:
    """`/vhi/models`: what there was and is, and what administrators may do about it."""

    @api.get("/vhi/models", tags=["VHI"], summary="Versions of the networks, training sessions, labels in quarantine")
    async def models(request: Request, form: Literal["html", "json"] | None = None) -> Response:
        if form is None:
            form = "html" if "text/html" in request.headers.get("accept", "") else "json"
        if form == "json":
            return JSONResponse(finite(await context.quickly(request, lambda: context.app.training.models())))
        at = current_addresses().path("/vhi/models")
        csrf = cookie_names(context.login, request.scope).csrf
        page, script = await context.quickly(request, lambda: context.app.training.models_page(at, csrf))
        return HTMLResponse(page, headers={"content-security-policy": _policy(script), "referrer-policy": "same-origin"})

    @api.post("/vhi/models/live", tags=["VHI"], summary="Make an earlier version the live one")
    async def make_live(request: Request, version: Annotated[str, Query(max_length=128)]) -> Response:
        check_id("version", version)
        by = current_identity().name
        return JSONResponse(await context.quickly(request, lambda: context.app.training.make_live(version, by)))

    @api.post("/vhi/models/release", tags=["VHI"], summary="Let a label in quarantine be learnt all the same")
    async def release(
        request: Request, case: Annotated[str, Query(max_length=64)], submission: Annotated[str, Query(max_length=80)]
    ) -> Response:
        check_id("case", case)
        by = current_identity().name
        return JSONResponse(await context.quickly(request, lambda: context.app.training.decisions(by).release(case, submission)))

    @api.post("/vhi/models/set-aside", tags=["VHI"], summary="Have a label not be learnt, also one that was released or trusted")
    async def set_aside(
        request: Request, case: Annotated[str, Query(max_length=64)], submission: Annotated[str, Query(max_length=80)]
    ) -> Response:
        check_id("case", case)
        by = current_identity().name
        return JSONResponse(
            await context.quickly(request, lambda: context.app.training.decisions(by).set_aside(case, submission))
        )

    @api.post("/vhi/models/pin", tags=["VHI"], summary="Keep the live version live whatever is trained")
    async def pin(request: Request, version: Annotated[str, Query(max_length=128)]) -> Response:
        check_id("version", version)
        by = current_identity().name
        return JSONResponse(await context.quickly(request, lambda: context.app.training.decisions(by).pin(version)))

    @api.post("/vhi/models/compare", tags=["VHI"], summary="Compare two versions case by case; what was found is at /vhi/models")
    async def compare(
        request: Request, a: Annotated[str, Query(max_length=128)], b: Annotated[str, Query(max_length=128)]
    ) -> Response:
        check_id("a", a)
        check_id("b", b)
        by = current_identity().name
        return JSONResponse(await context.quickly(request, lambda: context.app.training.comparing.start(a, b, by)))

    @api.post("/vhi/models/unpin", tags=["VHI"], summary="Let training replace the live version again")
    async def unpin(request: Request) -> Response:
        by = current_identity().name
        return JSONResponse(await context.quickly(request, lambda: context.app.training.decisions(by).unpin()))


def options_of(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a session as a client sends them: 3D Slicer flat, OHIF under the trainer's name, some both.

    Raises
    ------
    Refusal
        400: options under the trainer's name that are none.
    """
    nested = given.get(NAME, {})
    if not isinstance(nested, dict):
        raise Refusal(400, f"{NAME} must hold options by name.")
    flat = {name: value for name, value in given.items() if name != NAME and name not in WITHOUT_EFFECT}
    return {**flat, **{name: value for name, value in nested.items() if name not in WITHOUT_EFFECT}}


def _check_may_train(context: ServerContext) -> None:
    if context.config.train_by == "admin" and not current_identity().is_admin:
        raise Refusal(403, "Training needs an administrator's account on this server.")


def _policy(script: str) -> str:
    """The page's own script and pictures, and requests to this server."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; connect-src 'self'; style-src 'unsafe-inline'; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
