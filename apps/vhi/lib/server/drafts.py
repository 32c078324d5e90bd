"""`/vhi/draft`: what a reader has begun and not handed in; each gets their own only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Query, Request
from fastapi.responses import JSONResponse

from .identity import current_identity
from .refusals import Refusal, finite
from .requests import check_id, check_params
from .server_context import ServerContext

Reader = Annotated[str | None, Query(max_length=64)]
Reading = Annotated[int, Query(ge=1, le=99)]
IfMatch = Annotated[str | None, Header(max_length=80)]


def add_drafts(api: FastAPI, context: ServerContext) -> None:
    """The routes; `reader` names the reader where the server asks for no login."""

    @api.get("/vhi/draft", tags=["VHI"], summary="What this reader has begun of a case and not handed in; {} for nothing")
    async def draft(request: Request, image: str, reader: Reader = None, reading: Reading = 1) -> JSONResponse:
        who = _reader_of(reader)
        check_id("image", image)
        kept_draft = await context.quickly(request, lambda: context.app.service.drafting.find(image, who, reading))
        return JSONResponse(finite(asdict(kept_draft)) if kept_draft else {})

    @api.put("/vhi/draft", tags=["VHI"], summary="Keep what was begun; If-Match names the revision that it replaces, if any")
    async def keep(  # noqa: PLR0913 parts of a request
        request: Request,
        image: str,
        state: Annotated[dict[str, Any], Body()],
        map: Annotated[str, Body()],
        reader: Reader = None,
        reading: Reading = 1,
        if_match: IfMatch = None,
    ) -> JSONResponse:
        who, revision = _reader_of(reader), _revision(if_match)
        check_id("image", image)
        checked_state = check_params(state, reserved=frozenset())
        save = context.app.service.drafting.save
        made = await context.save_for(request, lambda: save(image, who, reading, checked_state, map, revision))
        return JSONResponse({"revision": made.revision, "saved": made.saved}, headers={"ETag": f'"{made.revision}"'})

    @api.delete("/vhi/draft", tags=["VHI"], summary="Throw away what was begun; If-Match names its revision")
    async def drop(
        request: Request, image: str, reader: Reader = None, reading: Reading = 1, if_match: IfMatch = None
    ) -> JSONResponse:
        who, revision = _reader_of(reader), _revision(if_match)
        check_id("image", image)
        if revision is None:
            raise Refusal(428, "The header If-Match is needed: the revision of the draft that is thrown away.")
        await context.save_for(request, lambda: context.app.service.drafting.remove(image, who, reading, revision))
        return JSONResponse({})


def handed_in(context: ServerContext, image: str, params: Mapping[str, Any]) -> None:
    """A submission was kept: the draft that it hands in goes.

    Parameters
    ----------
    params : mapping
        With `draft`, its revision, as the panel sends it; without it nothing happens. `client_id` and `reading` as submitted.
    """
    if isinstance(revision := params.get("draft"), str):
        reader, reading = current_identity().name or str(params.get("client_id")), params.get("reading") or 1
        context.app.service.drafting.remove_submitted(image, reader, int(reading), revision)


def _reader_of(reader: str | None) -> str:
    """Whose draft is meant: that of the login, also for an administrator."""
    who = current_identity().name
    if who is not None and reader not in (None, who):
        raise Refusal(403, f"{who} is signed in now, and this page was opened by {reader}; sign in as before.")
    return who or reader or ""


def _revision(header: str | None) -> str | None:
    return None if header is None else header.strip().removeprefix("W/").strip('"')
