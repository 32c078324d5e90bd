"""Settings of the server: given by `serve`, or by environment variables when MONAI Label starts it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import PositiveFloat, PositiveInt, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ..errors import SettingsError
from .addresses import Addresses
from .forwarded import LOOPBACK, check_proxies

PREFIX = "VHI_SERVER_"
ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")
MIB = 1 << 20
SHORTEST_TOKEN = 16
Names = Annotated[tuple[str, ...], NoDecode]


class ServerConfig(BaseSettings):
    """Settings of the server; one that is not given is read from `VHI_SERVER_<NAME>`, lists separated by commas.

    Raises
    ------
    SettingsError
        A value that is none, or settings that do not go together.

    Attributes
    ----------
    accounts : accounts file; None asks for no login, and answers this machine alone
    secret : file of the signing key; beside the accounts file when None
    hosts : names and addresses that clients may call the server by, beside the loopback ones
    origins : web pages that may call the server, as `https://viewer.example`, beside the server's own
    workers : inferences at once
    queue : inferences that may wait; more are told to come back
    max_body_mib : largest request body
    inference_timeout_s : how long a client waits for an inference, waiting in the queue included
    token_hours : how long a login lasts
    viewer : folder of another build of the OHIF viewer; MONAI Label's own when None
    train_by : who may start and stop training where there are accounts: "admin" or "reader"
    public_url : where clients reach the server, as `https://host/prefix/`; as each request says when empty
    sign_on : file that describes a provider of OpenID Connect, see `lib.server.provider_settings`
    trusted_proxies : addresses and networks whose forwarded headers are believed
    metrics_token : file with the token that Prometheus shows at /vhi/metrics; None for administrators alone
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    accounts: Path | None = None
    secret: Path | None = None
    hosts: Names = ()
    origins: Names = ()
    workers: PositiveInt = 1
    queue: PositiveInt = 32
    max_body_mib: PositiveInt = 64
    inference_timeout_s: PositiveFloat = 600.0
    token_hours: PositiveFloat = 12.0
    viewer: Path | None = None
    train_by: str = "admin"
    public_url: str = ""
    trusted_proxies: Names = LOOPBACK
    sign_on: Path | None = None
    metrics_token: Path | None = None

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise SettingsError(_sentence(error)) from error

    @field_validator("hosts", "origins", "trusted_proxies", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> ServerConfig:
        if self.train_by not in ("admin", "reader"):
            raise SettingsError(f"train_by = {self.train_by!r}; it must be admin or reader.")
        for origin in self.origins:
            if not ORIGIN.fullmatch(origin):
                raise SettingsError(f"{origin!r} is no origin; write it as https://viewer.example or http://host:port, no path.")
        if self.sign_on is not None and self.accounts is None:
            raise SettingsError("--sign-on needs --accounts: 3D Slicer signs in by the accounts of this server.")
        check_proxies(self.trusted_proxies)
        if self.public_url:
            Addresses.public(self.public_url)
        return self

    @property
    def public(self) -> Addresses | None:
        """The configured public address."""
        return Addresses.public(self.public_url) if self.public_url else None

    @property
    def secret_file(self) -> Path | None:
        if self.accounts is None:
            return None
        return self.secret or self.accounts.with_name(f"{self.accounts.name}.secret")

    @property
    def ended_file(self) -> Path | None:
        """Keeps which logins have ended."""
        return None if self.accounts is None else self.accounts.with_name(f"{self.accounts.name}.ended")

    def read_metrics_token(self) -> str:
        """The token that Prometheus shows; empty where there is none.

        Raises
        ------
        SettingsError
            Its file cannot be read, or holds less than a token.
        """
        if self.metrics_token is None:
            return ""
        try:
            token = self.metrics_token.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self.metrics_token} cannot be read ({error}); put the token of the metrics there.") from error
        if len(token) < SHORTEST_TOKEN:
            raise SettingsError(
                f"{self.metrics_token} holds {len(token)} characters; a token has at least {SHORTEST_TOKEN}. Make one with: "
                "openssl rand -hex 24"
            )
        return token

    def to_environment(self) -> dict[str, str]:
        """The variables that `from_environment` reads, for what differs from the defaults."""
        return {
            PREFIX + name.upper(): ",".join(value) if isinstance(value, tuple) else str(value)
            for name, value in self.model_dump(exclude_defaults=True).items()
        }

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ServerConfig:
        """Raises SettingsError for a variable that is unknown or out of range."""
        given = {name.removeprefix(PREFIX).lower(): text for name, text in environment.items() if name.startswith(PREFIX)}
        unknown = sorted(given.keys() - cls.model_fields.keys())
        if unknown:
            known = ", ".join(PREFIX + field.upper() for field in cls.model_fields)
            raise SettingsError(f"{PREFIX}{unknown[0].upper()} is unknown; known are {known}.")
        return cls(**given)


def _sentence(error: ValidationError) -> str:
    """The first thing that pydantic objects to, as a sentence."""
    first = error.errors(include_url=False)[0]
    name, value = str(first["loc"][0]), first["input"]
    return f"{name} = {value!r} cannot be used ({first['msg']}); give another value, also where {PREFIX}{name.upper()} gives it."


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    if host == "localhost":
        return True
    address = _address(host)
    return address is not None and (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_address(host: str) -> bool:
    """Whether the host is written as an IP address."""
    return _address(host) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
