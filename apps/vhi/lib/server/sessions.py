"""Signing in by a page of this server: the login as a cookie.

Two cookies, both `SameSite=Strict`. `vhi_session_…` holds the token that `/auth/token` would give, where no script can read it.
`vhi_csrf_…` holds a mark of that token for the scripts of our pages; a request that may change something and signs in by the
cookie must carry the mark in the header `X-CSRF-Token`, which no page of another site can know or send. Clients that send a
bearer token (3D Slicer) need neither. The names end with what tells this server from others on the same host, since cookies know
no port.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.requests import cookie_parser
from starlette.types import Scope

from .addresses import current_addresses
from .identity import LOCAL, Identity, current_identity
from .login import Login
from .pages import login_page
from .refusals import Refusal
from .server_context import ServerContext
from .worker_pool import BusyError

CSRF_HEADER = "x-csrf-token"
HOME = "/vhi/worklist"
# how long signing out waits for the provider; here the session has ended before
LEAVING_S = 5.0
SAFE = ("GET", "HEAD", "OPTIONS")
# a path on this server, so that signing in leads nowhere else
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")
# what a form may be sent from, and that the browser says where from: with no-referrer it would call its origin null
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "referrer-policy": "same-origin",
}


@dataclass(frozen=True)
class CookieNames:
    """How the cookies of this server are called: the token's, and that of its mark."""

    session: str
    csrf: str


def cookie_names(login: Login, scope: Scope) -> CookieNames:
    """Those of the server that was asked."""
    instance = login.instance((scope.get("server") or ("", None))[1])
    return CookieNames(f"vhi_session_{instance}", f"vhi_csrf_{instance}")


def cookie_value(cookies: str, name: str) -> str:
    """The value of a Cookie header under a name; empty where there is nothing.

    Read as browsers write it: cookies of other sites of the domain, which stand in the same header, keep to no grammar.
    """
    return cookie_parser(cookies).get(name, "")


def identity_by_cookie(login: Login, names: CookieNames, method: str, headers: Mapping[str, str]) -> Identity | None:
    """Who is signed in by cookie; None for nobody, and for a request that another site's page made the browser send.

    Raises
    ------
    Refusal
        403: the request may change something and does not carry the session's mark.
    """
    token = cookie_value(headers.get("cookie", ""), names.session)
    identity = login.identity_of_token(token) if token else None
    if identity is None:
        return None
    if method in SAFE:
        opened = headers.get("sec-fetch-mode") == "navigate"
        return identity if opened or headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none") else None
    given = headers.get(CSRF_HEADER, "")
    if not secrets.compare_digest(given.encode("latin-1", "replace"), login.mark_of(identity).encode()):
        raise Refusal(
            403, f"The header X-CSRF-Token is needed and must equal the cookie {names.csrf}; reload the page and try again."
        )
    return identity


def identity_of_page(login: Login, request: Request) -> Identity | None:
    """Who opens a page; None for nobody who is known."""
    if not login.needed:
        return LOCAL
    token = cookie_value(request.headers.get("cookie", ""), cookie_names(login, request.scope).session)
    return login.identity_of_token(token) if token else None


def login_address(request: Request) -> str:
    """The login page, leading back to what was asked for."""
    query = f"?{request.url.query}" if request.url.query else ""
    addresses = current_addresses()
    return addresses.path(f"/login?next={quote(addresses.path(request.url.path) + query, safe='/')}")


def add_sessions(api: FastAPI, context: ServerContext) -> None:
    """The routes `/login` and `/logout`."""

    @api.get("/login", include_in_schema=False)
    async def page(next: Annotated[str, Query(max_length=2048)] = "") -> Response:
        if not context.login.needed:
            return RedirectResponse(current_addresses().path(HOME), 303)
        return HTMLResponse(login_page(local_path(next), sign_on=context.sign_on_label), headers=PAGE_HEADERS)

    @api.post("/login", include_in_schema=False)
    async def sign_in(
        request: Request,
        username: Annotated[str, Form(max_length=256)] = "",
        password: Annotated[str, Form(max_length=1024)] = "",
        next: Annotated[str, Form(max_length=2048)] = "",
    ) -> Response:
        if not context.login.needed:
            raise Refusal(400, "This server asks for no login.")
        try:
            token = await context.token_for(request, username, password)
        except Refusal as refusal:
            return HTMLResponse(
                login_page(local_path(next), refusal.sentence, context.sign_on_label), refusal.status, PAGE_HEADERS
            )
        answer = RedirectResponse(local_path(next), 303)
        set_session(answer, request, context, token)
        return answer

    @api.post("/logout", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        context.login.end(current_identity())
        leaving = await _leaving(request, context)
        answer = JSONResponse({"next": leaving}) if leaving else Response(status_code=204)
        names = cookie_names(context.login, request.scope)
        for name in (names.session, names.csrf):
            set_cookie(answer, name, "", 0)
        return answer


async def _leaving(request: Request, context: ServerContext) -> str | None:
    """The provider's page for signing out; None for who did not sign in there, and where it does not say in time.

    Without it who signed in by the provider would be signed in again by one click, whoever clicks.
    """
    provider, back = context.login.provider, current_addresses().url("/login")
    if provider is None or not current_identity().is_signed_on:
        return None
    try:
        return await context.run(context.sign_on, request, LEAVING_S, lambda: provider.leaving(back))
    except (BusyError, TimeoutError):
        return None


def set_session(answer: Response, request: Request, context: ServerContext, token: str) -> None:
    """Sign a browser in: both cookies, for as long as the token lasts."""
    names, seconds = cookie_names(context.login, request.scope), int(context.config.token_hours * 3600)
    who = context.login.identity_of_token(token)
    set_cookie(answer, names.session, token, seconds, httponly=True)
    set_cookie(answer, names.csrf, context.login.mark_of(who) if who else "", seconds)


def set_cookie(answer: Response, name: str, value: str, seconds: int, *, httponly: bool = False) -> None:
    """A cookie that goes nowhere but to this server."""
    addresses = current_addresses()
    answer.set_cookie(
        name, value, seconds, path=addresses.path("/"), secure=addresses.is_secure, httponly=httponly, samesite="strict"
    )


def local_path(path: str) -> str:
    """A path on this server to go on to; the worklist's for any other."""
    addresses = current_addresses()
    return path if _LOCAL_PATH.fullmatch(path) and addresses.holds(path) else addresses.path(HOME)
