"""Guarded stand-in applications, and accounts to sign in with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from standin import guarded, write_known_accounts


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    """An accounts file with a reader, anna, and an administrator, root."""
    path = tmp_path / "accounts.json"
    write_known_accounts(path)
    return path


@pytest.fixture
def client(monkeypatch, tmp_path) -> Callable:
    """Makes a client of a guarded stand-in server: `client(address=..., **config)`."""
    from starlette.testclient import TestClient

    from lib.server.config import ServerConfig

    def make(address: str = "127.0.0.1", base_url: str = "http://127.0.0.1:8000", **config):
        (tmp_path / "standin").mkdir(exist_ok=True)
        stock, guard, app = guarded(monkeypatch, tmp_path / "standin", ServerConfig(**config))
        made = TestClient(stock, base_url=base_url, client=(address, 50000), raise_server_exceptions=True)
        made.guard, made.vhi = guard, app
        return made

    return make
