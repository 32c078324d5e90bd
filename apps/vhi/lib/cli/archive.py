"""`archive`: the embedded DICOMweb archive as a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

PASSWORD = "VHI_ARCHIVE_PASSWORD"


def archive(
    folder: Annotated[Path, typer.Argument(help="Folder of the DICOM files; what clients store is added there.")],
    host: Annotated[str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 8042,
    user: Annotated[str | None, typer.Option(help="Name that clients must give; needed beyond this machine.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(help=f"File with the password; or the environment variable {PASSWORD}.")
    ] = None,
) -> None:
    """Serve a folder of DICOM files by DICOMweb, until Ctrl-C."""
    from ..archive import open_archive, serve_here
    from ..errors import SettingsError

    password = os.environ.get(PASSWORD)
    if password_file is not None:
        try:
            password = password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"The password file {password_file} cannot be read; check its path and permissions.") from error
    if bool(user) != bool(password):
        raise SettingsError(f"A name and a password belong together: give --user, and --password-file or {PASSWORD}.")
    served = open_archive(folder, host, port, user, password)
    for _, problem in sorted(served.skipped.items()):
        typer.echo(f"Left out: {problem}", err=True)
    ready = False

    def announce() -> None:
        nonlocal ready
        ready = True
        _announce(served.url)

    try:
        serve_here(served, announce)
    except (KeyboardInterrupt, SystemExit):
        if not ready:
            raise  # it did not start
    typer.echo("Stopped.", err=True)


def _announce(url: str) -> None:
    typer.echo(f"Serving at {url}")
    typer.echo("Stop with Ctrl-C.")
    sys.stdout.flush()
