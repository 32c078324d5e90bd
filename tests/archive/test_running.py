"""Login, addresses, and the archive as a thread and as a program."""

from __future__ import annotations

import base64
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from embedded import place_of
from lib.archive import open_archive
from lib.errors import InputError, SettingsError
from waiting import wait_for

pytestmark = pytest.mark.slow  # seconds in all

MAIN = Path(__file__).parents[2] / "main.py"


def test_a_password_is_asked_for_at_every_address(serve, objects):
    served = serve(user="anna", password="grün:7")
    for path in ("/studies", "/studies/1.2/metadata", place_of(objects["plain"]), "/nothing"):
        answer = served.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert served.post(objects["plain"]).status_code == 401
    assert served.files() == []
    for user, password in (("anna", "wrong"), ("anna", ""), ("", "grün:7"), ("Anna", "grün:7")):
        answer = requests.get(f"{served.url}/studies", auth=(user.encode(), password.encode()), timeout=30)
        assert answer.status_code == 401
    for header in ("Basic", "Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"\xff\xfe").decode()):
        assert served.get("/studies", Authorization=header).status_code == 401
    served.session.auth = ("anna", "grün:7".encode())
    assert served.post(objects["plain"]).status_code == 200
    assert len(served.matches("/studies")) == 1


def test_without_a_password_only_this_machine_by_its_own_names(served):
    assert served.get("/studies", Host="evil.example:80").status_code == 403
    assert served.get("/studies", Host="127.0.0.1").status_code == 200  # as dicomweb-client sends it
    assert served.get("/studies", Host="localhost:8042").status_code == 200


def test_no_page_of_another_origin_may_read(served):
    answer = served.get("/studies", Origin="https://evil.example")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert served.session.options(f"{served.url}/studies", timeout=30).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/dicom-web",
        "/dicom-web/",
        "/system",
        "/docs",
        "/openapi.json",
        "/instances",
        "/dicom-web/.dicomweb/index.sqlite",
        "/dicom-web/studies/1.2/series/1.3/../../../../etc/passwd",
        "/dicom-web/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_nothing_but_dicomweb_is_reachable(served, path):
    host, port = served.url.removeprefix("http://").partition("/")[0].split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.split()[1] == b"404"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_nothing_is_changed_or_deleted(served, objects, method):
    served.post(objects["plain"])
    assert served.session.request(method, served.url + place_of(objects["plain"]), timeout=30).status_code == 405
    assert len(served.files()) == 1


def test_addresses_in_answers_are_those_that_clients_know(serve, objects):
    served = serve(public_url="https://pacs.example/dicom-web")
    served.post(objects["plain"])
    assert served.matches("/studies")[0]["00081190"]["Value"][0].startswith("https://pacs.example/dicom-web/studies/")
    (found,) = served.matches(place_of(objects["plain"]) + "/metadata")
    assert found["7FE00010"]["BulkDataURI"] == f"https://pacs.example/dicom-web{place_of(objects['plain'])}/bulkdata/7FE00010"


def test_a_bug_is_told_without_its_message(served, monkeypatch, caplog):
    name = "Doe"

    def broken(*_):
        raise ZeroDivisionError(f"patient {name}")

    monkeypatch.setattr(served.running.archive.index, "search", broken)
    answer = served.get("/studies")
    assert answer.status_code == 500
    served.running.stop()
    assert name not in answer.text + caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_stopped_archive_frees_port_folder_and_threads(tmp_path):
    before = threading.active_count()
    first = open_archive(tmp_path).start()
    port = int(first.url.split(":")[2].split("/")[0])
    first.stop()
    first.stop()
    again = open_archive(tmp_path, port=port).start()
    assert requests.get(f"{again.url}/studies", timeout=30).status_code == 200
    again.stop()
    wait_for(lambda: threading.active_count() <= before, 30, "the end of the archive's threads")


def test_what_would_open_the_archive_to_others_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="opens the archive to others"):
        open_archive(tmp_path, "0.0.0.0")
    with pytest.raises(SettingsError, match="belong together"):
        open_archive(tmp_path, user="anna")
    with pytest.raises(InputError, match="is no folder"):
        open_archive(tmp_path / "nothing")


def test_a_taken_port_is_told_and_the_folder_stays_free(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="cannot listen on 127.0.0.1 port"):
            open_archive(tmp_path, port=taken.getsockname()[1]).start()
    open_archive(tmp_path).start().stop()


def started(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, str(MAIN), "archive", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_stopped(tmp_path, objects, how):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "cut.dcm").write_bytes(objects["plain"][:-7])
    (tmp_path / "archive" / "whole.dcm").write_bytes(objects["plain"])
    secret = tmp_path / "password"
    secret.write_text("secret\n")
    process, line = started(str(tmp_path / "archive"), "--port", "0", "--user", "anna", "--password-file", str(secret))
    try:
        assert line.startswith("Serving at http://127.0.0.1:")
        url = line.split()[-1]
        assert requests.get(f"{url}/studies", timeout=30).status_code == 401
        assert len(requests.get(f"{url}/studies", auth=("anna", "secret"), timeout=30).json()) == 1
    finally:
        process.send_signal(how)
        _, errors = process.communicate(timeout=30)
    assert "Left out: cut.dcm is truncated: it ends 7 bytes too early" in errors
    assert errors.endswith("Stopped.\n")
    assert "Traceback" not in errors
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "is no folder"),
        ([".", "--host", "0.0.0.0"], "opens the archive to others"),
        ([".", "--user", "anna"], "belong together"),
        ([".", "--user", "anna", "--password-file", "nothing"], "password file nothing cannot be read"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.delenv("VHI_ARCHIVE_PASSWORD", raising=False)
    ended = subprocess.run(
        [sys.executable, str(MAIN), "archive", *arguments], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60
    )
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
