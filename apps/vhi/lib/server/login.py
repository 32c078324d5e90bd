"""Signing in: by password for a token, and by what a request carries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import secrets
from threading import Lock

from cachetools import TTLCache

from .accounts import Account, Accounts, DisabledError, Role
from .config import ServerConfig
from .identity import LOCAL, FailedLogins, Identity, Tokens, read_or_create_secret
from .provider import Provider
from .provider_settings import ProviderSettings
from .refusals import Refusal

LONGEST_PASSWORD = 1024
REMEMBER_S = 300.0
GRANT_S = 60.0
# key of a scope: whether a case that is handed out may be fetched without a token, see `Grants`
MAY_FETCH_KEY = "vhi.may_fetch"
_REMEMBERED = 10_000
NO_ACCOUNTS = "This server has no accounts: nobody signs in."


class Login:
    """Who may come in.

    Parameters
    ----------
    config : ServerConfig

    Raises
    ------
    VhiError
        The accounts file or the signing key cannot be used.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.failures = FailedLogins()
        self.grants = Grants()
        self._accounts = Accounts(config.accounts) if config.accounts else None
        self._secret = read_or_create_secret(config.secret_file) if config.secret_file else b""
        self.provider = Provider(ProviderSettings.read(config.sign_on)) if config.sign_on else None
        issuer = self.provider.settings.issuer if self.provider else ""
        lifetime_s, ended_file = config.token_hours * 3600, config.ended_file
        self._tokens = Tokens(self._accounts, self._secret, lifetime_s, issuer, ended_file) if self._accounts else None
        self._known: TTLCache[bytes, tuple[str, str]] = TTLCache(_REMEMBERED, REMEMBER_S)
        self._pepper = secrets.token_bytes(16)
        self._lock = Lock()

    @property
    def accounts_problem(self) -> str | None:
        """Why the accounts file cannot be used now, in words for anybody."""
        if self._accounts is None:
            return None
        self._accounts.find("")
        return self._accounts.problem

    @property
    def needed(self) -> bool:
        """Whether anybody must sign in."""
        return self._accounts is not None

    def token_for(self, name: str, password: str, address: str) -> str:
        """A token for a name and password; slow on purpose, call it off the event loop.

        Raises
        ------
        Refusal
            401 for a wrong name or password, 429 after too many.
        """
        account = self._sign_in(name, password, address)
        return self._signing.issue(account)

    def token_for_signed_on(self, name: str, role: Role) -> str:
        """A token for who signed in at the provider.

        Raises
        ------
        DisabledError
        """
        return self._signing.issue_signed_on(name, role)

    @property
    def _signing(self) -> Tokens:
        if self._tokens is None:
            raise Refusal(404, NO_ACCOUNTS)
        return self._tokens

    @property
    def sign_on_key(self) -> bytes:
        """The key of what waits in a browser while somebody signs in at the provider; sessions have another."""
        return hmac.new(self._secret, b"sign-on", hashlib.sha256).digest()

    def identity_of(self, authorization: str) -> Identity | None:
        """Who holds the bearer token of an Authorization header; None when it proves nobody."""
        scheme, _, token = authorization.partition(" ")
        return self.identity_of_token(token.strip()) if scheme.lower() == "bearer" or not self.needed else None

    def identity_of_token(self, token: str) -> Identity | None:
        """Who holds a token; None when it proves nobody."""
        return self._tokens.identity_of(token) if self._tokens else LOCAL

    def mark_of(self, who: Identity) -> str:
        """The mark that scripts of our own pages send along with a token that is in a cookie, see `lib.server.sessions`."""
        return self._tokens.mark_of(who.session) if self._tokens and who.session else ""

    def end(self, who: Identity) -> None:
        """Sign out: the session's token proves nobody any more, however it is written."""
        if self._tokens and who.session:
            self._tokens.end(who.session)

    def instance(self, port: int | None) -> str:
        """Names this server among those on the same host, which browsers send the same cookies to."""
        return hmac.new(self._secret, f"cookies at {port}".encode(), hashlib.sha256).hexdigest()[:8]

    def identity_by_password(self, authorization: str, address: str) -> Identity:
        """Who a Basic Authorization header names; slow the first time, call it off the event loop.

        Raises
        ------
        Refusal
        """
        key = hashlib.sha256(self._pepper + authorization.encode()).digest()
        with self._lock:
            name, hashed = self._known.get(key, ("", ""))
        account = self._accounts.find(name) if self._accounts and name else None
        if account is None or account.password != hashed:
            account = self._sign_in(*_basic(authorization), address)
            with self._lock:
                self._known[key] = (account.name, account.password)
        return Identity(account.name, account.role)

    def _sign_in(self, name: str, password: str, address: str) -> Account:
        if self._accounts is None:
            raise Refusal(404, NO_ACCOUNTS)
        name = name[:LONGEST_PASSWORD]
        wait_s = self.failures.wait_s(address, name)
        if wait_s > 0:
            seconds = str(math.ceil(wait_s))
            raise Refusal(429, f"Too many wrong passwords; try again in {seconds} seconds.", {"Retry-After": seconds})
        account = None
        if len(password) <= LONGEST_PASSWORD:
            # counted before the slow comparison, so that guesses sent at once do not all slip through
            self.failures.failed(address, name)
            try:
                account = self._accounts.sign_in(name, password)
            except DisabledError as error:
                raise Refusal(403, str(error)) from error
        if account is None:
            raise Refusal(401, "Name or password is wrong.", {"WWW-Authenticate": "Bearer"})
        self.failures.succeeded(address, name)
        return account


class Grants:
    """Which images a client that was handed a case may fetch without a token.

    3D Slicer's MONAI Label module signs in for every request but one: right after it was handed the next sample it fetches that
    image with a plain download, whose address it makes itself and which carries no token. So whoever was just handed a case may
    fetch that one image, once, from the same address, within a minute.
    """

    def __init__(self) -> None:
        self._granted: TTLCache[tuple[str, str], Identity] = TTLCache(_REMEMBERED, GRANT_S)
        self._lock = Lock()

    def give(self, address: str, image_id: str, identity: Identity) -> None:
        with self._lock:
            self._granted[address, image_id] = identity

    def take(self, address: str, image_id: str) -> Identity | None:
        """Who was handed that image at that address; asked again, nobody."""
        with self._lock:
            return self._granted.pop((address, image_id), None)


def _basic(authorization: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(authorization.partition(" ")[2], validate=True).decode().partition(":")
    except ValueError as error:
        raise Refusal(401, "The Authorization header cannot be read.", {"WWW-Authenticate": "Basic"}) from error
    return name, password
