"""Who is asking: the login of the request being served, and the tokens that prove it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import jwt

from ..errors import InputError
from ..files import output_error
from .accounts import Account, Accounts, Role

ALGORITHM = "HS256"
SECRET_BYTES = 32

_identity: ContextVar[Identity | None] = ContextVar("vhi_identity", default=None)


@dataclass(frozen=True)
class Identity:
    """Who is asking.

    Attributes
    ----------
    name : the login; None without login (a server on loopback that asks for none)
    role : what they may do
    """

    name: str | None
    role: Role

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
    """

    def __init__(self, accounts: Accounts, secret: bytes, lifetime_s: float) -> None:
        self._accounts = accounts
        self._secret = secret
        self._lifetime_s = lifetime_s
        self._ended: dict[str, float] = {}
        self._lock = Lock()

    def issue(self, account: Account) -> str:
        """A token for this account."""
        now = time.time()
        claims = {"sub": account.name, "mark": _mark(account), "iat": int(now), "exp": int(now + self._lifetime_s)}
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def identity_of(self, token: str) -> Identity | None:
        """Who holds this token; None when it is forged, expired, ended, or the account has changed."""
        if self.mark_of(token) in self._ended:
            return None
        try:
            claims = jwt.decode(token, self._secret, algorithms=[ALGORITHM], options={"require": ["exp", "sub", "mark"]})
        except jwt.InvalidTokenError:
            return None
        account = self._accounts.find(claims["sub"])
        if account is None or not secrets.compare_digest(_mark(account), str(claims["mark"])):
            return None
        return Identity(account.name, account.role)

    def mark_of(self, token: str) -> str:
        """Names a token without letting anybody use it, and can be made by this server alone."""
        return hmac.new(self._secret, b"mark of " + token.encode(), hashlib.sha256).hexdigest()

    def end(self, token: str) -> None:
        """From now on this token proves nobody, until the server is started again."""
        if self.identity_of(token) is not None:
            now = time.time()
            with self._lock:
                current = {mark: until for mark, until in self._ended.items() if until > now}
                self._ended = current | {self.mark_of(token): now + self._lifetime_s}


def _mark(account: Account) -> str:
    """Changes with the password and the role, and tells nothing about either."""
    return hashlib.sha256(f"{account.password}|{account.role}".encode()).hexdigest()[:16]


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
        with self._lock:
            self._failures.pop((address, name), None)

    def _wait_s(self, key: tuple[str, str], allowed: int, now: float) -> float:
        recent = [at for at in self._failures.get(key, []) if now - at < self._window_s]
        return 0.0 if len(recent) < allowed else self._window_s - (now - recent[-allowed])
