"""What the server knows of its own state: the findings of the service, and the accounts."""

from __future__ import annotations

from ..findings import Finding
from .server_context import ServerContext


def findings_of(desk: ServerContext) -> tuple[Finding, ...]:
    """What is wrong now; nothing where all is well."""
    problem = desk.login.accounts_problem
    accounts = [] if problem is None else [Finding("accounts", problem)]
    return (*desk.app.service.findings(), *accounts)
