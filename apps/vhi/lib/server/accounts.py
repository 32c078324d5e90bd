"""The accounts file: names, roles and salted password hashes."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import secrets
import time
import unicodedata
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

from ..errors import InputError, VhiError
from ..files import write_atomically

Role = Literal["reader", "admin"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
# of a disabled account; of one that never had a password here the sign alone
DISABLED = "!"
# of a name that has no account: the record that keeps its ended logins ended
NO_PASSWORD = ""
HASHED = re.compile(r"!?|!?scrypt\$\d{4,7}\$\d{1,2}\$\d{1,2}\$[A-Za-z0-9+/=]{16,}\$[A-Za-z0-9+/=]{44}")
SHORTEST_PASSWORD = 10
# 16 MiB and some 50 ms a guess: the cost that RFC 7914 names for logins that a person waits for
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 14, 8, 1
FORMAT = 1
log = logging.getLogger("vhi.server")


@dataclass(frozen=True)
class Account:
    """One person who may sign in.

    Attributes
    ----------
    name, role
    password : `scrypt$n$r$p$salt$hash`, base64, after a `!` where the account is disabled
    ended : when the logins of that name were ended last [seconds since 1970], so that none of them comes back; 0 for never
    """

    name: str
    role: Role
    password: str
    ended: float = 0.0

    def __post_init__(self) -> None:
        check_name(self.name)
        check_role(self.role)
        if not HASHED.fullmatch(self.password):
            raise InputError(f"The account {self.name} holds no scrypt hash; set the password again with: users add {self.name}")

    @property
    def is_disabled(self) -> bool:
        """Whether nobody may sign in under this name, at a sign-on service neither."""
        return self.password.startswith(DISABLED)

    @property
    def is_removed(self) -> bool:
        """Whether there is no account of this name, only the record that its logins have ended."""
        return self.password == NO_PASSWORD

    def disabled(self) -> Account:
        """The same, for nobody to sign in."""
        return replace(self, password=DISABLED + self.password.removeprefix(DISABLED), ended=time.time())

    def enabled(self) -> Account:
        """The same as before it was disabled; the logins that ended then stay ended."""
        return replace(self, password=self.password.removeprefix(DISABLED))

    def removed(self) -> Account:
        """No account; a login at a sign-on service that began before does not come back."""
        return Account(self.name, "reader", NO_PASSWORD, time.time())


class DisabledError(VhiError):
    """Somebody may not sign in any more."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The account {name} is disabled on this server; ask its administrator.")


class Accounts:
    """An accounts file, read again whenever it changes; where it is damaged or gone later, the accounts last read go on.

    Attributes
    ----------
    problem : str or None
        In words for anybody, why the file cannot be used now.

    Raises
    ------
    InputError
        The file is missing, unreadable or not an accounts file, at first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._accounts: dict[str, Account] = {}
        self.problem: str | None = None
        self._read()

    def find(self, name: str) -> Account | None:
        """The account of that name, if there is one."""
        with self._lock:
            try:
                self._read()
                self.problem = None
            except InputError as error:
                if self.problem is None:
                    log.error("the accounts last read go on: %s", error)
                self.problem = (
                    "The accounts file is damaged or gone; those who were in it when it was last read can still sign in."
                )
            return self._accounts.get(name)

    def _read(self) -> None:
        try:
            status = self.path.stat()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror}); make it with: users add NAME") from error
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp != self._stamp:
            self._accounts = {account.name: account for account in read_accounts(self.path)}
            self._stamp = stamp

    def sign_in(self, name: str, password: str) -> Account | None:
        """The account, when name and password are right. A wrong name takes as long as a wrong password.

        Raises
        ------
        DisabledError
            They are, and the account is disabled.
        """
        account = self.find(name)
        right = password_matches(password, (account.password.removeprefix(DISABLED) if account else "") or _NOBODY)
        if account is not None and right and account.is_disabled:
            raise DisabledError(name)
        return account if account and right else None


def check_name(name: str) -> None:
    """Raises InputError unless the name can be a reader's."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} cannot be a reader's name: up to 64 letters, digits, '.', '_', '@' or '-' are needed, a letter or "
            "digit first."
        )


def check_role(role: str) -> None:
    """Raises InputError unless the role exists."""
    if role not in get_args(Role):
        raise InputError(f"{role!r} is no role; choose one of {', '.join(get_args(Role))}.")


def hash_password(password: str) -> str:
    """Salted scrypt hash of a password.

    Raises
    ------
    InputError
        The password is too short.
    """
    password = unicodedata.normalize("NFKC", password)
    if len(password) < SHORTEST_PASSWORD:
        raise InputError(f"The password has {len(password)} characters; at least {SHORTEST_PASSWORD} are needed.")
    return _hash(password, secrets.token_bytes(16), SCRYPT_N, SCRYPT_R, SCRYPT_P)


def password_matches(password: str, hashed: str) -> bool:
    """Whether the password gives this hash, in the same time whether it does or not.

    Keyboards and systems write one letter as one or two characters, so that passwords are compared in a normal form (see
    RFC 8265). Hashes of older versions were made of a password as it was typed: its other forms are tried too.
    """
    _, n, r, p, salt, _ = hashed.split("$")
    forms = dict.fromkeys([*(unicodedata.normalize(form, password) for form in ("NFKC", "NFC", "NFD")), password])
    again = [_hash(form, base64.b64decode(salt), int(n), int(r), int(p)) for form in forms]
    matches = [secrets.compare_digest(account, hashed) for account in again]
    return any(matches)


def _hash(password: str, salt: bytes, n: int, r: int, p: int) -> str:
    digest = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)
    return "$".join(["scrypt", str(n), str(r), str(p), base64.b64encode(salt).decode(), base64.b64encode(digest).decode()])


# the hash of a password nobody has, compared with when the name is unknown
_NOBODY = _hash(secrets.token_hex(), secrets.token_bytes(16), SCRYPT_N, SCRYPT_R, SCRYPT_P)


def read_accounts(path: Path) -> list[Account]:
    """All accounts of a file.

    Raises
    ------
    InputError
        The file is missing, unreadable or not an accounts file.
    """
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise InputError(f"{path} has format {content['format']}, this version reads {FORMAT}; use the newer version.")
        accounts = [Account(**entry) for entry in content["accounts"]]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); make it with: users add NAME --accounts {path}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not an accounts file; make one with: users add NAME --accounts {path}") from error
    return accounts


def write_accounts(path: Path, accounts: list[Account]) -> None:
    """Write all accounts, whole or not at all, readable by this account alone."""
    content = {"format": FORMAT, "accounts": [_entry(account) for account in sorted(accounts, key=lambda account: account.name)]}
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode(), mode=0o600)


def _entry(account: Account) -> dict[str, object]:
    """An account as the file holds it; without what older versions cannot read, where it says nothing."""
    return {name: value for name, value in asdict(account).items() if name != "ended" or value}
