"""A site's settings of its provider of OpenID Connect, in a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from ..errors import InputError, SettingsError
from .accounts import Role
from .config import is_loopback


@dataclass(frozen=True)
class ProviderSettings:
    """A site's settings of its provider, in a TOML file; `deploy/sign-on.toml` is one.

    Attributes
    ----------
    issuer : the provider's address, as it names itself
    client_id, client_secret : of this server, as registered there; the secret is read from `client_secret_file`, if there is one
    roles : values of the role claim -> reader or admin
    role_claim : claim that holds them, a text or a list; dots lead into objects
    name_claim : claim that names the reader
    scope : what is asked for
    label : how the login page calls the provider
    """

    issuer: str
    client_id: str
    roles: Mapping[str, Role]
    role_claim: str = "groups"
    name_claim: str = "preferred_username"
    scope: str = "openid profile"
    label: str = "your institution's account"
    client_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))):
            raise SettingsError(f"issuer = {self.issuer!r} is no provider's address; it must begin with https://.")
        if "openid" not in self.scope.split():
            raise SettingsError(f"scope = {self.scope!r} does not hold openid, without which providers do not say who signed in.")
        wrong = sorted({str(role) for role in self.roles.values()} - set(get_args(Role)))
        if wrong or not self.roles:
            raise SettingsError(
                f"roles holds {', '.join(map(repr, wrong)) or 'nothing'}; values of the claim {self.role_claim} must be given "
                "reader or admin."
            )

    @classmethod
    def read(cls, path: Path) -> ProviderSettings:
        """Those of a file.

        Raises
        ------
        InputError
            It, or the secret's, cannot be read.
        SettingsError
            A setting is missing, unknown or out of range.
        """
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
            if "client_secret_file" in given:
                given["client_secret"] = Path(given.pop("client_secret_file")).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read ({error.strerror}); --sign-on needs it.") from error
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is no TOML file ({error}); deploy/sign-on.toml shows one.") from error
        kinds = {name: dict if name == "roles" else str for name in cls.__dataclass_fields__}
        for name, value in given.items():
            if not isinstance(value, kinds.get(name, ())):
                raise SettingsError(f"{path}: {name} = {value!r} is no setting of sign-on; deploy/sign-on.toml shows them.")
        missing = sorted({"issuer", "client_id", "roles"} - set(given))
        if missing:
            raise SettingsError(f"{path} names no {missing[0]}; deploy/sign-on.toml shows how.")
        return cls(**given)

    @property
    def host(self) -> str:
        """Where it is, for sentences."""
        return urlsplit(self.issuer).netloc
