"""Signing in by a page of this server: the login as a cookie.

Two cookies, both `SameSite=Strict`. `vhi_session` holds the token that `/auth/token` would give, where no script can read it.
`vhi_csrf` holds a mark of that token for the scripts of our pages; a request that may change something and signs in by the cookie
must carry the mark in the header `X-CSRF-Token`, which no page of another site can know or send. Clients that send a bearer token
(3D Slicer) need neither.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from .answers import Refusal
from .desk import Desk
from .identity import LOCAL, Identity
from .login import Login
from .pages import login_page

SESSION, CSRF, CSRF_HEADER = "vhi_session", "vhi_csrf", "x-csrf-token"
HOME = "/ohif/"
SAFE = ("GET", "HEAD", "OPTIONS")
# a path on this server, so that signing in leads nowhere else
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")
# what a form may be sent from, and that the browser says where from: with no-referrer it would call its origin null
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "referrer-policy": "same-origin",
}


def session_token(cookies: str) -> str:
    """The token in a Cookie header; empty where there is none."""
    try:
        found = SimpleCookie(cookies).get(SESSION)
    except CookieError:
        return ""
    return found.value if found else ""


def identity_by_cookie(login: Login, method: str, headers: Mapping[str, str]) -> Identity | None:
    """Who is signed in by cookie; None for nobody, and for a request that another site's page made the browser send.

    Raises
    ------
    Refusal
        403: the request may change something and does not carry the session's mark.
    """
    token = session_token(headers.get("cookie", ""))
    found = login.identity_of_token(token) if token else None
    if found is None:
        return None
    if method in SAFE:
        opened = headers.get("sec-fetch-mode") == "navigate"
        return found if opened or headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none") else None
    given = headers.get(CSRF_HEADER, "")
    if not secrets.compare_digest(given.encode("latin-1", "replace"), login.mark_of(token).encode()):
        raise Refusal(403, f"The header X-CSRF-Token is needed and must equal the cookie {CSRF}; reload the page and try again.")
    return found


def identity_of_page(login: Login, request: Request) -> Identity | None:
    """Who opens a page; None for nobody who is known."""
    if not login.needed:
        return LOCAL
    token = session_token(request.headers.get("cookie", ""))
    return login.identity_of_token(token) if token else None


def login_address(request: Request) -> str:
    """The login page, leading back to what was asked for."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/login?next={quote(request.url.path + query, safe='/')}"


def add_sessions(api: FastAPI, desk: Desk) -> None:
    """The routes `/login` and `/logout`."""

    @api.get("/login", include_in_schema=False)
    async def page(next: Annotated[str, Query(max_length=2048)] = HOME) -> Response:
        if not desk.login.needed:
            return RedirectResponse(HOME, 303)
        return HTMLResponse(login_page(_local(next)), headers=_PAGE_HEADERS)

    @api.post("/login", include_in_schema=False)
    async def sign_in(
        request: Request,
        username: Annotated[str, Form(max_length=256)] = "",
        password: Annotated[str, Form(max_length=1024)] = "",
        next: Annotated[str, Form(max_length=2048)] = HOME,
    ) -> Response:
        if not desk.login.needed:
            raise Refusal(400, "This server asks for no login.")
        try:
            token = await desk.token_for(request, username, password)
        except Refusal as refusal:
            return HTMLResponse(login_page(_local(next), refusal.sentence), refusal.status, _PAGE_HEADERS)
        answer = RedirectResponse(_local(next), 303)
        _set_cookies(answer, request, {SESSION: token, CSRF: desk.login.mark_of(token)}, int(desk.config.token_hours * 3600))
        return answer

    @api.post("/logout", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        desk.login.end(session_token(request.headers.get("cookie", "")))
        answer = Response(status_code=204)
        _set_cookies(answer, request, {SESSION: "", CSRF: ""}, 0)
        return answer


def _set_cookies(answer: Response, request: Request, values: Mapping[str, str], seconds: int) -> None:
    for name, value in values.items():
        answer.set_cookie(
            name, value, max_age=seconds, secure=request.url.scheme == "https", httponly=name == SESSION, samesite="strict"
        )


def _local(path: str) -> str:
    return path if _LOCAL_PATH.fullmatch(path) else HOME
