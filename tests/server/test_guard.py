"""Requests that the guard lets through, and those that it refuses in one sentence."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from pathlib import Path

import pytest
from fastapi import FastAPI

from lib.errors import SettingsError
from lib.server.allowlist import find_allowed
from lib.server.config import ServerConfig, is_loopback
from lib.server.guard import install
from standin import signed_in
from study_folder import StudyFolder

pytestmark = pytest.mark.slow  # seconds in all


def sentence(answer, status: int) -> str:
    """The one sentence of a refusal."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    assert 10 < len(detail) < 500
    assert "\n" not in detail
    return detail


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/reload", 403),
        ("PUT", "/model/vhi", 403),
        ("DELETE", "/model/vhi", 403),
        ("GET", "/model/vhi", 403),
        ("GET", "/proxy/dicom/wado/../system", 403),
        ("GET", "/proxy/dicom/..%2fsystem", 403),
        ("GET", "/logs/", 403),
        ("PUT", "/session/?uncompress=true", 403),
        ("GET", "/session/..%2f..", 403),
        ("PUT", "/ohif/index.html", 405),
        ("GET", "/ohif/..%2f..%2fohif.py", 404),
        ("DELETE", "/datastore/label?id=x&tag=final", 405),
        ("DELETE", "/datastore/image?id=x", 405),
        ("DELETE", "/datastore/", 405),
        ("PUT", "/datastore/image?image=..%2f..%2fx", 405),
        ("PUT", "/datastore/?image=x", 405),
        ("PUT", "/datastore/label/info?label=x&tag=final", 405),
        ("PUT", "/datastore/updatelabelinfo", 403),
        ("GET", "/datastore/dataset", 403),
        ("POST", "/batch/infer/vhi", 403),
        ("POST", "/infer/wsi_v2/vhi", 403),
        ("POST", "/infer/..%2f..%2fvhi", 403),
        ("GET", "/static/x.js", 404),
        ("GET", "/docs", 404),
        ("TRACE", "/info/", 405),
        ("GET", "/nothing", 404),
    ],
)
def test_what_is_not_on_the_list_is_closed(client, method, path, status):
    sentence(client().request(method, path), status)


@pytest.mark.parametrize(
    "path", ["//info/", "/info//", "/info/../reload", "/infer/a/b", "/infer/..", "/infer/", "/info/\n", "info/"]
)
def test_a_path_spelt_another_way_is_not_on_the_list(path):
    assert not any(find_allowed(method, path) for method in ("GET", "POST", "PUT", "DELETE", "HEAD"))


@pytest.mark.parametrize("path", ["/info/", "/info", "/datastore/", "/datastore", "/scoring", "/auth/", "/auth", "/vhi/health"])
def test_what_is_on_the_list_is_answered_with_and_without_a_slash(client, path):
    answer = client().get(path, follow_redirects=False)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_numbers_that_are_not_finite_are_null(client):
    assert client().get("/info/").json() == {"name": "VHI", "best": None}
    assert client().get("/datastore/").json() == {"total": 1, "mean": None}


def test_inference_answers_as_monai_label_does_and_leaves_no_file(client):
    from monailabel.client.client import MONAILabelUtils

    served = client()
    answer = served.post("/infer/vhi?image=one_T1W", data={"params": '{"scope": "slice"}'})
    assert answer.status_code == 200
    import email
    from io import BytesIO

    form, files = MONAILabelUtils.parse_multipart(
        BytesIO(answer.content), email.message_from_string(f"Content-Type: {answer.headers['content-type']}")
    )
    assert json.loads(form["params"]) == {"vhi_mm3": 12.5, "dice": None, "who": None}
    assert files == {"result.nii.gz": b"labels"}
    assert not (served.vhi.folder / "result.nii.gz").exists()
    assert served.vhi.asked == [{"model": "vhi", "image": "one_T1W", "scope": "slice"}]


def test_inference_answers_json_or_the_image_alone_when_asked(client):
    served = client()
    assert served.post("/infer/vhi?image=one_T1W&output=json").json()["vhi_mm3"] == 12.5
    assert served.post("/infer/vhi?image=one_T1W&output=image").content == b"labels"
    sentence(served.post("/infer/vhi?image=one_T1W&output=dicom_seg"), 422)


@pytest.mark.parametrize(
    "params",
    [
        "{",
        "[]",
        '"x"',
        "null1",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1e999}',
        '{"image": "/etc/passwd"}',
        '{"model": "x"}',
        '{"session_id": "x"}',
        '{"a": "\\ud800"}',
        '{"a": "\\u0000"}',
        '{"a":' * 40 + "1" + "}" * 40,
        "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: text[:20],
)
def test_params_that_are_no_tame_object_are_refused(client, params):
    served = client()
    sentence(served.post("/infer/vhi?image=one_T1W", data={"params": params}), 400)
    assert served.vhi.asked == []


@pytest.mark.parametrize("image", ["../x", "..", "/etc/passwd", "a/b", "a\\b", "a\0b", ".hidden", "x" * 200, "", "a\nb", "é"])
def test_ids_that_could_be_paths_are_refused(client, image):
    served = client()
    sentence(served.post("/infer/vhi", params={"image": image}), 400)
    sentence(served.get("/datastore/image", params={"image": image}), 400)
    sentence(served.put("/datastore/label", params={"image": image}, files={"label": ("a.nii.gz", b"1")}), 400)
    sentence(served.get("/datastore/label", params={"label": "x", "tag": image}), 400)
    assert served.vhi.store.saved == []


def test_sessions_and_uploads_are_refused(client):
    served = client()
    sentence(served.post("/infer/vhi?image=one_T1W&session_id=../../x"), 400)
    sentence(served.post("/infer/vhi?image=one_T1W", files={"file": ("x.nii.gz", b"1")}), 400)
    sentence(served.post("/infer/disease_region?image=one_T1W", files={"label": ("x.nii.gz", b"1")}), 400)
    sentence(served.post("/infer/vhi?image=one_T1W", data={"params": '{"drawn_file": "/etc/passwd"}'}), 400)


def test_a_label_map_to_measure_with_is_a_file_of_the_servers_own_that_goes_with_the_answer(client):
    served = client()
    assert served.post("/infer/vhi?image=one_T1W", files={"label": ("../x.NII.GZ", b"map")}).status_code == 200
    path = Path(served.vhi.asked[-1]["drawn_file"])
    assert path.name == "label.nii.gz"
    assert not path.exists()
    sentence(served.post("/infer/vhi?image=one_T1W", files={"label": ("x.nii.gz", b"")}), 400)
    sentence(served.post("/infer/vhi?image=one_T1W", files={"label": ("x.exe", b"1")}), 400)


def test_a_label_is_saved_under_a_name_of_the_servers_own(client):
    served = client()
    answer = served.put(
        "/datastore/label?image=one_T1W", files={"label": ("/tmp/../../x.NII.GZ", b"map")}, data={"params": '{"label_info": []}'}
    )
    assert answer.json() == {"messages": [], "image": "one_T1W", "label": "0001-anna"}
    assert served.vhi.store.saved == [("one_T1W", "label.nii.gz", b"map", {"label_info": []}, None)]
    sentence(served.put("/datastore/label?image=one_T1W", files={"label": ("x.tar", b"map")}), 400)
    sentence(served.put("/datastore/label?image=one_T1W", files={"label": ("x.nii.gz", b"")}), 400)
    sentence(served.put("/datastore/label?image=one_T1W", files={"label": ("x.nii.gz", b"map")}, data={"params": "[]"}), 400)
    sentence(served.put("/datastore/label?image=one_T1W"), 422)


def test_a_series_is_downloaded_and_checked(client):
    served = client()
    assert served.get("/datastore/image?image=one_T1W").content == b"voxels"
    import hashlib

    right = hashlib.sha256(b"voxels").hexdigest()
    assert served.head(f"/datastore/image?image=one_T1W&check_sum=SHA256:{right}").status_code == 200
    assert served.head(f"/datastore/image?image=one_T1W&check_sum={right}").status_code == 200
    assert served.head(f"/datastore/image?image=one_T1W&check_sum=SHA256:{'0' * 64}").status_code == 404
    assert served.head("/datastore/image?image=one_T1W&check_sum=eval:x").status_code == 400
    assert "no image two" in sentence(served.get("/datastore/image?image=two"), 404)


def test_a_body_over_the_limit_is_refused_by_its_length_and_by_its_count(client):
    served = client(max_body_mib=1)
    big = b"x" * (2 << 20)
    assert "1 MiB" in sentence(served.put("/datastore/label?image=one_T1W", files={"label": ("x.nii.gz", big)}), 413)

    def pieces():
        yield b'--b\r\nContent-Disposition: form-data; name="label"; filename="x.nii.gz"\r\n\r\n'
        for _ in range(40):
            yield b"x" * 65536

    headers = {"content-type": "multipart/form-data; boundary=b"}
    sentence(served.put("/datastore/label?image=one_T1W", content=pieces(), headers=headers), 413)
    sentence(served.post("/activelearning/first", content=b"{" * (2 << 20)), 413)
    assert served.vhi.store.saved == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"rubbish", "multipart/form-data"),
        (b"rubbish", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\n", "multipart/form-data; boundary=b"),
        (b"\xff\xfe", "application/json"),
        (b"", "text/plain"),
    ],
)
def test_a_malformed_body_is_a_request_that_cannot_be_read(client, content, kind):
    answer = client().put("/datastore/label?image=one_T1W", content=content, headers={"content-type": kind})
    assert 400 <= answer.status_code < 500
    sentence(answer, answer.status_code)
    answer = client().post("/activelearning/first", content=b"{" + content, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500


def test_a_bug_is_told_by_number_and_logged_without_its_message(client, caplog):
    with caplog.at_level(logging.INFO):
        text = sentence(client().post("/infer/broken?image=one_T1W"), 500)
    number = text.split()[-1].rstrip(".")
    assert number in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "standin.py" in caplog.text
    assert "Miller" not in caplog.text + text


def test_a_bug_in_monai_labels_own_routes_is_told_the_same_way(client, caplog):
    served = client()
    assert served.get("/scoring/").json() == {"who": "None"}
    assert "incident" in sentence(served.get("/scoring/?check_if_running=true"), 500)
    assert "Miller" not in caplog.text
    assert "check_if_running" in sentence(served.get("/scoring/?check_if_running=perhaps"), 422)


def test_the_log_names_the_route_the_status_and_the_reader_and_no_image(client, accounts, caplog):
    served = client(accounts=accounts)
    headers = signed_in(served)
    with caplog.at_level(logging.INFO):
        caplog.clear()  # signing in may be in the log too, where another test left it switched on
        served.get("/datastore/image?image=one_T1W", headers=headers)
        served.get("/patient/one_T1W", headers=headers)
    lines = [record.getMessage() for record in caplog.records if record.name == "vhi.server"]
    assert [line.split(" ms ")[1] for line in lines] == ["anna", "-"]
    assert lines[0].startswith("GET /datastore/image 200")
    assert lines[1].startswith("GET (closed) 404")
    assert "one_T1W" not in "".join(lines)
    assert headers["Authorization"].split()[1] not in "".join(lines)


@pytest.mark.parametrize("length", ["5000000", "99999999999999999999999", "12"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/info/"), ("GET", "/datastore/"), ("GET", "/scoring/"), ("HEAD", "/datastore/image?image=one_T1W")],
)
def test_a_request_without_a_body_is_not_judged_by_the_length_of_one(client, method, path, length):
    answer = client().request(method, path, headers={"content-length": length})
    assert answer.status_code == 200
    # what comes next on that connection would be taken for the body that was promised
    assert answer.headers["connection"] == "close"
    assert "connection" not in client().request(method, path).headers


def test_the_length_of_a_body_is_still_judged_where_there_may_be_one(client):
    headers = {"content-length": str(2 << 20), "content-type": "application/json"}
    assert "1 MiB" in sentence(client().post("/activelearning/first", content=b"{}", headers=headers), 413)
    assert "1 MiB" in sentence(client().post("/activelearning/first", content=b" " * (2 << 20)), 413)


def test_a_refusal_is_sent_when_the_body_has_come(client):
    from starlette.types import Message

    served, order = client(), []

    async def receive() -> Message:
        order.append("body")
        return {"type": "http.request", "body": b"x" * 1000, "more_body": len(order) < 3}

    async def send(message: Message) -> None:
        order.append(message["type"])

    scope = {
        "type": "http",
        "method": "PUT",
        "path": "/datastore/",
        "headers": [(b"host", b"127.0.0.1"), (b"content-length", b"3000")],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8000),
    }
    asyncio.run(served.guard(scope, receive, send))
    assert order == ["body", "body", "body", "http.response.start", "http.response.body"]


# who may come in ------------------------------------------------------------------------------------------------------------


def test_without_accounts_only_this_machine_is_answered(client):
    assert client().get("/info/").status_code == 200
    assert "--accounts" in sentence(client(address="192.168.1.7").get("/info/"), 403)
    assert "--accounts" in sentence(client(base_url="http://192.168.1.5:8000").get("/info/"), 403)


def test_with_accounts_nothing_but_signing_in_works_without_a_token(client, accounts):
    served = client(address="192.168.1.7", accounts=accounts)
    assert served.get("/auth/").json()["enabled"] is True
    assert served.get("/vhi/health").status_code == 200
    for method, path in [
        ("GET", "/info/"),
        ("POST", "/infer/vhi?image=one_T1W"),
        ("GET", "/openapi.json"),
        ("GET", "/datastore/image?image=one_T1W"),
        ("GET", "/auth/token/valid"),
    ]:
        assert "Sign in" in sentence(served.request(method, path), 401)
        assert "Sign in" in sentence(served.request(method, path, headers={"Authorization": "Bearer a.b.c"}), 401)
    assert served.vhi.asked == []


def test_a_reader_signs_in_and_the_app_knows_who_it_is(client, accounts):
    served = client(accounts=accounts)
    headers = signed_in(served)
    assert served.vhi.service.audit.events == [("login", "anna")]
    assert served.get("/auth/token/valid", headers=headers).json()["username"] == "anna"
    assert served.post("/infer/vhi?image=one_T1W&output=json", headers=headers).json()["who"] == "anna"
    assert served.get("/scoring/", headers=headers).json() == {"who": "anna"}


def test_a_reader_may_not_do_what_an_administrator_may(client, accounts):
    served = client(accounts=accounts)
    assert "administrator" in sentence(served.post("/vhi/share?image=one_T1W&submission=x", headers=signed_in(served)), 403)
    assert "administrator" in sentence(served.get("/vhi/cases", headers=signed_in(served)), 403)
    assert "own work" in sentence(served.get("/vhi/report?image=one_T1W&reader=bert", headers=signed_in(served)), 403)
    assert served.get("/vhi/cases", headers=signed_in(served, "root")).status_code != 403


def test_an_administrator_who_fetches_a_readers_report_is_logged_by_their_own_name(client, accounts, tmp_path):
    study_folder = StudyFolder(tmp_path / "studies")
    study_folder.add_case("a")
    served = client(accounts=accounts)
    served.vhi.service = study_folder.service()
    study_folder.draw_regions(served.vhi.service, reader="anna")
    for name in ("anna", "root"):
        assert served.get("/vhi/report?image=a_STIR&reader=anna", headers=signed_in(served, name)).status_code == 200
    lines = (study_folder.folder / ".vhi" / "audit.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [one["reader"] for one in events if one["event"] == "exported"] == ["anna", "root"]


def test_wrong_passwords_are_refused_the_same_way_and_slowed_down(client, accounts):
    served = client(accounts=accounts)

    def attempt(name: str, password: str):
        return served.post("/auth/token", data={"username": name, "password": password, "grant_type": "password"})

    assert sentence(attempt("anna", "wrong"), 401) == sentence(attempt("nobody", "wrong"), 401)
    for _ in range(4):
        sentence(attempt("anna", "wrong"), 401)
    refused = attempt("anna", "correct horse battery")
    assert "Too many" in sentence(refused, 429)
    assert int(refused.headers["retry-after"]) > 200
    signed_in(served, "root")


def test_a_browser_may_sign_in_by_name_and_password_to_pages_alone(client, accounts):
    served = client(accounts=accounts)
    basic = {"Authorization": "Basic " + base64.b64encode(b"anna:correct horse battery").decode()}
    asked = served.get("/openapi.json")
    assert asked.headers["www-authenticate"].startswith("Basic")
    assert served.get("/vhi/cases", headers=basic).status_code == 403
    assert served.post("/infer/vhi?image=one_T1W", headers=basic).status_code == 401
    for bad in ("Basic x", "Basic " + base64.b64encode(b"anna:wrong").decode(), "Basic \xff"):
        sentence(served.get("/vhi/cases", headers={"Authorization": bad.encode("latin-1")}), 401)


def test_whoever_was_handed_a_case_may_fetch_that_image_once_without_a_token_from_the_same_address(client, accounts):
    served = client(accounts=accounts)
    sentence(served.get("/datastore/image?image=one_T1W"), 401)
    sample = served.post("/activelearning/first", json={}, headers=signed_in(served)).json()
    assert sample["id"] == "one_T1W"
    sentence(served.get("/datastore/image?image=one_STIR"), 401)
    sentence(served.get("/datastore/image?image=one_T1W", headers={"Authorization": "Bearer wrong"}), 401)
    sentence(served.get("/datastore/image/info?image=one_T1W"), 401)
    assert served.head("/datastore/image?image=one_T1W").status_code == 401
    assert served.guard.login.grants.take("192.168.1.7", "one_T1W") is None
    assert served.get("/datastore/image?image=one_T1W").content == b"voxels"
    sentence(served.get("/datastore/image?image=one_T1W"), 401)  # once


def test_the_path_on_the_server_is_told_on_this_machine_alone(client, accounts):
    here, there = client(accounts=accounts), client(accounts=accounts, address="192.168.1.7")
    assert "path" in here.post("/activelearning/first", json={}, headers=signed_in(here)).json()
    assert "path" not in there.post("/activelearning/first", json={}, headers=signed_in(there)).json()


# web pages ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "", "127.0.0.1@evil.example", "127.0.0.1,evil.example"],
)
def test_called_by_a_name_that_is_not_its_own_the_server_refuses(client, host):
    sentence(client().get("/info/", headers={"host": host}), 400)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_the_names_of_this_machine_are_its_own(client, host):
    assert client().get("/info/", headers={"host": host}).status_code == 200


def test_a_name_that_was_allowed_is_its_own(client, accounts):
    served = client(hosts=("vhi.example",), accounts=accounts, address="10.0.0.9")
    assert served.get("/auth/", headers={"host": "vhi.example"}).status_code == 200
    assert served.get("/auth/", headers={"host": "other.example"}).status_code == 400


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:8000.evil.example", "http://127.0.0.1:9000", "https://viewer.example.evil"],
)
def test_other_web_pages_may_not_call(client, origin):
    served = client(origins=("https://viewer.example",))
    for method in ("GET", "POST", "OPTIONS"):
        answer = served.request(method, "/infer/vhi?image=one_T1W", headers={"origin": origin})
        sentence(answer, 403)
        assert "access-control-allow-origin" not in answer.headers
    assert served.vhi.asked == []


def test_an_allowed_web_page_may_call_and_no_other_reads_the_answer(client):
    served = client(origins=("https://viewer.example",))
    answer = served.get("/info/", headers={"origin": "https://viewer.example"})
    assert answer.headers["access-control-allow-origin"] == "https://viewer.example"
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers
    preflight = served.options(
        "/infer/vhi", headers={"origin": "https://viewer.example", "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert served.get("/info/", headers={"origin": "http://127.0.0.1:8000"}).status_code == 200


# configuration --------------------------------------------------------------------------------------------------------------


def test_the_guard_is_installed_once(client):
    stock = FastAPI()
    assert install(stock, ServerConfig()) is install(stock, ServerConfig())


def test_the_configuration_survives_the_environment(tmp_path):
    config = ServerConfig(
        accounts=tmp_path / "a.json",
        hosts=("a.example", "b.example"),
        origins=("https://v.example",),
        workers=3,
        inference_timeout_s=12.5,
    )
    assert ServerConfig.from_environment(config.to_environment()) == config
    assert ServerConfig.from_environment({}) == ServerConfig()
    for wrong in (
        {"VHI_SERVER_WORKERS": "many"},
        {"VHI_SERVER_WORKERS": "0"},
        {"VHI_SERVER_COLOUR": "red"},
        {"VHI_SERVER_ORIGINS": "*"},
    ):
        with pytest.raises(SettingsError):
            ServerConfig.from_environment(wrong)


def test_loopback_is_told_from_the_rest():
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]", "::ffff:127.0.0.1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "evil.example", "", "127.0.0.1.evil.example"))
