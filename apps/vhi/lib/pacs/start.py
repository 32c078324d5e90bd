"""The archive that a server is started on, by the variables that MONAI Label knows; the password is nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, SettingsError

if TYPE_CHECKING:
    from ..studies.pairing_rules import PairingRules
    from .archive_cases import PacsCases, PacsConfig

USER, PASSWORD = "MONAI_LABEL_DICOMWEB_USERNAME", "MONAI_LABEL_DICOMWEB_PASSWORD"


def is_archive(studies: str) -> bool:
    """Whether studies are named by an address, not by a folder."""
    return studies.startswith(("http://", "https://"))


def login_environment(
    user: str | None, password_file: Path | None, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The variables for a login, from what the command line and the environment say.

    Raises
    ------
    InputError
        The file cannot be read, or is empty.
    SettingsError
        A user without a password, or a password without a user.
    """
    password = environment.get(PASSWORD, "") if password_file is None else _password_in(password_file)
    user = user or environment.get(USER, "")
    if user and not password:
        raise SettingsError(f"The archive's user {user} has no password; pass --pacs-password-file, or set {PASSWORD}.")
    if password_file is not None and not user:
        raise SettingsError("--pacs-password-file needs --pacs-user.")
    return {USER: user, PASSWORD: password} if user else {}


def cases_of(url: str, data: Path, rules: PairingRules | None = None, config: PacsConfig | None = None) -> PacsCases:
    """The cases of an archive, with the login of the environment; it need not run yet.

    Raises
    ------
    SettingsError
        The address is none.
    OutputError
        The data folder cannot be used.
    """
    # here, so that a folder of studies is looked through without the packages of the server
    from .archive_cases import PacsCases, PacsConfig
    from .client import Archive, checked_url

    config = config or PacsConfig()
    user, password = os.environ.get(USER) or None, os.environ.get(PASSWORD) or None
    archive = Archive(checked_url(url), user, password, config.pacs_timeout_s)
    return PacsCases(archive, data, rules, config)


def _password_in(path: Path) -> str:
    try:
        # one line; editors end it
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"The password file {path} cannot be read ({reason}); check the path and its permissions.") from error
    if not password or "\n" in password:
        raise InputError(f"The password file {path} must hold the password alone, in one line.")
    return password
