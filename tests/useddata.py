"""A data folder that a server has used, damaged file by file, and the server's routes asked over it in this process."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from fastapi import FastAPI
from starlette.testclient import TestClient

from lib.readings.data_folder import make_folder
from lib.records import write_json
from lib.retraining.holdout import HoldOut
from lib.retraining.retraining_folder import RetrainingFolder
from lib.server.config import ServerConfig
from lib.server.guard import install
from lib.server.server_context import ServerContext
from lib.service.service import MODEL_DIR
from lib.versions.site import adopt_live
from study_folder import BONE, INFLAMMATION, REGION, StudyFolder

APP = Path(__file__).parents[1] / "apps" / "vhi"
DAMAGES = ("absent", "empty", "cut", "other bytes", "other object")
ROUTES = ("start", "info", "next", "open", "submit", "report", "train", "health", "cases")


def used_folder(folder: Path) -> StudyFolder:
    """Three handmade cases: `a` read, amended, shared and begun again, `b` read, `c` handed out; with models and a session."""
    study_folder = StudyFolder(folder / "studies")
    for name in "abc":
        study_folder.add_case(name)
    data = study_folder.folder / ".vhi"
    service = study_folder.service(several_readers=True)
    for name in "ab":
        assert service.next_case("anna") is not None
        study_folder.draw_regions(service, f"{name}_STIR")
        service.vhi(f"{name}_STIR", "anna", {})
        kept = study_folder.lesions == 1
        study_folder.submit(service, (INFLAMMATION, kept), image=f"{name}_STIR", rating="corrected")
        service.vhi(f"{name}_STIR", "anna", {})
    service.share("a_STIR", "0001-anna", [REGION], admin="chief")
    service.drafting.save("a_STIR", "ben", 1, {"clicks": []}, _runs(study_folder), None)
    assert service.next_case("ben") is not None
    make_folder(service.leases.root.parent / "reviews")
    write_json(data / "reviews" / "a.json", {"anna": {"version": "1", "labels": ["0001-anna"]}})
    adopt_live(data, MODEL_DIR)
    folders = RetrainingFolder(data)
    make_folder(folders.root)
    HoldOut(folders.root, 0.2).write_down({"a": "a", "b": "b"})
    folders.write_progress({"state": "accepted", "session": "s1", "version": "v", "parent": "p", "learnt": ["a"]})
    folders.note_check({"case": "a", "submission": "0001-anna", "label_id": "x", "state": "passed", "reasons": []})
    make_folder(folders.history / "s1")
    ended = {"state": "rejected", "session": "s1", "begun": "2025-01-01T00:00:00+00:00", "ended": "2025-01-01T01:00:00+00:00"}
    write_json(folders.history / "s1" / "result.json", ended)
    return study_folder


def files_of(data: Path) -> list[str]:
    """Every file of a data folder but the locks, which hold nothing."""
    paths = (path for path in sorted(data.rglob("*")) if path.is_file() and "lock" not in path.name)
    return [str(path.relative_to(data)) for path in paths]


def copy_of(study_folder: StudyFolder, folder: Path) -> StudyFolder:
    """The same again, by links: a file is damaged by putting another one in its place."""
    shutil.copytree(study_folder.folder, folder / "studies", copy_function=os.link)
    for log in (folder / "studies" / ".vhi").glob("audit.jsonl"):  # the one file that is appended to
        content = log.read_bytes()
        log.unlink()
        log.write_bytes(content)
    copied = object.__new__(StudyFolder)
    copied.folder, copied.truth = folder / "studies", study_folder.truth
    return copied


def damage(path: Path, how: str) -> None:
    """Put something else in the place of a file."""
    content = path.read_bytes()
    path.unlink()
    if how == "absent":
        return
    other = {"empty": b"", "cut": content[: len(content) // 2], "other object": b'{"other": 1}'}
    path.write_bytes(other.get(how, bytes(byte ^ 0x5A for byte in content[:4096])))


def case_of(file: str) -> str | None:
    """The case that a file belongs to; None where it belongs to none, or can be made anew."""
    parts = Path(file).parts
    return parts[1] if parts[0] == "cases" else None


@contextmanager
def asking(monkeypatch: Any, study_folder: StudyFolder, **settings: str) -> Iterator[TestClient]:
    """A client of the guarded app over a folder."""
    from main import VHIApp

    conf = {"data": str(study_folder.folder / ".vhi"), "models": str(MODEL_DIR), "several_readers": "true", **settings}
    app = VHIApp(str(APP), str(study_folder.folder), conf)
    app.on_init_complete = lambda: None
    monkeypatch.setattr(ServerContext, "app", app)
    stock = FastAPI()
    install(stock, ServerConfig())
    client = TestClient(stock, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000), raise_server_exceptions=False)
    with client:
        yield client


def answers(
    client: TestClient, study_folder: StudyFolder, case: str, bone: np.ndarray | None = None
) -> dict[str, tuple[int, Any]]:
    """Status and content of each route, by a new reader; of those that are about a case, about that one.

    Without `bone` the reader rests on the normal bone that is shared.
    """
    image = f"{case}_STIR"
    by_route: dict[str, tuple[int, Any]] = {}

    def note(route: str, answer: Any) -> None:
        kind = answer.headers.get("content-type", "")
        by_route[route] = answer.status_code, answer.json() if "json" in kind else answer.content

    note("info", client.get("/info/"))
    note("next", client.post("/activelearning/first", json={"client_id": "eve"}))
    note("open", client.get("/datastore/image", params={"image": image}))
    drawn = [
        (REGION, study_folder.region),
        *([(BONE, bone)] if bone is not None else []),
        (INFLAMMATION, study_folder.lesions == 1),
    ]
    labels, names = study_folder.flattened(drawn)
    params = {"client_id": "eve", "label_info": [{"name": name, "idx": value} for name, value in names]}
    content = gzip.compress(nibabel.Nifti1Image(labels, study_folder.grid.affine).to_bytes(), 1)
    note(
        "submit",
        client.put(
            "/datastore/label",
            params={"image": image},
            files={"label": ("label.nii.gz", content)},
            data={"params": json.dumps(params)},
        ),
    )
    note("report", client.get("/vhi/report", params={"image": image, "reader": "anna", "form": "html"}))
    note("train", client.get("/vhi/models", params={"form": "json"}))
    note("session", client.get("/train/"))
    note("health", client.get("/vhi/health"))
    note("cases", client.get("/vhi/cases"))
    return by_route


def _runs(study_folder: StudyFolder) -> str:
    import base64

    voxels = int(np.prod(study_folder.grid.shape))
    number, data = voxels << 7, bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return base64.b64encode(bytes(data)).decode()


__all__ = ["BONE", "DAMAGES", "ROUTES", "answers", "asking", "case_of", "copy_of", "damage", "files_of", "used_folder"]
