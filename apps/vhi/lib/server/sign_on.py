"""Signing in by a provider of OpenID Connect, from the page `/login`.

What belongs to a sign-on that began waits in a signed cookie, for ten minutes and for the browser that began it. It is
`SameSite=Lax`, because the provider's page leads back here; the session's own cookies stay `Strict`, so that the page which sets
them goes on by itself instead of by a redirect that would still count as the provider's.
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import jwt
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ..errors import VhiError
from .addresses import current_addresses
from .pages import going_on_page, login_page
from .refusals import Refusal, refusal_of
from .server_context import ServerContext
from .sessions import PAGE_HEADERS, cookie_value, local_path, set_session

START, BACK = "/sign-on", "/sign-on/back"
LASTS_S = 600
_ENDED = "This sign-on was not begun in this browser, or over ten minutes ago; begin it again."


def add_sign_on(api: FastAPI, context: ServerContext) -> None:
    """The routes, which answer 404 where no provider is configured."""

    @api.get(START, include_in_schema=False)
    async def begin(request: Request, next: Annotated[str, Query(max_length=2048)] = "") -> Response:
        provider = context.needed_provider()
        following, back = local_path(next), current_addresses().url(BACK)
        try:
            started = await context.run(context.sign_on, request, LASTS_S, lambda: provider.begin(back))
        except (Refusal, VhiError) as error:
            return _login_page_with(context, following, error)
        cookie = {"state": started.state, "nonce": started.nonce, "verifier": started.verifier, "next": following}
        answer = RedirectResponse(started.url, 303)
        _set_kept(
            answer,
            request,
            context,
            jwt.encode({**cookie, "exp": int(time.time()) + LASTS_S}, context.login.sign_on_key, "HS256"),
        )
        return answer

    @api.get(BACK, include_in_schema=False)
    async def back(
        request: Request,
        code: Annotated[str, Query(max_length=4096)] = "",
        state: Annotated[str, Query(max_length=256)] = "",
        error: Annotated[str, Query(max_length=256)] = "",
    ) -> Response:
        cookie = _sign_on_cookie(request, context)
        following = local_path(str(cookie.get("next", "")))
        try:
            if error:  # some come without the state, and nobody is signed in by them
                why = error if re.fullmatch("[a-z_]{1,64}", error) else "it gave no reason"
                raise Refusal(403, f"The sign-on service let nobody in ({why}); try again, or sign in with another account.")
            if not code or not state or cookie.get("state") != state:
                raise Refusal(400, _ENDED)
            token = await _finished(request, context, code, cookie)
        except (Refusal, VhiError) as problem:
            answer: Response = _login_page_with(context, following, problem)
        else:
            answer = HTMLResponse(going_on_page(following), headers=PAGE_HEADERS)
            set_session(answer, request, context, token)
        _set_kept(answer, request, context, "")  # once
        return answer


async def _finished(request: Request, context: ServerContext, code: str, cookie: dict[str, Any]) -> str:
    """A token for who signed in at the provider; it is logged who did."""
    provider, back = context.needed_provider(), current_addresses().url(BACK)

    def finish() -> str:
        who = provider.finish(code, str(cookie["nonce"]), str(cookie["verifier"]), back)
        token = context.login.token_for_signed_on(who.name, who.role)
        context.app.service.audit.append("login", reader=who.name)
        return token

    return await context.run(context.sign_on, request, LASTS_S, finish)


def _login_page_with(context: ServerContext, following: str, problem: Exception) -> Response:
    """The login page again, with what went wrong; readers may still sign in by password."""
    refusal = refusal_of(problem)
    return HTMLResponse(login_page(following, refusal.sentence, context.sign_on_label), refusal.status, PAGE_HEADERS)


def _kept_name(request: Request, context: ServerContext) -> str:
    return f"vhi_sign_on_{context.login.instance((request.scope.get('server') or ('', None))[1])}"


def _set_kept(answer: Response, request: Request, context: ServerContext, value: str) -> None:
    addresses = current_addresses()
    answer.set_cookie(
        _kept_name(request, context),
        value,
        LASTS_S if value else 0,
        path=addresses.path(START),
        secure=addresses.is_secure,
        httponly=True,
        samesite="lax",
    )


def _sign_on_cookie(request: Request, context: ServerContext) -> dict[str, Any]:
    text = cookie_value(request.headers.get("cookie", ""), _kept_name(request, context))
    try:
        return dict(jwt.decode(text, context.login.sign_on_key, ["HS256"], options={"require": ["exp"]}))
    except jwt.InvalidTokenError:
        return {}
