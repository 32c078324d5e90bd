"""Who is asking: the login of the request being served, and the tokens that prove it."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from collections import OrderedDict
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import jwt

from ..errors import InputError, OutputError
from ..files import output_error, write_atomically
from ..records import NUMBER, read_remakable
from .accounts import Account, Accounts, DisabledError, Role

ALGORITHM = "HS256"
SECRET_BYTES = 32
# how far the clock may be set back without ending the logins that were made before
LEEWAY_S = 300.0
log = logging.getLogger("vhi.server")

_identity: ContextVar[Identity | None] = ContextVar("vhi_identity", default=None)


@dataclass(frozen=True)
class Identity:
    """The user who asks.

    Attributes
    ----------
    name : the login; None without login (a server on loopback that asks for none)
    role : what they may do
    session : id of the token that proved it; empty without one
    is_signed_on : whether a provider of OpenID Connect said so, not an account of this server
    """

    name: str | None
    role: Role
    session: str = field(default="", compare=False)
    is_signed_on: bool = field(default=False, compare=False)

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


# without login the server answers the one person at this machine, who owns its files anyway
LOCAL = Identity(None, "admin")


def current_identity() -> Identity:
    """Who the request being served comes from; the person at this machine outside any request.

    Worker threads of the server see the identity of the request they work for.
    """
    return _identity.get() or LOCAL


def current_login() -> str | None:
    """The login of the request being served; None where the server asks for none."""
    return current_identity().name


def set_identity(identity: Identity) -> None:
    """Called by the guard, once per request."""
    _identity.set(identity)


class Tokens:
    """Signed tokens that expire, and that end when the account's password or role changes or the account is removed.

    Parameters
    ----------
    accounts : Accounts
    secret : bytes
        The server's signing key.
    lifetime_s : float
    issuer : str
        The provider of OpenID Connect whose sign-ons are believed; empty for none.
    ended_file : Path, optional
        Keeps the sessions that have ended over a restart; in memory alone when absent.
    """

    def __init__(
        self, accounts: Accounts, secret: bytes, lifetime_s: float, issuer: str = "", ended_file: Path | None = None
    ) -> None:
        self._accounts = accounts
        self._issuer = issuer
        self._secret = secret
        self._lifetime_s = lifetime_s
        self._ended_file = ended_file
        self._ended: dict[str, float] = {}
        if ended_file is not None and (record := read_remakable(ended_file, ended=dict)) is not None:
            self._ended = {session: until for session, until in record["ended"].items() if isinstance(until, NUMBER)}
        self._lock = Lock()

    def issue(self, account: Account) -> str:
        """A token for this account."""
        return self._issue({"sub": account.name, "mark": _mark(account)})

    def issue_signed_on(self, name: str, role: Role) -> str:
        """A token for who signed in at the provider. It ends too when an account of that name is made, changed or disabled.

        Raises
        ------
        DisabledError
            An account of that name is disabled here.
        """
        account = self._accounts.find(name)
        if account is not None and account.is_disabled:
            raise DisabledError(name)
        return self._issue({"sub": name, "mark": self._mark_signed_on(account, role), "role": role})

    def _issue(self, claims: dict[str, str]) -> str:
        now = time.time()
        lasting = {"jti": secrets.token_urlsafe(16), "iat": int(now), "exp": int(now + self._lifetime_s)}
        return jwt.encode({**claims, **lasting}, self._secret, algorithm=ALGORITHM)

    def identity_of(self, token: str) -> Identity | None:
        """Who holds this token; None when it is forged, expired, ended, or the account has changed.

        When it was issued does not count, since the clock may have been set back since then; that it reaches no further from now
        than a token lasts does.
        """
        options = {"require": ["exp", "sub", "mark", "jti"], "verify_iat": False}
        try:
            claims = jwt.decode(token, self._secret, algorithms=[ALGORITHM], options=options)  # type: ignore[arg-type]
        except jwt.InvalidTokenError:
            return None
        if claims["jti"] in self._ended or claims["exp"] > time.time() + self._lifetime_s + LEEWAY_S:
            return None
        return self._identity_by(claims)

    def _identity_by(self, claims: dict[str, Any]) -> Identity | None:
        account, signed_on = self._accounts.find(claims["sub"]), claims.get("role")
        if account is not None and account.is_disabled:
            return None
        if signed_on is not None and self._issuer:
            mark, identity = self._mark_signed_on(account, signed_on), Identity(claims["sub"], signed_on, claims["jti"], True)
        elif signed_on is None and account is not None:
            mark, identity = _mark(account), Identity(account.name, account.role, claims["jti"])
        else:
            return None
        return identity if secrets.compare_digest(mark, str(claims["mark"])) else None

    def _mark_signed_on(self, account: Account | None, role: str) -> str:
        known = f"{account.password}{account.ended or ''}" if account else ""
        return hashlib.sha256(f"{self._issuer}|{known}|{role}".encode()).hexdigest()[:16]

    def mark_of(self, session: str) -> str:
        """Names a session without letting anybody use it, and can be made by this server alone."""
        return hmac.new(self._secret, b"mark of " + session.encode(), hashlib.sha256).hexdigest()

    def end(self, session: str) -> None:
        """End a session: none of its tokens proves anybody any more. Where that cannot be kept on disk, the log says so."""
        now = time.time()
        with self._lock:
            current = {ended: until for ended, until in self._ended.items() if until > now}
            self._ended = current | {session: now + self._lifetime_s + LEEWAY_S}
            if self._ended_file is None:
                return
            try:
                write_atomically(self._ended_file, json.dumps({"ended": self._ended}).encode(), 0o600)
            except OutputError as error:
                log.warning("A session that has ended would be believed again after a restart. %s", error)


def _mark(account: Account) -> str:
    """Changes with the password, the role and the end of all logins, and tells nothing about any."""
    return hashlib.sha256(f"{account.password}|{account.role}{account.ended or ''}".encode()).hexdigest()[:16]


def read_or_create_secret(path: Path) -> bytes:
    """The server's signing key, made on first use, readable by the server's account alone.

    Raises
    ------
    InputError
        It is too short, or others may read it.
    OutputError
        It cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise output_error(path, error) from error
    else:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
    if path.stat().st_mode & 0o077:
        raise InputError(f"{path} can be read by others, so that anyone could sign in as anyone; run: chmod 600 {path}")
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise InputError(f"{path} holds {len(secret)} bytes, {SECRET_BYTES} are needed; delete it, the server makes a new one.")
    return secret


class FailedLogins:
    """Counts failed logins and says how long to wait; memory is bounded.

    Counted per client address and account: a stranger who guesses at an account slows down themselves, not its owner. And per
    client address, ten times as many: guessing at many accounts.
    """

    def __init__(self, allowed: int = 5, window_s: float = 300.0, remembered: int = 10_000) -> None:
        self._allowed = allowed
        self._window_s = window_s
        self._remembered = remembered
        self._failures: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self._lock = Lock()

    def wait_s(self, address: str, name: str) -> float:
        """Seconds until this address may try this account again; 0 when it may."""
        now = time.monotonic()
        with self._lock:
            waits = [self._wait_s((address, name), self._allowed, now), self._wait_s((address, ""), 10 * self._allowed, now)]
        return max(waits)

    def failed(self, address: str, name: str) -> None:
        now = time.monotonic()
        with self._lock:
            for key in ((address, name), (address, "")):
                recent = [at for at in self._failures.pop(key, []) if now - at < self._window_s]
                self._failures[key] = [*recent, now][-10 * self._allowed :]
            while len(self._failures) > self._remembered:
                self._failures.popitem(last=False)

    def succeeded(self, address: str, name: str) -> None:
        """The try that was counted last as failed was none: forget it, and those at this account."""
        with self._lock:
            self._failures.pop((address, name), None)
            # one alone: who has an account of their own must not clear their guesses at others by it
            if overall := self._failures.get((address, "")):
                overall.pop()

    def _wait_s(self, key: tuple[str, str], allowed: int, now: float) -> float:
        recent = [at for at in self._failures.get(key, []) if now - at < self._window_s]
        return 0.0 if len(recent) < allowed else self._window_s - (now - recent[-allowed])
