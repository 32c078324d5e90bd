"""Who the client is behind proxies: what trusted ones say of it counts, what anybody else says of themselves does not."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ..errors import SettingsError
from .addresses import PREFIX

logger = logging.getLogger("vhi.server")

LOOPBACK = ("127.0.0.1", "::1")
# keys of a scope
HOST_KEY, PREFIX_KEY, CONCEALED_KEY = "vhi.host", "vhi.prefix", "vhi.concealed"
_MARKS = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"forwarded", b"via")


class Forwarded:
    """ASGI application that passes requests on with the client and scheme that trusted proxies forward.

    In the scope that is passed on, `vhi.host` is the host that a trusted proxy was asked for and `vhi.prefix` the path that it
    took off, empty where it says nothing; `vhi.concealed` says that the request came through a proxy which does not tell, or
    cannot be trusted to tell, by whom it was sent, so that the address is not the client's own.

    Parameters
    ----------
    application : ASGI application
    trusted : iterable of str
        Addresses and networks of proxies.
    """

    def __init__(self, application: ASGIApp, trusted: Iterable[str]) -> None:
        # client and scheme: the last address of X-Forwarded-For that is no trusted proxy's
        self._client_and_scheme = ProxyHeadersMiddleware(application, list(trusted))  # type: ignore[arg-type]
        self._has_warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer, port = (*(scope.get("client") or ("unknown", 0)),)[:2]
        peer = plain(peer)
        is_trusted = peer in self._client_and_scheme.trusted_hosts
        names = {name.lower() for name, _ in scope["headers"]}
        # `monailabel start_server` has looked into the header for proxies of this machine before
        is_applied = _last(scope, b"x-forwarded-for") == peer
        passed = {
            **scope,
            "client": (peer, port),
            HOST_KEY: _last(scope, b"x-forwarded-host") if is_trusted else "",
            PREFIX_KEY: _prefix(scope) if is_trusted else "",
            CONCEALED_KEY: not names.isdisjoint(_MARKS) and not (is_trusted and b"x-forwarded-for" in names) and not is_applied,
        }
        if passed[CONCEALED_KEY] and not is_trusted:
            self._warn()
        await self._client_and_scheme(passed, receive, send)  # type: ignore[arg-type]

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "a request came through a proxy that is not trusted, so that the proxy's address counts as the client's; name "
                "your proxy by --trusted-proxy, see docs/deploy.md"
            )


def check_proxies(trusted: Iterable[str]) -> None:
    """Raises SettingsError unless each is an address or a network, and none is everybody."""
    for proxy in trusted:
        try:
            network = ipaddress.ip_network(proxy)
        except ValueError as error:
            raise SettingsError(
                f"{proxy!r} is no address or network of a proxy ({error}); write it as 10.0.0.5 or 172.30.80.0/24."
            ) from error
        if network.prefixlen == 0:
            raise SettingsError(
                f"{proxy} trusts every client to say who it is; name the addresses or the network of the proxies alone."
            )


def plain(address: str) -> str:
    """An IPv4 address that a socket for both protocols writes as `::ffff:10.0.0.5`, as IPv4; any other as it is."""
    try:
        mapped = getattr(ipaddress.ip_address(address), "ipv4_mapped", None)
    except ValueError:
        return address
    return str(mapped) if mapped else address


def _prefix(scope: Scope) -> str:
    prefix = _last(scope, b"x-forwarded-prefix").rstrip("/")
    return prefix if PREFIX.fullmatch(prefix) else ""


def _last(scope: Scope, header: bytes) -> str:
    """The entry of the nearest proxy in a header that every proxy may add to."""
    given = [value for name, value in scope["headers"] if name.lower() == header]
    return given[-1].rpartition(b",")[2].decode("latin-1").strip() if given else ""
