"""Every address that this server writes: links, redirects, the reach of cookies, the gateway's links into the archive."""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass

from ..errors import SettingsError

# one level of a path below which the server lies; nothing that climbs, nothing that needs escapes
PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}){0,8}")
_PUBLIC = re.compile(rf"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{{1,5}}))?({PREFIX.pattern})/?")
_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class Addresses:
    """How the client that asks reaches this server.

    Attributes
    ----------
    origin : as `https://host` or `https://host:8443`
    prefix : path below which the server lies there, as `/vhi`; empty for the whole host
    """

    origin: str = ""
    prefix: str = ""

    @classmethod
    def public(cls, url: str) -> Addresses:
        """Those of a configured public address.

        Raises
        ------
        SettingsError
            It is none.
        """
        match = _PUBLIC.fullmatch(url)
        if match is None or int(match[3] or 1) not in range(1, 65536):
            raise SettingsError(
                f"{url!r} is no public address; write it as https://host, https://host:8443 or https://host/prefix/, without "
                "name, password, query or escapes."
            )
        scheme, host, port, prefix = match.groups()
        # browsers leave the usual port out
        shown = f":{int(port)}" if port and str(int(port)) != _PORTS[scheme] else ""
        return cls(f"{scheme}://{host.lower()}{shown}", prefix)

    @property
    def host(self) -> str:
        """The name or address, without the port."""
        return re.sub(r":\d+$", "", self.origin.partition("://")[2]).strip("[]")

    @property
    def is_secure(self) -> bool:
        """Whether clients speak TLS."""
        return self.origin.startswith("https://")

    def path(self, path: str) -> str:
        """A path of this server as clients ask for it."""
        return self.prefix + path

    def url(self, path: str) -> str:
        """The whole address of a path of this server."""
        return self.origin + self.prefix + path

    def holds(self, path: str) -> bool:
        """Whether a path that a client names lies on this server."""
        return path.startswith(f"{self.prefix}/")

    def inner(self, path: str) -> str:
        """A path that a proxy passed on whole, without the prefix; another one as it is."""
        if not self.prefix or not f"{path}/".startswith(f"{self.prefix}/"):
            return path
        return path.removeprefix(self.prefix) or "/"


_current: ContextVar[Addresses] = ContextVar("vhi_addresses", default=Addresses())  # noqa: B039


def current_addresses() -> Addresses:
    """Those of the client whose request is being served; outside any request paths alone."""
    return _current.get()


def set_addresses(addresses: Addresses) -> None:
    """Called by the guard, once per request."""
    _current.set(addresses)
