"""The gateway: what it lets through, what it hides, and what it says when the archive does not answer."""

from __future__ import annotations

import base64
import socket
import threading
import time
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from urllib.parse import urlsplit

import pydicom
import pytest
import requests

import waiting
from archives import stow_body
from front import PASSWORDS, in_front_of
from lib.errors import UnknownImageError
from lib.server.blinded import _study_of
from lib.server.gateway import ArchiveAddress
from scripted import answer, scripted, until_gone
from standin import cookie_of

pytestmark = pytest.mark.slow  # seconds in all

JSON = {"Accept": "application/dicom+json"}
NAME, SECRET = "archive-user", "the-archive's-secret"
BASIC = base64.b64encode(f"{NAME}:{SECRET}".encode()).decode()


def sentence(found: requests.Response, status: int) -> str:
    assert found.status_code == status, (found.status_code, found.text[:300])
    assert found.headers["Content-Type"] == "application/json"
    detail = found.json()["detail"]
    assert 10 < len(detail) < 300
    assert "\n" not in detail
    return detail


def everything(found: requests.Response) -> str:
    """All that a client is told."""
    return "\n".join(
        [found.reason, *(f"{name}: {value}" for name, value in found.headers.items()), found.content.decode("latin-1")]
    )


def raw(url: str, request: bytes) -> bytes:
    """The answer to a request written by hand."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as wire:
        wire.sendall(request)
        received = b""
        while piece := wire.recv(65536):
            received += piece
    return received


wait_for = partial(waiting.wait_for, within_s=30, every_s=0.01)


def address(server, timeout_s: float = 30.0) -> ArchiveAddress:
    return ArchiveAddress(server.url, NAME, SECRET, timeout_s)


# who ---------------------------------------------------------------------------------------------------------------------


def test_nobody_reads_or_stores_without_signing_in(front, stored):
    nobody = front.session(None)
    body, kind = stow_body([stored.files()[0].read_bytes()])
    for found in (
        nobody.get(f"{front.dicomweb}/studies", timeout=30),
        nobody.get(f"{front.dicomweb}/studies", headers={"Authorization": "Bearer x"}, timeout=30),
        nobody.post(f"{front.dicomweb}/studies", data=body, headers={"Content-Type": kind}, timeout=30),
    ):
        sentence(found, 401)
        assert "Orthanc" not in everything(found)


def test_a_reader_may_by_token_and_by_password(front, stored):
    for session in (front.session("anna"), requests.Session()):
        if "Authorization" not in session.headers:
            session.auth = ("anna", PASSWORDS["anna"])
        assert session.get(f"{front.dicomweb}/studies?PatientID=P3", timeout=30).status_code == 200


def test_a_reader_may_by_the_cookie_of_the_login_page_and_stores_with_its_mark_alone(front, stored):
    browser = requests.Session()
    form = {"username": "anna", "password": PASSWORDS["anna"]}
    assert browser.post(f"{front.url}/login", data=form, allow_redirects=False, timeout=30).status_code == 303
    assert browser.get(f"{front.dicomweb}/studies", headers=JSON, timeout=30).status_code == 200
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    sentence(browser.get(f"{front.dicomweb}/studies", headers=embedded, timeout=30), 401)
    body, kind = stow_body([stored.files()[0].read_bytes()])
    url, given = f"{front.dicomweb}/studies", {"Content-Type": kind}
    assert "X-CSRF-Token" in sentence(browser.post(url, data=body, headers=given, timeout=30), 403)
    assert ("stored in archive", "anna") not in front.app.service.audit.events
    marked = {**given, "X-CSRF-Token": cookie_of(browser)}
    assert browser.post(url, data=body, headers=marked, timeout=30).status_code == 200
    assert front.app.service.audit.events[-1] == ("stored in archive", "anna")


def test_the_archives_own_password_is_none_here(front, archive):
    if archive.auth:
        assert requests.get(f"{front.dicomweb}/studies", auth=archive.auth, timeout=30).status_code == 401


def test_what_a_reader_stores_is_in_the_audit_log(front, stored):
    body, kind = stow_body([stored.files()[0].read_bytes()])
    answer = front.session().post(f"{front.dicomweb}/studies", data=body, headers={"Content-Type": kind}, timeout=30)
    assert answer.status_code == 200
    assert front.app.service.audit.events[-1] == ("stored in archive", "anna")


def test_what_a_reader_stores_is_known_as_theirs_and_what_an_administrator_stores_is_nobodys(front, stored):
    noted = []
    front.app.archive_sync = SimpleNamespace(
        corrections=SimpleNamespace(note_sender=lambda uids, reader: noted.append((uids, reader)))
    )
    body, kind = stow_body([path.read_bytes() for path in stored.files()[:2]])
    uids = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in stored.files()[:2]}
    for name in ("anna", "root"):
        answer = front.session(name).post(f"{front.dicomweb}/studies", data=body, headers={"Content-Type": kind}, timeout=30)
        # the answer is passed on all the same
        assert {one["00081155"]["Value"][0] for one in answer.json()["00081199"]["Value"]} == uids
    assert [({*one}, reader) for one, reader in noted] == [(uids, "anna")]


def test_a_blinded_study_keeps_the_archive_closed(front, stored):
    front.app.service.config = type(front.app.service.config)(blinded=True)
    for name in ("anna", "root"):
        assert "blinded" in sentence(front.session(name).get(f"{front.dicomweb}/studies", timeout=30), 403)


def test_a_blinded_study_that_is_being_copied_is_copied_once_and_holds_up_nothing_else(front, monkeypatch):
    go_on, asked, copied = threading.Event(), [], []

    def noted(scope):
        asked.append(_study_of(scope))
        return asked[-1]

    def show(study):
        copied.append(study)
        assert go_on.wait(30)
        raise UnknownImageError("The archive does not have that.")

    front.app.service.config = type(front.app.service.config)(blinded=True)
    front.app.viewed = SimpleNamespace(show=show)
    monkeypatch.setattr("lib.server.blinded._study_of", noted)
    session, found = front.session(), []
    askers = [
        threading.Thread(target=lambda: found.append(session.get(f"{front.dicomweb}/studies/1.2.3/series", timeout=60)))
        for _ in range(6)
    ]
    try:
        for asker in askers:
            asker.start()
        wait_for(lambda: len(asked) == 6 and copied)
        assert front.session().get(f"{front.url}/vhi/health", timeout=10).status_code == 200
        assert front.session().get(f"{front.url}/info/", timeout=10).status_code == 200
    finally:
        go_on.set()
    for asker in askers:
        asker.join(30)
    assert [one.status_code for one in found] == [404] * 6
    assert copied == ["1.2.3"]


def test_without_an_archive_nothing_is_forwarded(tmp_path):
    with in_front_of(None, tmp_path) as front:
        assert "forwards nothing but" in sentence(front.session().get(f"{front.dicomweb}/studies", timeout=30), 403)


# what --------------------------------------------------------------------------------------------------------------------

HOSTILE = [
    "/proxy/dicom/wado/../system",
    "/proxy/dicom/wado/../../system",
    "/proxy/dicom/wado/%2e%2e/system",
    "/proxy/dicom/wado/..%2fsystem",
    "/proxy/dicom/wado/..%5csystem",
    "/proxy/dicom/wado/studies/%2e%2e/%2e%2e/system",
    "/proxy/dicom/wado/studies%2f1.2.3",
    "/proxy/dicom/wado/studies/1%2e2",
    "/proxy/dicom/wado/studies/1.2%00",
    "/proxy/dicom/wado/studies/1.2%0d%0aX-Evil:%201",
    "/proxy/dicom/wado/http://127.0.0.1:1/studies",
    "/proxy/dicom/wado//127.0.0.1:1/studies",
    "/proxy/dicom/wado/@127.0.0.1:1/studies",
    "/proxy/dicom/system",
    "/proxy/dicom/studies",
    "/proxy/dicom/wado/system",
    "/proxy/dicom/wado/instances/0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d/file",
    "/proxy/dicom/wado/servers",
    "/proxy/dicom/wado/tools/execute-script",
    "/proxy/dicom/wado/patients",
    "/proxy/dicom/other/studies",
    "/proxy/dicom/qido/",
    "/proxy/",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_is_not_dicomweb_reaches_nothing(path, tmp_path):
    with scripted(answer(b"[]")) as upstream, in_front_of(address(upstream), tmp_path) as front:
        token = front.session().headers["Authorization"]
        for method in ("GET", "POST"):
            head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            received = raw(front.url, head.encode("latin-1"))
            assert received.split(b" ")[1] in (b"400", b"403", b"404", b"405"), received[:200]
        assert upstream.asked == []


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "HEAD", "TRACE", "PROPFIND"])
def test_only_reading_and_storing(method, tmp_path):
    with scripted(answer(b"[]")) as upstream, in_front_of(address(upstream), tmp_path) as front:
        found = front.session().request(method, f"{front.dicomweb}/studies/1.2.3", timeout=30)
        assert found.status_code in (403, 404, 405)
        assert upstream.asked == []


def test_nothing_is_ever_deleted(front, archive, stored):
    session = front.session("root")
    for path in (f"/studies/{stored.study_uid}", f"/studies/{stored.study_uid}/series/{stored.stir_uid}"):
        for url in (front.dicomweb + path, f"{front.url}/proxy/dicom{path}"):
            assert session.delete(url, timeout=30).status_code in (403, 404, 405)
    assert len(archive.query(f"/studies/{stored.study_uid}/series")) == 2


def test_what_the_archive_is_asked(tmp_path):
    with scripted(answer(b"[]")) as upstream, in_front_of(address(upstream), tmp_path) as front:
        session = front.session()
        extra = {
            "X-Forwarded-Host": "127.0.0.9",  # an evil name would be refused before
            "Forwarded": "host=evil",
            "Cookie": "a=b",
            "Connection": "X-Evil",
            "X-Evil": "1",
            "Range": "bytes=0-1",
        }
        session.get(
            f"{front.dicomweb}/studies?PatientName=M%C3%BCller*&limit=3&includefield=00081030%2C00080060",
            headers=JSON | extra,
            timeout=30,
        )
        session.get(f"{front.url}/proxy/dicom/qido/studies/1.2/series/3.4/metadata", timeout=30)
    first, second = (asked.decode("latin-1") for asked in upstream.asked)
    lines = first.split("\r\n")
    # the query string as it came: the stock proxy loses it, and the viewer then lists other patients' studies
    assert lines[0] == "GET /dicom-web/studies?PatientName=M%C3%BCller*&limit=3&includefield=00081030%2C00080060 HTTP/1.1"
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if line}
    assert headers == {
        "host": f"127.0.0.1:{upstream.port}",
        "accept": "application/dicom+json",
        "accept-encoding": "identity",
        "user-agent": "vhi",
        "authorization": f"Basic {BASIC}",
        "connection": "keep-alive",
    }
    assert second.startswith("GET /dicom-web/studies/1.2/series/3.4/metadata HTTP/1.1\r\n")


PICTURE = "/studies/1.2/series/3.4/instances/5/rendered"
CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"  # for a picture on a page
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize(
    ("path", "accept", "asked"),
    [
        (PICTURE, CHROMIUM, "image/jpeg"),
        (PICTURE, FIREFOX, "image/png"),
        (PICTURE, "image/jpeg;q=0.5, image/png;q=0.9", "image/png"),
        (PICTURE, "image/png;q=0, image/*", "image/jpeg"),
        (PICTURE, "image/gif", "image/gif"),
        (PICTURE, 'multipart/related; type="image/png", text/html', 'multipart/related; type="image/png"'),
        ("/studies/1.2/series/3.4/instances/5/frames/2/rendered", CHROMIUM, "image/jpeg"),
        ("/studies/1.2/thumbnail", FIREFOX, "image/png"),
        # several pictures have parts
        ("/studies/1.2/series/3.4/instances/5/frames/2,3/rendered", "*/*", "*/*"),
        ("/studies/1.2/series/3.4/instances/5/frames/2", 'multipart/related; type="image/jls", */*;q=0.1', None),
    ],
)
def test_of_one_picture_the_archive_is_asked_for_one_kind(path, accept, asked, tmp_path):
    with scripted(answer(b"a picture", "image/png")) as upstream, in_front_of(address(upstream), tmp_path) as front:
        assert front.session().get(front.dicomweb + path, headers={"Accept": accept}, timeout=30).status_code == 200
    (request,) = upstream.asked
    assert f"\r\naccept: {asked or accept}\r\n" in request.decode("latin-1").replace("Accept:", "accept:")


def test_a_session_of_the_archive_is_not_shared_between_readers(tmp_path):
    cookie = "Set-Cookie: session=of-anna; Path=/"
    with scripted(answer(b"[]", "application/dicom+json", "200 OK", cookie)) as upstream:
        with in_front_of(address(upstream), tmp_path) as front:
            for name in ("anna", "root"):
                assert "Set-Cookie" not in front.session(name).get(f"{front.dicomweb}/studies", timeout=30).headers
        assert len(upstream.asked) == 2
        assert not any(b"of-anna" in asked for asked in upstream.asked)


def test_json_in_place_of_images_is_looked_through_too(tmp_path):
    body = b'[{"7FE00010":{"vr":"OW","BulkDataURI":"http://10.1.2.3/dicom-web/studies/1/series/2/instances/3/bulk/7fe00010"}}]'
    with scripted(answer(body)) as upstream, in_front_of(address(upstream), tmp_path) as front:
        found = front.session().get(f"{front.dicomweb}/studies/1/series/2/instances/3", timeout=30)
    assert found.json()[0]["7FE00010"]["BulkDataURI"] == f"{front.dicomweb}/studies/1/series/2/instances/3/bulk/7fe00010"


def test_bodies_with_two_lengths_are_refused(tmp_path):
    with scripted(answer(b"{}")) as upstream, in_front_of(address(upstream), tmp_path) as front:
        token = front.session().headers["Authorization"]
        body, kind = stow_body([b"x" * 100])
        head = f"POST /proxy/dicom/wado/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\nContent-Type: {kind}\r\nConnection: close\r\n"
        for lengths in (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
        ):
            received = raw(
                front.url, (head + lengths + "\r\n").encode() + b"0\r\n\r\nGET /dicom-web/system HTTP/1.1\r\n\r\n" + body
            )
            assert received.split(b" ")[1] == b"400", received[:200]
        assert not any(b"system" in asked for asked in upstream.asked)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/dicom",
        "multipart/related",
        "multipart/related; type=x; boundary=é",
    ],
)
def test_only_parts_of_dicom_are_stored(kind, tmp_path):
    with scripted(answer(b"{}")) as upstream, in_front_of(address(upstream), tmp_path) as front:
        sentence(
            front.session().post(
                f"{front.dicomweb}/studies", data=b"x", headers={"Content-Type": kind.encode("latin-1")}, timeout=30
            ),
            415,
        )
        assert upstream.asked == []


def test_a_body_that_was_cut_off_is_not_stored(front, archive, stored):
    """Orthanc answers 200 to it and has stored less than the body held."""
    new = pydicom.dcmread(stored.files()[0])
    new.StudyInstanceUID = uid = pydicom.uid.generate_uid()
    new.save_as(path := stored.folder / "cut.tmp")
    body, kind = stow_body([path.read_bytes()])
    path.unlink()
    answer = front.session().post(
        f"{front.dicomweb}/studies", data=body[:-5000], headers={**JSON, "Content-Type": kind}, timeout=30
    )
    assert "last boundary" in sentence(answer, 400)
    assert archive.query(f"/studies?StudyInstanceUID={uid}") == []


def test_a_body_beyond_the_limit_is_refused_and_not_stored(archive, study, tmp_path):
    with in_front_of(ArchiveAddress(archive.url, archive.user, archive.password), tmp_path, max_body_mib=1) as front:
        body, kind = stow_body([path.read_bytes() for path in study.files()])
        session = front.session()
        sentence(session.post(f"{front.dicomweb}/studies", data=body, headers={"Content-Type": kind}, timeout=30), 413)

        def pieces():
            for start in range(0, len(body), 65536):
                yield body[start : start + 65536]

        try:
            answer = session.post(f"{front.dicomweb}/studies", data=pieces(), headers={"Content-Type": kind}, timeout=30)
        except requests.ConnectionError:
            pass  # it was ended while we were still sending
        else:
            sentence(answer, 413)


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/studies", "application/dicom+xml"),
        ("/studies/1.2/metadata", "text/html"),
        ("/studies/1.2/series/3/instances/4", 'multipart/related; type="application/dicom+xml"'),
    ],
)
def test_xml_is_not_forwarded(path, accept, tmp_path):
    with scripted(answer(b"[]")) as upstream, in_front_of(address(upstream), tmp_path) as front:
        sentence(front.session().get(front.dicomweb + path, headers={"Accept": accept}, timeout=30), 406)
        assert upstream.asked == []


# what is hidden ----------------------------------------------------------------------------------------------------------

LEAK = f"internal http://10.1.2.3:8042/app/ {NAME} {SECRET} {BASIC} /var/lib/orthanc Traceback Miller^Jane".encode()
LEAKY = [
    "Server: Orthanc/1.0",
    f"X-Debug: {SECRET}",
    "Set-Cookie: session=1",
    "Via: 1.1 archive",
    "Location: http://10.1.2.3/login",
]


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        ("400 Bad Request", 400),
        ("401 Unauthorized", 502),
        ("403 Forbidden", 502),
        ("404 Not Found", 404),
        ("407 Proxy Authentication Required", 502),
        ("409 Conflict", 409),
        ("429 Too Many Requests", 502),
        ("500 Internal Server Error", 502),
        ("503 Service Unavailable", 503),
        ("302 Found", 502),
        ("307 Temporary Redirect", 502),
    ],
)
def test_an_error_of_the_archive_becomes_one_sentence_of_ours(status, becomes, tmp_path, caplog):
    challenge = 'WWW-Authenticate: Basic realm="10.1.2.3 internal"'
    with (
        scripted(answer(LEAK, "text/html", status, challenge, *LEAKY)) as upstream,
        in_front_of(address(upstream), tmp_path) as front,
    ):
        found = front.session().get(f"{front.dicomweb}/studies", timeout=30)
        sentence(found, becomes)
    text = everything(found)
    for secret in (
        NAME,
        SECRET,
        BASIC,
        "10.1.2.3",
        "Orthanc",
        "Miller",
        "WWW-Authenticate",
        "Location",
        "Set-Cookie",
        "X-Debug",
        str(upstream.port),
    ):
        assert secret not in text, secret
        assert secret not in caplog.text or secret == str(upstream.port)
    assert len(upstream.asked) == 1  # redirects are not followed


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/studies", "text/html", b"<html>"),
        ("/studies", "application/dicom+xml", b"<x/>"),
        ("/studies/1.2/series/3/instances/4/frames/1", "text/html", LEAK),
        ("/studies/1.2/series/3/instances/4", "multipart/related; type=application/dicom", b""),
        ("/studies/1.2/series/3/instances/4", 'multipart/related; type="application/dicom+xml"; boundary=x', b""),
        ("/studies/1.2/series/3/instances/4", 'multipart/related; type="application/dicom+json"; boundary=x', b""),
        ("/studies/1.2/rendered", "image/svg+xml", b""),
    ],
)
def test_an_answer_of_another_kind_is_none(path, kind, body, tmp_path):
    with scripted(answer(body, kind)) as upstream, in_front_of(address(upstream), tmp_path) as front:
        sentence(front.session().get(front.dicomweb + path, timeout=30), 502)


def test_headers_of_an_answer_are_few(front, stored):
    path = f"{front.dicomweb}/studies/{stored.study_uid}/series"
    found = front.session().get(path, headers=JSON, timeout=30)
    ours = {
        "content-type",
        "date",
        "transfer-encoding",
        "x-content-type-options",
        "x-frame-options",
        "referrer-policy",
        "cache-control",
        "content-security-policy",
    }
    assert {name.lower() for name in found.headers} <= ours
    assert found.headers["Cache-Control"] == "no-store"


def test_no_answer_names_the_archive(front, archive, stored):
    series = f"/studies/{stored.study_uid}/series/{stored.stir_uid}"
    sop = pydicom.dcmread(stored.files("STIR")[0]).SOPInstanceUID
    session = front.session()
    body, kind = stow_body([stored.files()[0].read_bytes()])
    answers = [
        session.get(front.dicomweb + path, timeout=60)
        for path in ("/studies", f"/studies/{stored.study_uid}/series", f"{series}/instances", f"{series}/metadata")
    ]
    answers += [
        session.get(front.dicomweb + path, timeout=60)
        for path in (series, f"{series}/instances/{sop}/frames/1", f"{series}/instances/{sop}", "/studies/1.2/metadata")
    ]
    answers.append(session.post(f"{front.dicomweb}/studies", data=body, headers={**JSON, "Content-Type": kind}, timeout=60))
    for found in answers:
        text = everything(found)
        for secret in (f":{archive.port}", *(archive.auth or ())):
            assert secret not in text, (found.url, secret)


def test_the_server_log_holds_neither_uids_nor_the_password(front, archive, stored, caplog):
    caplog.set_level("INFO")
    front.session().get(f"{front.dicomweb}/studies/{stored.study_uid}/series?PatientName=Miller", timeout=30)
    wait_for(lambda: "{resource}" in caplog.text)  # the line is written when the answer is out
    assert "GET /proxy/dicom/{service}/{resource} 200" in caplog.text
    for secret in (stored.study_uid, "Miller", *(archive.auth or ())):
        assert secret not in caplog.text


# what goes wrong ---------------------------------------------------------------------------------------------------------


def test_a_stopped_archive_is_told_and_found_again(own_archive, study, tmp_path):
    own_archive.store(study.files("STIR"))
    body, kind = stow_body([study.files("T1W")[0].read_bytes()])
    with in_front_of(ArchiveAddress(own_archive.url, own_archive.user, own_archive.password), tmp_path / "front") as front:
        session = front.session()

        def ask() -> requests.Response:
            return session.get(f"{front.dicomweb}/studies?StudyInstanceUID={study.study_uid}", headers=JSON, timeout=30)

        assert len(ask().json()) == 1
        own_archive.stop()
        for _ in range(3):
            assert "cannot be reached" in sentence(ask(), 502)
        posted = session.post(f"{front.dicomweb}/studies", data=body, headers={"Content-Type": kind}, timeout=30)
        assert "cannot be reached" in sentence(posted, 502)
        own_archive.start()
        for _ in range(3):
            assert len(ask().json()) == 1


@pytest.mark.pacs
def test_a_wrong_password_is_told(orthanc, tmp_path):
    wrong = ArchiveAddress(orthanc.url, orthanc.user, "not-the-password")
    with in_front_of(wrong, tmp_path) as front:
        found = front.session().get(f"{front.dicomweb}/studies", timeout=30)
        assert "refused the name and password" in sentence(found, 502)
        assert "WWW-Authenticate" not in found.headers  # a browser would ask its user for the archive's password


def test_a_silent_archive_is_told(tmp_path):
    with scripted(until_gone) as upstream, in_front_of(address(upstream, timeout_s=0.5), tmp_path) as front:
        found = front.session().get(f"{front.dicomweb}/studies", timeout=30)
        assert "said nothing for 0.5 seconds" in sentence(found, 504)
        assert upstream.gone.wait(10)


def sent(front, path: str) -> socket.socket:
    """A connection on which a reader's request was sent; nothing is read from it."""
    parts = urlsplit(front.url)
    token = front.session().headers["Authorization"]
    wire = socket.create_connection((parts.hostname, parts.port), timeout=30)
    wire.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n\r\n".encode())
    return wire


def test_other_requests_are_answered_while_the_archive_is_silent(tmp_path):
    with scripted(until_gone) as upstream, in_front_of(address(upstream), tmp_path) as front, ExitStack() as waiting:
        for _ in range(8):
            waiting.enter_context(sent(front, "/proxy/dicom/wado/studies"))
        wait_for(lambda: len(upstream.asked) == 8)
        assert front.session().get(f"{front.url}/info/", timeout=30).status_code == 200
        assert not upstream.gone.is_set()  # the archive still holds all eight


def test_a_client_that_goes_away_ends_the_request_to_the_archive(tmp_path):
    def endless(wire: socket.socket) -> None:
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
        while True:
            wire.sendall(b"x" * 65536)

    for script in (until_gone, endless):
        with scripted(script) as upstream, in_front_of(address(upstream), tmp_path / script.__name__) as front:
            with sent(front, "/proxy/dicom/wado/studies/1.2/series/3/instances/4") as wire:
                if script is endless:
                    wire.recv(1000)
                else:
                    wait_for(lambda: upstream.asked)
            assert upstream.gone.wait(20), script.__name__


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        # its length promises more
        (
            "/studies/1.2/series/3/instances/4/frames/1",
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500,
        ),
        # chunks without an end
        (
            "/studies/1.2/series/3/instances/4/frames/1",
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n",
        ),
        # no length at all, as Orthanc sends a series: only the last boundary tells
        (
            "/studies/1.2/series/3",
            b'HTTP/1.1 200 OK\r\nContent-Type: multipart/related; type="application/dicom"; boundary=b\r\n\r\n--b\r\n\r\n'
            + b"x" * 500,
        ),
        (
            "/studies",
            b'HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n\r\n[{"00081190":{"vr":"UR","Value":["http://a/stu',
        ),
    ],
)
def test_an_answer_that_was_cut_off_does_not_look_complete(path, sent, tmp_path):
    with (
        scripted(sent) as upstream,
        in_front_of(address(upstream), tmp_path) as front,
        pytest.raises(requests.exceptions.RequestException),
    ):
        front.session().get(front.dicomweb + path, timeout=30)


def test_an_answer_to_storing_that_was_cut_off_is_told(study, tmp_path):
    cut = b'HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 1000\r\n\r\n{"0008'
    body, kind = stow_body([study.files()[0].read_bytes()])
    with scripted(cut) as upstream, in_front_of(address(upstream), tmp_path) as front:
        answer = front.session().post(f"{front.dicomweb}/studies", data=body, headers={"Content-Type": kind}, timeout=30)
        assert "store it again" in sentence(answer, 502)


def test_a_large_answer_is_passed_on_while_it_comes(tmp_path):
    """A client that reads nothing stops the archive from sending: what is in between holds little of it."""
    sent = 0
    go_on = threading.Event()

    def slow_reader(wire: socket.socket) -> None:
        nonlocal sent
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 268435456\r\n\r\n")
        for _ in range(4096):
            wire.sendall(bytes(65536))
            sent += 65536
            go_on.set()

    with scripted(slow_reader) as upstream, in_front_of(address(upstream), tmp_path) as front:
        with front.session().get(f"{front.dicomweb}/studies/1.2/series/3/instances/4", stream=True, timeout=60) as found:
            next(found.iter_content(1024))
            assert go_on.wait(20)
            before = -1
            while before != sent:  # until nothing moves any more
                before = sent
                time.sleep(0.5)
            assert sent < 64 << 20
            assert sum(len(piece) for piece in found.iter_content(1 << 20)) == 268435456 - 1024
        assert sent == 268435456


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://a/dicom-web",
        "http://",
        "http://user:secret@archive/dicom-web",
        "http://archive/dicom-web?x=1",
        "http://archive:99999/",
        "archive:8042",
    ],
)
def test_an_address_that_is_none_is_refused(url):
    from lib.errors import SettingsError

    with pytest.raises(SettingsError, match="write it as http") as error:
        ArchiveAddress(url)
    assert "secret" not in str(error.value)
    assert "secret" not in repr(ArchiveAddress("http://archive/dicom-web", "user", "secret"))


def test_the_archive_of_a_folder_is_none():
    assert ArchiveAddress.from_environment({"MONAI_LABEL_STUDIES": "/srv/studies"}) is None
    given = {
        "MONAI_LABEL_STUDIES": "http://a/dicom-web",
        "MONAI_LABEL_DICOMWEB_USERNAME": "u",
        "MONAI_LABEL_DICOMWEB_PASSWORD": "p",
    }
    assert ArchiveAddress.from_environment(given) == ArchiveAddress("http://a/dicom-web", "u", "p")
    given["MONAI_LABEL_APP_CONF"] = '{"pacs_timeout_s": "2.5"}'
    assert ArchiveAddress.from_environment(given).timeout_s == 2.5


def test_what_the_archive_warns_of_reaches_the_reader_and_its_name_does_not(tmp_path):
    warned = 'Warning: 299 http://pacs.example:8042/dicom-web: "There are more results; ask for them with offset."\r\n'
    told = warned + "Warning: nonsense from archive-user\r\n" + 'Warning: 110 pacs.example "Old"\r\n'
    script = f"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n{told}Content-Length: 2\r\n\r\n[]".encode()
    with scripted(script) as archive, in_front_of(address(archive), tmp_path) as front:
        found = front.session().get(f"{front.dicomweb}/studies", headers=JSON, timeout=30)
    assert found.status_code == 200
    assert found.headers["Warning"] == '299 archive "There are more results; ask for them with offset.", 110 archive "Old"'
    assert "pacs.example" not in everything(found)
    assert NAME not in everything(found)


@pytest.mark.parametrize("what", ["rendered?window=500,1000,linear", "frames/1/rendered?viewport=64,64"])
def test_a_picture_of_an_instance_comes_through(front, stored, what):
    header = pydicom.dcmread(stored.files()[0], stop_before_pixels=True)
    place = f"/studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}"
    found = front.session().get(f"{front.dicomweb}{place}/{what}", headers={"Accept": "image/png"}, timeout=60)
    assert found.status_code == 200, found.text
    assert found.headers["Content-Type"] == "image/png"
    assert found.content.startswith(b"\x89PNG")
    for accept, kind in {CHROMIUM: "image/jpeg", FIREFOX: "image/png"}.items():
        shown = front.session().get(f"{front.dicomweb}{place}/{what}", headers={"Accept": accept}, timeout=60)
        assert (shown.status_code, shown.headers["Content-Type"]) == (200, kind)
