"""The guard around MONAI Label's ASGI application: what every request passes before anything answers it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .addresses import Addresses, set_addresses
from .allowlist import CLOSED, SMALL_BODY, Allowed, find_allowed, methods_of, why_closed
from .blinded import BlindedGateway
from .config import MIB, ServerConfig, is_address, is_loopback
from .dicomweb import check_plain
from .forwarded import CONCEALED_KEY, HOST_KEY, PREFIX_KEY, Forwarded
from .gateway import ArchiveAddress, Gateway
from .health import scraper
from .identity import LOCAL, Identity, set_identity
from .login import MAY_FETCH_KEY, Login
from .metrics import CLOSED as CLOSED_ROUTE
from .metrics import Metrics
from .own_results import OwnResults
from .refusals import Refusal, body_of, refusal_of, validation_sentence
from .routes import make_routes
from .server_context import ServerContext
from .sessions import cookie_names, identity_by_cookie
from .worker_pool import GoneError, WorkerPool

logger = logging.getLogger("vhi.server")

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
}
# 3D Slicer goes on without a token where name or password were wrong, and shows this
SIGN_IN = (
    "Sign in first: nobody is signed in, name or password were wrong, or the login has ended. Open {login}, or POST name and "
    "password to {token}; 3D Slicer asks for them again at the next click."
)
PASS_OVER_S = 30.0
CORS_METHODS = "GET, HEAD, POST, PUT, DELETE"
CORS_HEADERS = "Authorization, Content-Type"
# requests that are nothing but their address; what a client says of a body there, or sends as one, counts for nothing
BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class Guard:
    """ASGI application that answers what is on the allow-list, for whom it may, and refuses the rest in one sentence.

    Parameters
    ----------
    stock : ASGI application
        MONAI Label's.
    config : ServerConfig
    archive : ArchiveAddress, optional
        The DICOMweb archive that viewers reach through this server.

    Raises
    ------
    VhiError
        The accounts file or the signing key cannot be used.
    """

    def __init__(self, stock: ASGIApp, config: ServerConfig, archive: ArchiveAddress | None = None) -> None:
        self.config = config
        self.login = Login(config)
        self.context = ServerContext(
            infer=WorkerPool("infer", config.workers, config.queue, nice=5),
            save=WorkerPool("save", 2, 64),
            quick=WorkerPool("quick", 4, 256),
            copies=WorkerPool("copies", 4, 256),
            password=WorkerPool("password", 1, 32, nice=5),
            sign_on=WorkerPool("sign-on", 2, 32),
            login=self.login,
            config=config,
        )
        self._stock = stock
        self.metrics = Metrics(self.context)
        self._own = make_routes(self.context, self.metrics, has_archive=archive is not None)
        self._gateway = Gateway(archive, self._note_stored) if archive else None
        self._own_results = OwnResults(self._gateway, self.context) if self._gateway else None
        self._blinded = BlindedGateway(self.context)
        self._behind_proxies = Forwarded(self._serve, config.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._stock(scope, receive, send)
            if self._gateway:
                await self._gateway.close()
            await self._blinded.close()
        elif scope["type"] == "http":
            await self._behind_proxies(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await RequestHandler(self, scope, receive, send).serve()

    async def dispatch(self, allowed: Allowed, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request that passed to the routes that answer it."""
        if allowed.where in ("own", "page"):
            await self._own(scope, receive, send)
            return
        if allowed.where == "archive":
            await self._to_archive(scope, receive, send)
            return
        body = await _read_all(receive)
        messages = await asyncio.wrap_future(self.context.quick.submit(lambda: _run_apart(self._stock, scope, body)))
        for message in _with_one_sentence(messages):
            await send(message)

    async def _to_archive(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._gateway is None or self._own_results is None:
            raise Refusal(403, CLOSED["/proxy"])
        open_ = self._own_results if self.context.app.service.config.hide_others else self._gateway
        await (self._blinded if self.context.is_blinded else open_)(scope, receive, send)

    async def _note_stored(self, uids: tuple[str, ...]) -> None:
        await asyncio.wrap_future(self.context.quick.submit(lambda: self.context.note_stored(uids)))


class RequestHandler:
    """One request and its answer."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self.guard, self.scope = guard, dict(scope)
        self._receive, self._send = receive, send
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            # a repeated header is joined, so that a second Host or Origin cannot hide behind the first
            self.headers[key] = (
                f"{self.headers[key]},{value.decode('latin-1')}" if key in self.headers else value.decode("latin-1")
            )
        self.method = scope["method"]
        self.address = (scope.get("client") or ("unknown",))[0]
        host = scope[HOST_KEY] or self.headers.get("host", "")
        self.addresses = guard.config.public or Addresses(f"{scope.get('scheme', 'http')}://{host}", scope[PREFIX_KEY])
        self.path = scope["path"] if methods_of(scope["path"]) else self.addresses.inner(scope["path"])
        self.allowed: Allowed | None = None
        self.identity: Identity = LOCAL
        self.cors: dict[str, str] = {}
        self._status = 0
        self._limit = self._body_left = 0
        self._sent_empty_body = self._body_over = False

    async def serve(self) -> None:
        started = time.perf_counter()
        try:
            await self._serve()
        except (
            Exception
        ) as error:  # the last line of defence: whatever went wrong, the client gets an answer and the server lives
            if not self._status:  # else the answer is on its way already
                await self._refuse(refusal_of(error))
        seconds = time.perf_counter() - started
        route = self.allowed.template if self.allowed else None
        self.guard.metrics.note(self.method, route, self._status, seconds)
        logger.info(
            "%(method)s %(route)s %(status)d %(ms).0f ms %(reader)s",
            {
                "method": self.method if self.method.isalpha() and len(self.method) < 10 else "?",
                "route": route or CLOSED_ROUTE,
                "status": self._status,
                "ms": round(seconds * 1000, 1),
                "reader": self.identity.name or "-",
            },
        )

    async def _serve(self) -> None:
        set_addresses(self.addresses)
        self._check_reach()
        self._check_host()
        self._check_origin()
        if self.method == "OPTIONS" and self.cors and methods_of(self.path):
            await self._answer(204, b"", self.cors | {"access-control-max-age": "600"})
            return
        self.allowed = self._find_route()
        self._check_length(self.allowed)
        self.identity = LOCAL if self.allowed.who == "anyone" else await self._sign_in(self.allowed)
        if self.allowed.who == "admin" and not self.identity.is_admin:
            raise Refusal(403, "This needs an administrator's account.")
        set_identity(self.identity)
        if self.allowed.where == "archive":
            check_plain(self.scope.get("raw_path") or self.path.encode())
        # the template's spelling of the trailing slash, and no Origin: CORS is settled here
        path = self.path
        if self.allowed.where != "page" or not self.allowed.matching:
            path = path.rstrip("/") + ("/" if self.allowed.template.endswith("/") else "")
        kept = [(name, value) for name, value in self.scope["headers"] if name.lower() not in (b"origin", b"authorization")]
        self.scope |= {"path": path, "raw_path": path.encode(), "headers": kept}
        await self.guard.dispatch(self.allowed, self.scope, self._counted, self._hardened)

    def _check_reach(self) -> None:
        """Without login, this machine alone is answered."""
        if self.guard.login.needed:
            return
        server = (self.scope.get("server") or ("127.0.0.1",))[0]
        if not (is_loopback(self.address) and is_loopback(server)):
            raise Refusal(403, "This server answers its own machine alone; start it with --accounts to serve others.")

    def _check_host(self) -> None:
        """Called by a name that is not ours, the request comes from a web page that rebinds DNS names to this machine."""
        public = self.guard.config.public
        known = ("localhost", *self.guard.config.hosts, *([public.host] if public else []))
        # both what a trusted proxy was asked for and what it asks for: neither may be a rebound name
        for host in [one for one in (self.headers.get("host"), self.scope[HOST_KEY]) if one] or [""]:
            name = _host_name(host)
            # an address is no name that could be rebound
            if not is_address(name) and name not in known:
                raise Refusal(400, "This server is not known by that name; start it with --allow-host NAME.")

    def _check_origin(self) -> None:
        origin = self.headers.get("origin")
        if origin is None:
            return
        hosts = (self.headers.get("host", ""), self.scope[HOST_KEY])
        own = {f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")} | {self.addresses.origin}
        if origin in self.guard.config.origins:
            self.cors = {
                "access-control-allow-origin": origin,
                "access-control-allow-methods": CORS_METHODS,
                "access-control-allow-headers": CORS_HEADERS,
                "vary": "Origin",
            }
        elif origin not in own:
            raise Refusal(403, "Web pages of that origin may not call this server; start it with --allow-origin.")

    def _find_route(self) -> Allowed:
        allowed = find_allowed(self.method, self.path)
        if allowed is not None:
            return allowed
        methods = methods_of(self.path)
        if methods:
            closed = why_closed(self.path) if self.method in ("PUT", "DELETE") else None
            raise Refusal(405, closed or f"This path takes {', '.join(methods)}.", {"Allow": ", ".join(methods)})
        closed = why_closed(self.path)
        raise (
            Refusal(403, closed)
            if closed
            else Refusal(404, f"There is nothing at that path; see {self.addresses.path('/openapi.json')}.")
        )

    def _check_length(self, allowed: Allowed) -> None:
        if self.method in BODILESS:
            # MONAI Label's client repeats the length of its last upload in every later request
            return
        self._limit = self._body_left = self.guard.config.max_body_mib * MIB if allowed.large else SMALL_BODY
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Refusal(400, "The Content-Length header is no number.")
        if int(length[:20]) > self._limit:
            raise _too_large(self._limit)

    async def _sign_in(self, allowed: Allowed) -> Identity:
        login, given = self.guard.login, self.headers.get("authorization", "")
        if not login.needed:
            return LOCAL
        if (asking := scraper(self.guard.config, allowed.template, given)) is not None:
            return asking
        if given[:6].lower() == "basic " and allowed.basic:
            job = self.guard.context.password.submit(lambda: login.identity_by_password(given, self.address))
            return await asyncio.wrap_future(job)
        names = cookie_names(login, self.scope)
        by_cookie = None if given else identity_by_cookie(login, names, self.method, self.headers)
        identity = login.identity_of(given) if given else by_cookie or self._granted(allowed)
        if identity is None:
            # a script's request must not make the browser open its own dialog over the page
            is_page = allowed.basic and self.headers.get("sec-fetch-mode", "navigate") == "navigate"
            scheme = 'Basic realm="VHI", charset="UTF-8"' if is_page else "Bearer"
            where = {"login": self.addresses.path("/login"), "token": self.addresses.path("/auth/token")}
            raise Refusal(401, SIGN_IN.format(**where), {"WWW-Authenticate": scheme})
        # browsers sign in for every request; and behind a proxy that does not tell, the address is everybody's
        self.scope[MAY_FETCH_KEY] = bool(given) and not self.scope[CONCEALED_KEY]
        return identity

    def _granted(self, allowed: Allowed) -> Identity | None:
        if allowed.template != "/datastore/image" or self.method != "GET" or self.scope[CONCEALED_KEY]:
            return None
        images = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("image", [])
        return self.guard.login.grants.take(self.address, images[0]) if len(images) == 1 else None

    async def _counted(self) -> Message:
        """The next piece of the body, unless there is more than the route takes; of a request without one, nothing."""
        if self.method in BODILESS:
            return await self._nothing()
        message = await self._receive()
        if message["type"] == "http.request":
            self._body_left -= len(message.get("body", b""))
            self._body_over = not message.get("more_body")
            if self._body_left < 0:
                raise _too_large(self._limit)
        return message

    async def _nothing(self) -> Message:
        """An empty body at once, and after that only that the client went away."""
        if not self._sent_empty_body:
            self._sent_empty_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await self._receive())["type"] != "http.disconnect":
            pass
        return message

    async def _hardened(self, message: Message) -> None:
        """Send a message of the answer; its start carries the security headers."""
        if message["type"] == "http.response.start":
            if self._body_left < 0 and message["status"] != 413:
                raise _too_large(self._limit)  # the routes took it for a body that cannot be parsed
            self._status = message["status"]
            ours = SECURITY_HEADERS | self.cors
            if self.allowed is not None and self.allowed.where == "page":
                set_there = {name.decode("latin-1").lower() for name, _ in message.get("headers", [])}
                ours = {name: value for name, value in ours.items() if name not in set_there}
            if self.method in BODILESS and self.headers.get("content-length", "0") != "0":
                ours = ours | {"connection": "close"}  # else the next request would be taken for the body that was promised
            drop = {name.encode() for name in ours} | {b"server"}
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in drop]
            message = {**message, "headers": [*kept, *((name.encode(), value.encode()) for name, value in ours.items())]}
        await self._send(message)

    async def _pass_over_body(self) -> None:
        """Take what is left of a body that is not larger than any that is taken here.

        Who still sends when the connection ends, as MONAI Label's client does, never reads why it was refused.
        """
        left = self.guard.config.max_body_mib * MIB
        length = self.headers.get("content-length", "0")
        if self.method in BODILESS or self._body_over or not (length.isascii() and length.isdigit()) or int(length[:20]) > left:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(PASS_OVER_S):
                while left >= 0 and not self._body_over:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._body_over = not message.get("more_body")

    async def _refuse(self, refusal: Refusal) -> None:
        await self._pass_over_body()
        # a body that was not read ends the connection, so that it is not taken for the next request
        await self._answer(
            refusal.status,
            body_of(refusal) if self.method != "HEAD" else b"",
            {"content-type": "application/json", "connection": "close", **refusal.headers},
        )

    async def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        encoded = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        encoded.append((b"content-length", str(len(body)).encode()))
        with suppress(OSError):
            await self._hardened({"type": "http.response.start", "status": status, "headers": encoded})
            await self._send({"type": "http.response.body", "body": body})


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The request is larger than {limit // MIB} MiB, the most that this path takes.")


def _host_name(host: str) -> str:
    """The name in a Host header, without the port; empty when it is none."""
    if not host or any(one in host for one in ",/@ \\"):
        return ""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


async def _read_all(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _run_apart(application: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    """Run one request in an event loop of this thread's own: MONAI Label's routes block the loop they run in."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(application(dict(scope), receive, send))  # type: ignore[arg-type]
    return sent


def _with_one_sentence(messages: list[Message]) -> list[Message]:
    """The same answer; where it is an error, its detail is one sentence."""
    status = messages[0]["status"]
    if status < 400:
        return messages
    body = b"".join(message.get("body", b"") for message in messages[1:])
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"MONAI Label answered with status {status}."
    raise Refusal(status, validation_sentence(detail))


def install(application: Any, config: ServerConfig | None = None, archive: ArchiveAddress | None = None) -> Guard:
    """Put the guard in front of everything that MONAI Label's FastAPI application answers. Doing it again changes nothing.

    Works before the application has started and while it starts, so that `monailabel start_server` is guarded too.

    Parameters
    ----------
    application : FastAPI
        `monailabel.app.app`.
    config, archive : optional
        Read from the environment when absent.

    Raises
    ------
    VhiError
        The configuration, the archive's address, the accounts file or the signing key cannot be used.
    """
    standing = application.middleware_stack
    if isinstance(standing, Guard):
        return standing
    config = config or ServerConfig.from_environment(os.environ)
    guard = Guard(
        standing or application.build_middleware_stack(), config, archive or ArchiveAddress.from_environment(os.environ)
    )
    application.middleware_stack = guard
    # their messages repeat requests, and with them the ids of images and series
    for name in ("monailabel", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
    if not guard.login.needed:
        logger.warning("no accounts file: requests from this machine alone are answered")
    return guard
