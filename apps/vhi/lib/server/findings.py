"""Findings about the server itself: those of the service, and the accounts."""

from __future__ import annotations

from ..findings import Finding
from .server_context import ServerContext


def findings_of(context: ServerContext) -> tuple[Finding, ...]:
    """The findings now; empty where all is well."""
    problem = context.login.accounts_problem
    accounts = [] if problem is None else [Finding("accounts", problem)]
    return (*context.app.service.findings(), *accounts)
