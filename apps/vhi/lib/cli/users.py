"""`users`: who may sign in to the server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

users = typer.Typer(
    help="Accounts of the server: add, list, disable, enable, remove.", no_args_is_help=True, rich_markup_mode=None
)
_Accounts = Annotated[Path, typer.Option(help="Accounts file; made when it does not exist.", show_default=False)]
_Name = Annotated[str, typer.Argument(help="Name of the account, and of the reader.", show_default=False)]


@users.command("add")
def add(
    name: _Name,
    accounts: _Accounts,
    role: Annotated[str, typer.Option(help="reader or admin.")] = "reader",
) -> None:
    """Add an account, or set another password and role for one.

    The password is asked for twice; where the input is no terminal, it is read from the first line of it.
    """
    from typing import cast

    from ..server.accounts import Account, Role, check_name, check_role, hash_password, read_accounts, write_accounts

    check_name(name)
    check_role(role)
    known = read_accounts(accounts) if accounts.exists() else []
    account = Account(name, cast(Role, role), hash_password(_ask_password(name)))
    write_accounts(accounts, [*(other for other in known if other.name != name), account])
    changed = any(other.name == name and not other.is_removed for other in known)
    typer.echo(f"{name} ({role}) {'changed' if changed else 'added'}; earlier logins of that name have ended.")


@users.command("list")
def list_users(accounts: _Accounts) -> None:
    """List the accounts."""
    from ..server.accounts import read_accounts

    for one in (account for account in read_accounts(accounts) if not account.is_removed):
        typer.echo(f"{one.name}  {one.role}{'  disabled' if one.is_disabled else ''}")


@users.command("disable")
def disable(name: _Name, accounts: _Accounts) -> None:
    """Let nobody sign in under a name, by password or at a sign-on service; their logins end."""
    from ..server.accounts import DISABLED, Account, check_name, read_accounts, write_accounts

    check_name(name)
    known = read_accounts(accounts)
    account = next((other for other in known if other.name == name), Account(name, "reader", DISABLED))
    write_accounts(accounts, [*(other for other in known if other.name != name), account.disabled()])
    typer.echo(f"{name} disabled; their logins have ended, their submissions stay.")


@users.command("enable")
def enable(name: _Name, accounts: _Accounts) -> None:
    """Let somebody sign in again as before."""
    from ..errors import InputError
    from ..server.accounts import read_accounts, write_accounts

    known = read_accounts(accounts)
    account = next((other for other in known if other.name == name and other.is_disabled), None)
    if account is None:
        raise InputError(f"{accounts} has no disabled account {name!r}; the command users list shows them.")
    write_accounts(accounts, [*(other for other in known if other.name != name), account.enabled()])
    typer.echo(f"{name} may sign in again; the logins that were ended stay ended.")


@users.command("remove")
def remove(name: _Name, accounts: _Accounts) -> None:
    """Remove an account. What that reader submitted stays."""
    from ..errors import InputError
    from ..server.accounts import read_accounts, write_accounts

    known = read_accounts(accounts)
    account = next((other for other in known if other.name == name and not other.is_removed), None)
    if account is None:
        raise InputError(f"{accounts} has no account {name!r}; the command users list shows them.")
    write_accounts(accounts, [*(other for other in known if other.name != name), account.removed()])
    typer.echo(f"{name} removed; their logins have ended, their submissions stay.")


def _ask_password(name: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
