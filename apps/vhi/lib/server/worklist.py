"""The worklist: the front door for readers in a browser, and what it is made of as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from .addresses import current_addresses
from .identity import current_identity
from .pages import slicer_help
from .refusals import Refusal, finite, for_readers
from .server_context import ServerContext
from .sessions import HOME, cookie_names, identity_of_page, login_address
from .texts import texts_in

MOST_ROWS = 1000
# of a case that nobody finished, see `lib.service.reviewing`
NOT_READ = {"readings": 0, "reviewed": False}
# own files alone, and requests to this server
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)


def add_worklist(api: FastAPI, context: ServerContext, *, has_archive: bool) -> None:
    """The page `/vhi/worklist`, its rows, and `/`, which leads there."""

    @api.get("/", include_in_schema=False)
    async def front() -> Response:
        return RedirectResponse(current_addresses().path(HOME), 303)

    @api.get(HOME, include_in_schema=False)
    async def page(request: Request) -> Response:
        who = identity_of_page(context.login, request)
        if who is None:
            return RedirectResponse(login_address(request), 303)
        server_facts = {
            "prefix": current_addresses().prefix,
            "csrf_cookie": cookie_names(context.login, request.scope).csrf,
            "login_required": context.login.needed,
            "reader": who.name,
            "is_admin": who.is_admin,
            "has_archive": has_archive,
            "is_blinded": context.is_blinded,
        }
        headers = {"content-security-policy": _POLICY, "referrer-policy": "same-origin", "cache-control": "no-store"}
        return HTMLResponse(_page(server_facts, context.language), headers=headers)

    @api.get("/vhi/worklist/rows", tags=["VHI"], summary="The cases as one reader sees them: begun, open, done, waiting and why")
    async def rows(
        request: Request,
        reader: Annotated[str | None, Query(max_length=64)] = None,
        reading: Annotated[int, Query(ge=1, le=99)] = 1,
        state: Annotated[str, Query(max_length=20)] = "",
        matching: Annotated[str, Query(max_length=100)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 200,
    ) -> Response:
        who = current_identity()
        if who.name is not None and reader not in (None, who.name) and not who.is_admin:
            raise Refusal(403, "Readers see their own worklist alone; an administrator sees that of others.")
        asked = reader or who.name or ""

        def listed() -> dict[str, Any]:
            page_of_rows = context.app.service.reading_list.page(asked, reading, state=state, matching=matching, limit=limit)
            entries = [{**asdict(row), "note": for_readers(row.note)} for row in page_of_rows.rows]
            if who.is_admin:
                reviewed = context.app.service.reviewing.state_of_cases()
                entries = [{**row, **reviewed.get(row["case"], NOT_READ)} for row in entries]
            return {**asdict(page_of_rows), "rows": entries}

        return JSONResponse(finite(await context.quickly(request, listed)))

    @api.get("/vhi/worklist/progress", tags=["VHI"], summary="How many cases each reader has finished, reading by reading")
    async def progress(request: Request) -> Response:
        def counted() -> dict[str, Any]:
            service = context.app.service
            return {
                "cases": len(service.cases.index.cases),
                "readers": [asdict(reader) for reader in service.reading_list.progress()],
            }

        return JSONResponse(await context.quickly(request, counted))


def _page(server_facts: dict[str, Any], language: str) -> str:
    at, texts = current_addresses(), texts_in(language)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(texts["worklist.title"])}</title>'
        f'<link rel="stylesheet" href="{escape(at.path("/ohif/vhi/worklist.css"))}">'
        f'<script type="module" src="{escape(at.path("/ohif/vhi/worklist.js"))}"></script></head>'
        f'<body data-server="{escape(json.dumps(server_facts))}"><header><h1>{escape(texts["worklist"])}</h1>'
        f"<p>{escape(texts['worklist.about'])}</p></header>"
        f'<main id="worklist"><noscript>{escape(texts["worklist.no_script"])}</noscript></main>'
        f'<footer lang="en">{slicer_help(login=bool(server_facts["login_required"]))}</footer></body></html>'
    )
