"""The routes' dependencies: the pools, the login, the configuration, and MONAI Label's application behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fastapi import Request

from ..findings import Finding
from .config import ServerConfig
from .identity import current_identity
from .login import Login
from .provider import Provider
from .refusals import Refusal
from .worker_pool import WorkerPool

T = TypeVar("T")
SAVE_TIMEOUT_S = 120.0
QUICK_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class ServerContext:
    """Pools, login, configuration and application, handed to every module of routes."""

    infer: WorkerPool
    save: WorkerPool
    quick: WorkerPool
    copies: WorkerPool
    password: WorkerPool
    sign_on: WorkerPool
    login: Login
    config: ServerConfig

    @property
    def app(self) -> Any:
        """The MONAI Label app, `VHIApp`; made when it is asked for first."""
        from monailabel.interfaces.utils.app import app_instance

        return app_instance()

    @property
    def sign_on_label(self) -> str:
        """How the sign-on service is called; empty where there is none."""
        return self.login.provider.settings.label if self.login.provider else ""

    def needed_provider(self) -> Provider:
        """The sign-on service.

        Raises
        ------
        Refusal
            404: there is none.
        """
        if self.login.provider is None:
            raise Refusal(404, "This server has no sign-on service; sign in with a name and password.")
        return self.login.provider

    @property
    def is_blinded(self) -> bool:
        """Whether readers must not see names and dates."""
        return bool(self.app.service.config.blinded)

    @property
    def language(self) -> str:
        """Of the words in the pages that readers work in."""
        return str(self.app.service.config.language)

    def findings(self) -> tuple[Finding, ...]:
        """Findings about the server now, the service and the accounts; empty where all is well."""
        problem = self.login.accounts_problem
        accounts = [] if problem is None else [Finding("accounts", problem)]
        return (*self.app.service.findings(), *accounts)

    async def run(self, pool: WorkerPool, request: Request, timeout_s: float, work: Callable[[], T]) -> T:
        """The result of work in a pool, while the client waits for it."""
        return await pool.run(work, partial(_gone, request), timeout_s)

    async def quickly(self, request: Request, work: Callable[[], T]) -> T:
        """The result of work that takes no time worth speaking of, beside what does."""
        return await self.run(self.quick, request, QUICK_TIMEOUT_S, work)

    async def save_for(self, request: Request, work: Callable[[], T]) -> T:
        """The result of work that keeps something."""
        return await self.run(self.save, request, SAVE_TIMEOUT_S, work)

    async def token_for(self, request: Request, name: str, password: str) -> str:
        """A token for a name and password; who signed in is logged.

        Raises
        ------
        Refusal
            401 for a wrong name or password, 429 after too many.
        """

        def issue() -> str:
            token = self.login.token_for(name, password, address_of(request))
            self.app.service.audit.append("login", reader=name)
            return token

        return await self.run(self.password, request, QUICK_TIMEOUT_S, issue)

    def note_stored(self, uids: tuple[str, ...]) -> None:
        """Log that the person who asks stored something in the archive through the gateway."""
        who = current_identity()
        self.app.service.audit.append("stored in archive", reader=who.name or "local")
        archive_sync = getattr(self.app, "archive_sync", None)
        if archive_sync is not None and who.name and not who.is_admin:  # an administrator may store what another one read
            archive_sync.corrections.note_sender(uids, who.name)


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


async def _gone(request: Request) -> None:
    """Returns when the client is no longer there; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
