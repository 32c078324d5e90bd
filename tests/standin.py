"""MONAI Label's application and ours, small enough to start at once: what the guard does is the same in front of them."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from lib.errors import RequestError, UnknownImageError
from lib.server.accounts import Account, hash_password, write_accounts
from lib.server.config import ServerConfig
from lib.server.gateway import ArchiveAddress
from lib.server.guard import Guard, install
from lib.server.identity import current_login
from lib.server.server_context import ServerContext
from lib.service.study_config import StudyConfig
from lib.service.submissions import ChangedNumberError

PASSWORDS = {"anna": "correct horse battery", "root": "staple of the admin"}
ROLES = {"anna": "reader", "root": "admin"}
PATIENT = "Miller-1960"


def write_known_accounts(path: Path) -> None:
    """An accounts file of anna, who reads, and root, who administrates."""
    write_accounts(path, [_account(name) for name in PASSWORDS])


@cache  # hashing a password takes long on purpose
def _account(name: str) -> Account:
    return Account(name, ROLES[name], hash_password(PASSWORDS[name]))


class Store:
    """A datastore of one image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.saved: list[tuple[str, str, bytes, dict[str, Any], str | None]] = []
        self.rated: list[tuple[str, str, str, int]] = []
        (folder / "one_T1W.nii.gz").write_bytes(b"voxels")

    def status(self) -> dict[str, Any]:
        return {"total": 1, "mean": float("nan")}

    def json(self) -> dict[str, Any]:
        return {"objects": {}}

    def datalist(self) -> list[Any]:
        return []

    def get_image_uri(self, image: str) -> str:
        if image != "one_T1W":
            raise UnknownImageError(f"There is no image {image}.")
        return str(self.folder / "one_T1W.nii.gz")

    def get_image_info(self, image: str) -> dict[str, Any]:
        return {"name": Path(self.get_image_uri(image)).name}

    def get_label_uri(self, label: str, tag: str) -> str:
        return ""

    def save_label(self, image: str, file: str, tag: str, params: dict[str, Any]) -> str:
        self.get_image_uri(image)
        if params.get("displayed"):
            numbers = {"vhi_mm3": {"sensitive": 48.0, "conservative": 24.0}, "rule": "paper"}
            raise ChangedNumberError({"result_id": params["displayed"]}, {"result_id": "f00d", **numbers})
        self.saved.append((image, Path(file).name, Path(file).read_bytes(), params, current_login()))
        return "0001-anna"

    def preview(self, image: str, file: str, params: dict[str, Any]) -> dict[str, Any]:
        self.get_image_uri(image)
        return {"result_id": "f00d", "file": Path(file).name, "who": current_login(), **params}

    def reading_info(self, image: str, reading: int, params: dict[str, Any]) -> dict[str, Any]:
        self.get_image_uri(image)
        return {"reader": current_login() or params["client_id"], "reading": reading, "dice": float("nan")}

    def reading_label(self, image: str, reading: int, params: dict[str, Any]) -> bytes:
        self.get_image_uri(image)
        return f"{current_login() or params['client_id']} {reading}".encode()

    def rate(self, image: str, rating: str, params: dict[str, Any]) -> str:
        self.get_image_uri(image)
        self.rated.append((image, rating, current_login() or params["client_id"], params["reading"]))
        return "0001-anna"


class Audit:
    """The logged events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def append(self, event: str, *, reader: str) -> None:
        self.events.append((event, reader))


class Service:
    """No cases, and an audit log."""

    def __init__(self) -> None:
        self.audit = Audit()
        self.config = StudyConfig()

    def findings(self) -> tuple[()]:
        return ()


class App:
    """An app of one model that answers when it is let."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.service = Service()
        self.folder = folder
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Semaphore(0)
        self.asked: list[dict[str, Any]] = []

    def datastore(self) -> Store:
        return self.store

    def info(self) -> dict[str, Any]:
        return {"name": "VHI", "best": float("inf")}

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"id": "one_T1W", "path": "/srv/one_T1W.nii.gz"}

    def on_save_label(self, image: str, label_id: str) -> dict[str, Any]:
        return {"messages": []}

    def infer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        self.begun.release()
        assert self.go_on.wait(30)
        if request["model"] == "broken":
            raise ZeroDivisionError(f"while reading {PATIENT}")
        if request["model"] != "vhi":
            raise RequestError("There is no such model.")
        result = self.folder / "result.nii.gz"
        result.write_bytes(b"labels")
        return {"file": str(result), "params": {"vhi_mm3": 12.5, "dice": float("nan"), "who": current_login()}}


def guarded(
    monkeypatch: pytest.MonkeyPatch, folder: Path, config: ServerConfig, archive: ArchiveAddress | None = None
) -> tuple[FastAPI, Guard, App]:
    """A stock application behind the guard."""
    app = App(folder)
    monkeypatch.setattr(ServerContext, "app", app)
    stock = FastAPI()

    @stock.get("/scoring/")
    async def scoring(check_if_running: bool = False) -> dict[str, str]:
        if check_if_running:
            raise ValueError(f"while reading {PATIENT}")
        return {"who": str(current_login())}

    @stock.post("/reload")
    async def reload() -> dict[str, str]:
        raise AssertionError("the guard let it through")

    return stock, install(stock, config, archive), app


def cookie_of(browser, kind: str = "vhi_csrf") -> str:
    """The cookie that a browser holds under a name of this server: by default the mark of its session."""
    (value,) = (value for name, value in browser.cookies.items() if name.startswith(kind))
    return str(value)


def signed_in(client, name: str = "anna") -> dict[str, str]:
    """Headers of a person who signed in."""
    answer = client.post("/auth/token", data={"username": name, "password": PASSWORDS[name], "grant_type": "password"})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"{answer.json()['token_type']} {answer.json()['access_token']}"}
