"""Hostile input against a running server: 4xx and one sentence, nothing written, the server alive."""

from __future__ import annotations

import gzip
import io
import json
import socket
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nibabel
import numpy as np
import pytest
import requests

from drawing import pair
from lib.studies.nifti import write_volume
from serving import Server, serving
from standin import PASSWORDS, write_known_accounts

pytestmark = pytest.mark.server
ID = "case-1_STIR"
CLIMBING = [
    "../../../tmp/vhi-escaped",
    "..%2f..%2fetc",
    "/etc/passwd",
    "a/../../b",
    "a\\..\\b",
    "....//",
    "\x00",
    ".vhi",
    "C:\\x",
    "é" * 9,
]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One good case, and cases that no scanner made."""
    folder = tmp_path_factory.mktemp("hostile") / "studies"
    folder.mkdir()
    scan = pair(np.random.default_rng(7))
    write_volume(folder / "case-1_T1W.nii.gz", scan.t1w)
    write_volume(folder / "case-1_STIR.nii.gz", scan.stir)
    shape, affine = scan.stir.data.shape, np.diag([1.0, 1.0, 3.3, 1.0])
    voxels = np.random.default_rng(1).random(shape).astype(np.float32)
    nan, inf = voxels.copy(), voxels.copy()
    nan[0, 0, 0], inf[1, 1, 1] = np.nan, np.inf
    rgb = np.zeros(shape, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    wrong = {"nan": nan, "inf": inf, "four": np.stack([voxels] * 2, 3), "rgb": rgb, "flat": voxels * 0}
    for name, array in wrong.items():
        for role in ("T1W", "STIR"):
            nibabel.save(nibabel.Nifti1Image(array, affine), folder / f"{name}_{role}.nii.gz")
    whole = (folder / "case-1_T1W.nii.gz").read_bytes()
    for role in ("T1W", "STIR"):
        (folder / f"cut_{role}.nii.gz").write_bytes(whole[: len(whole) // 2])
        (folder / f"text_{role}.nii.gz").write_bytes(gzip.compress(b"not an image" * 100))
        (folder / f"vast_{role}.nii.gz").write_bytes(gzip.compress(vast()))
    (folder / "half_T1W.nii.gz").write_bytes(whole)
    (folder / "link_T1W.nii.gz").symlink_to("/etc/passwd")
    return folder


def vast() -> bytes:
    """A NIfTI header that claims 30000 voxels a side, and no voxels."""
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header.set_data_dtype(np.float64)
    return bytes(header.binaryblock) + bytes(4) + bytes(4096)


@pytest.fixture(scope="module")
def server(studies: Path) -> Iterator[Server]:
    accounts = studies.parent / "accounts.json"
    write_known_accounts(accounts)
    with serving(studies, studies.parent, VHI_SERVER_ACCOUNTS=str(accounts), VHI_SERVER_MAX_BODY_MIB="8") as running:
        yield running


@pytest.fixture(scope="module")
def anna(server: Server) -> requests.Session:
    session = requests.Session()
    form = {"username": "anna", "password": PASSWORDS["anna"], "grant_type": "password"}
    token = session.post(f"{server.url}/auth/token", data=form, timeout=30).json()
    session.headers["Authorization"] = f"{token['token_type']} {token['access_token']}"
    return session


@pytest.fixture(autouse=True)
def nothing_written(server: Server, studies: Path) -> Iterator[None]:
    """Whatever is sent, the studies stay as they are, no submission appears, no file is left, and the server answers."""
    before = kept(studies)
    yield
    assert kept(studies) == before
    assert [path for path in server.tmp.rglob("*") if path.is_file() and path.name.startswith("label.")] == []
    assert not Path("/tmp/vhi-escaped").exists()
    assert requests.get(f"{server.url}/vhi/health", timeout=30).json()["status"] == "ok"
    assert server.process.poll() is None


def kept(studies: Path) -> dict[str, int]:
    """Files of the studies and of what was submitted; the audit log and caches may grow."""
    every = [path for path in studies.parent.rglob("*") if path.is_file()]
    return {
        str(path): path.stat().st_size
        for path in every
        if not {"precomputed", "server-tmp", "leases"} & set(path.parts) and not path.name.startswith(("audit.", "server.log"))
    }


def sentence(answer: requests.Response, *statuses: int) -> str:
    assert answer.status_code in (statuses or range(400, 500)), (answer.status_code, answer.text[:300])
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    assert 10 < len(detail) < 700
    assert "\n" not in detail
    assert "Traceback" not in detail
    return detail


def save(
    server: Server, session: requests.Session, content: bytes, name: str = "x.nii.gz", image: str = ID, **params
) -> requests.Response:
    params = {"label_info": [{"name": "inflammation", "idx": 1}], **params}
    url = f"{server.url}/datastore/label"
    return session.put(
        url, params={"image": image}, files={"label": (name, content)}, data={"params": json.dumps(params)}, timeout=60
    )


def label_map(array: np.ndarray, affine: np.ndarray | None = None) -> bytes:
    return gzip.compress(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine).to_bytes())


@pytest.mark.parametrize("name", CLIMBING)
def test_ids_that_climb_out_are_refused_wherever_one_is_sent(server, anna, name):
    get, put = anna.get, anna.put
    file = {"label": ("x.nii.gz", b"x")}
    url = server.url
    for answer in (
        anna.post(f"{url}/infer/vhi", params={"image": name}, timeout=30),
        anna.post(f"{url}/infer/vhi", params={"image": ID, "session_id": name}, timeout=30),
        anna.post(f"{url}/infer/{requests.utils.quote(name, safe='')}", params={"image": ID}, timeout=30),
        anna.post(f"{url}/activelearning/{requests.utils.quote(name, safe='')}", json={}, timeout=30),
        get(f"{url}/datastore/image", params={"image": name}, timeout=30),
        get(f"{url}/datastore/label", params={"label": name, "tag": "final"}, timeout=30),
        get(f"{url}/datastore/label", params={"label": ID, "tag": name}, timeout=30),
        get(f"{url}/datastore/label/info", params={"label": name, "tag": name}, timeout=30),
        put(f"{url}/datastore/label", params={"image": name}, files=file, timeout=30),
        put(f"{url}/datastore/label", params={"image": ID, "tag": name}, files=file, timeout=30),
        put(f"{url}/datastore/image", params={"image": name}, files={"file": ("x.nii.gz", b"x")}, timeout=30),
        get(f"{url}/vhi/report", params={"image": name}, timeout=30),
        get(f"{url}/vhi/report", params={"image": ID, "reader": name}, timeout=30),
        get(f"{url}/vhi/submissions", params={"image": name}, timeout=30),
        get(f"{url}/session/{requests.utils.quote(name, safe='')}", timeout=30),
        get(f"{url}/model/{requests.utils.quote(name, safe='')}", timeout=30),
    ):
        sentence(answer)


def test_a_tar_that_slips_out_is_not_taken(server, anna):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("../../../../tmp/vhi-escaped")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"out"))
    answer = anna.put(f"{server.url}/session/?uncompress=true", files={"files": ("x.tar.gz", packed.getvalue())}, timeout=30)
    assert "Sessions are closed" in sentence(answer, 403)


@pytest.mark.parametrize(
    "params",
    [
        {"device": "cuda:0"},
        {"image": "/etc/passwd"},
        {"model_filename": "/tmp/x.pt"},
        {"save_label": True, "label_tag": "../x"},
        {"result_extension": ".nii.gz/../../x"},
        {"result_write_to_file": False},
        {"logging": "DEBUG"},
        {"timeout": -1},
        {"step": 0},
        {"first_multiple": -1e308},
        {"min_pixels": 10**400},
        {"min_pixels": "; rm -rf /"},
        {"reading": "../../x"},
        {"show": ["both"]},
        {"client_id": {"a": 1}},
    ],
    ids=str,
)
def test_params_that_are_not_the_clients_are_refused(server, anna, params):
    answer = anna.post(f"{server.url}/infer/vhi", params={"image": ID}, data={"params": json.dumps(params)}, timeout=60)
    if params.keys() != {"client_id"}:  # with a login, what the client calls itself does not count
        sentence(answer)
    assert answer.status_code < 500


@pytest.mark.parametrize(
    "clicks", [[[1, 2]], [[1e9, 0, 0]], [[-1, -1, -1]], [["a", "b", "c"]], "all", [[0.5, 0, 0]], [[0, 0, 0]] * 20_000, {"i": 1}]
)
def test_clicks_that_are_no_voxels_are_refused(server, anna, clicks):
    params = json.dumps({"background": clicks, "foreground": []})
    sentence(anna.post(f"{server.url}/infer/vhi_clean", params={"image": ID}, data={"params": params}, timeout=60))


@pytest.mark.parametrize("case", ["nan", "inf", "four", "rgb", "flat", "cut", "text", "vast", "half", "link", "nothing"])
@pytest.mark.parametrize("model", ["disease_region", "normal_bone", "vhi", "vhi_clean"])
def test_scans_that_no_scanner_made_are_refused(server, anna, case, model):
    sentence(anna.post(f"{server.url}/infer/{model}", params={"image": f"{case}_STIR"}, timeout=120))


def shape_of(studies: Path) -> tuple[int, ...]:
    return tuple(nibabel.load(studies / f"{ID}.nii.gz").shape)


def test_label_maps_that_are_none_are_refused(server, anna, studies):
    shape, affine = shape_of(studies), nibabel.load(studies / f"{ID}.nii.gz").affine
    good = np.zeros(shape, np.uint8)
    nan = good.astype(np.float32)
    nan[0, 0, 0] = np.nan
    good[2, 2, 1] = 1
    maps = {
        "no gzip": b"x" * 100,
        "cut": label_map(good, affine)[:60],
        "vast": gzip.compress(vast()),
        "NaN": label_map(nan, affine),
        "fractions": label_map(good.astype(np.float32) * 0.5, affine),
        "negative": label_map(good.astype(np.int16) * -1, affine),
        "four dimensions": label_map(np.stack([good] * 2, 3), affine),
        "another shape": label_map(good[:-1], affine),
        "another place": label_map(good, affine + np.eye(4) * 0.5),
        "colours": label_map(np.zeros(shape, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])), affine),
    }
    for what, content in maps.items():
        assert sentence(save(server, anna, content)), what
    for header in (
        b"NRRD0005\n",
        b"NRRD0005\ntype: uchar\ndimension: 3\nsizes: 99999 99999 99999\nencoding: raw\n\n",
        b"NRRD0005\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\ndata file: /etc/passwd\n\n",
        b"",
        b"\0" * 500,
    ):
        sentence(save(server, anna, header, "x.nrrd"))
    for name in ("x.tar.gz", "x.py", "../../x", "x.nii.gz.exe", "x.dcm"):
        sentence(save(server, anna, label_map(good, affine), name))


@pytest.mark.parametrize(
    "params",
    [
        {"label_info": None},
        {"label_info": "inflammation"},
        {"label_info": [1, 2]},
        {"label_info": [{"name": 1, "idx": 1}]},
        {"label_info": [{"name": "inflammation", "idx": "../1"}]},
        {"label_info": [{"name": "inflammation", "idx": 1}] * 300},
        {"label_info": [{"idx": 1}]},
        {"reading": -1},
        {"reading": 10**30},
        {"method": "../x"},
        {"rating": "great"},
        {"amends": "../../0001-bert"},
        {"amends": ["x"]},
    ],
    ids=lambda params: str(params)[:60],
)
def test_label_names_and_options_that_are_none_are_refused(server, anna, studies, params):
    array = np.zeros(shape_of(studies), np.uint8)
    array[2:5, 2:5, 1] = 1
    sentence(save(server, anna, label_map(array, nibabel.load(studies / f"{ID}.nii.gz").affine), **params))


def test_a_body_over_the_limit_is_refused_and_the_connection_ends(server, anna):
    assert "8 MiB" in sentence(save(server, anna, b"x" * (9 << 20)), 413)

    def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="label"; filename="x.nii.gz"\r\n\r\n'
        for _ in range(200):
            yield b"x" * (1 << 16)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        answer = anna.put(f"{server.url}/datastore/label?image={ID}", data=endless(), headers=headers, timeout=60)
    except requests.ConnectionError:
        pass  # the server ended it while we were still sending
    else:
        sentence(answer, 413)


def test_raw_rubbish_on_the_socket_does_not_harm(server):
    address = urlsplit(server.url)
    for rubbish in (
        b"\x16\x03\x01\x02\x00",
        b"GET /info/ HTTP/9.9\r\n\r\n",
        b"GET " + b"/a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /infer/vhi HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /infer/vhi HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /info/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        struct.pack("!I", 7) * 64,
    ):
        with socket.create_connection((address.hostname, address.port), timeout=10) as wire:
            wire.sendall(rubbish)
            wire.shutdown(socket.SHUT_WR)
            answer = wire.recv(4096)
        assert answer == b"" or answer.split()[1][:1] == b"4", answer[:100]


@pytest.mark.parametrize(
    "token",
    ["", "Bearer", "Bearer x", "Bearer " + "a" * 5000, "Basic x", "Digest y", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."],
)
def test_bad_tokens_name_nobody(server, token):
    sentence(requests.get(f"{server.url}/info/", headers={"Authorization": token}, timeout=30), 401)
    sentence(requests.get(f"{server.url}/vhi/cases", headers={"Authorization": token}, timeout=30), 401)


def test_the_log_holds_no_ids_and_no_tokens(server, anna):
    anna.get(f"{server.url}/datastore/image", params={"image": ID}, timeout=30)
    anna.get(f"{server.url}/datastore/image", params={"image": "Miller-1960"}, timeout=30)
    log = server.log.read_text()
    assert "GET /datastore/image 200" in log or "vhi.server" not in log
    assert "Miller" not in log
    assert ID not in log
    assert anna.headers["Authorization"].split()[1] not in log


def test_options_in_a_body_that_is_no_form_are_refused_and_not_left_aside(server, anna):
    url = f"{server.url}/infer/vhi"
    refused = anna.post(url, params={"image": ID}, json={"min_pixels": 9}, timeout=60)
    assert refused.status_code == 415
    assert "params of a form" in refused.json()["detail"]
    assert anna.post(url, params={"image": ID}, data=b"min_pixels=9", headers={"Content-Type": "text/plain"}).status_code == 415
