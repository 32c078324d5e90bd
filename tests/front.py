"""The guard with its gateway, in a thread of this process, in front of an archive; MONAI Label's application is a stand-in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from lib.server.config import ServerConfig
from lib.server.gateway import ArchiveAddress
from standin import PASSWORDS, App, guarded, write_known_accounts


@dataclass(frozen=True)
class Front:
    """A running guard: its address, and the stand-in behind it."""

    url: str
    app: App

    @property
    def dicomweb(self) -> str:
        """The address that the bundled viewer uses."""
        return f"{self.url}/proxy/dicom/wado"

    def session(self, name: str | None = "anna") -> requests.Session:
        """Requests of a person who signed in; of nobody for None."""
        session = requests.Session()
        if name:
            form = {"username": name, "password": PASSWORDS[name], "grant_type": "password"}
            token = session.post(f"{self.url}/auth/token", data=form, timeout=30).json()
            session.headers["Authorization"] = f"Bearer {token['access_token']}"
        return session


@contextmanager
def in_front_of(archive: ArchiveAddress | None, folder: Path, **config: Any) -> Iterator[Front]:
    """Serve on a free loopback port, with the accounts of `standin` unless `accounts=None` is passed."""
    import uvicorn

    folder.mkdir(parents=True, exist_ok=True)
    if "accounts" not in config:
        config["accounts"] = folder / "accounts.json"
        write_known_accounts(config["accounts"])
    with pytest.MonkeyPatch.context() as patch:
        stock, _, app = guarded(patch, folder, ServerConfig(**config), archive)
        server = uvicorn.Server(
            uvicorn.Config(
                stock, host="127.0.0.1", port=0, log_config=None, server_header=False, proxy_headers=False, lifespan="on"
            )
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            until = time.monotonic() + 30
            while not server.started:
                if not thread.is_alive() or time.monotonic() > until:
                    raise RuntimeError("the guard did not start")
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Front(f"http://127.0.0.1:{port}", app)
        finally:
            server.should_exit = True
            thread.join(20)
