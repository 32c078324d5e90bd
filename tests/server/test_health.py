"""The server's state as anybody, administrators, Prometheus and the log see it."""

from __future__ import annotations

import json
import logging
import logging.config
from logging.handlers import RotatingFileHandler
from types import SimpleNamespace

import pydicom.encaps
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lib.errors import OutputError, SettingsError
from lib.findings import Finding
from lib.server.config import ServerConfig
from lib.server.log import JsonLines, LogConfig, PrivateRotating, PrivateWatched
from lib.studies.pairing import CaseIndex
from standin import signed_in

pytestmark = pytest.mark.slow  # seconds in all

TOKEN = "a-token-for-prometheus"
SENTENCE = "Only 100 MiB are free where the data folder lie; make room."


class Readings:
    """A data folder with two submissions of every case."""

    def __init__(self, root):
        self.root = root

    def of_case(self, case_id):
        return ("one", "two")


@pytest.fixture
def watched(client, accounts, tmp_path):
    """A server with accounts and a token for Prometheus, on which something is wrong."""
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    made = client(address="192.0.2.7", base_url="http://127.0.0.1:8000", accounts=accounts, metrics_token=token)
    made.vhi.service.readings = Readings(tmp_path)
    made.vhi.service.cases = SimpleNamespace(index=CaseIndex((SimpleNamespace(case_id="p3"),), ()))
    made.vhi.service.findings = lambda: (Finding("damaged", SENTENCE, ("cases/p3/lease.json",)),)
    return made


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Values by name and labels, as Prometheus's own parser reads them."""
    return {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_health_tells_anybody_what_is_wrong_and_no_file(watched):
    content = watched.get("/vhi/health").json()
    assert content["status"] == "impaired"
    assert content["findings"] == [{"name": "damaged", "sentence": SENTENCE}]
    assert "lease.json" not in json.dumps(content)


def test_an_administrator_is_told_files_folders_and_free_room(watched, tmp_path):
    assert watched.get("/vhi/health/details").status_code == 401
    assert watched.get("/vhi/health/details", headers=signed_in(watched, "anna")).status_code == 403
    content = watched.get("/vhi/health/details", headers=signed_in(watched, "root")).json()
    assert content["findings"] == [{"name": "damaged", "sentence": SENTENCE, "files": ["cases/p3/lease.json"]}]
    assert content["disk"]["data"]["folder"] == str(tmp_path)
    assert content["disk"]["data"]["free_bytes"] > 0
    assert content["archive"] is None


@pytest.mark.parametrize("given", [None, "anna", "Bearer wrong-token-of-some-length", f"Basic {TOKEN}", "Bearer "])
def test_metrics_are_for_administrators_and_for_the_token(watched, given):
    headers = signed_in(watched, given) if given == "anna" else {"Authorization": given} if given else {}
    assert watched.get("/vhi/metrics", headers=headers).status_code in (401, 403)


def test_the_token_opens_metrics_and_nothing_else(watched):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert watched.get("/vhi/metrics", headers=headers).status_code == 200
    for path in ("/vhi/cases", "/vhi/health/details", "/info/", "/vhi/models"):
        assert watched.get(path, headers=headers).status_code == 401


@pytest.mark.parametrize("content", [None, "short"])
def test_a_token_whose_file_is_gone_opens_nothing_and_the_log_alone_says_why(watched, tmp_path, caplog, content):
    (tmp_path / "token").unlink()
    if content is not None:
        (tmp_path / "token").write_text(content)
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer "}):
        answer = watched.get("/vhi/metrics", headers=headers)
        assert answer.status_code == 401
        assert str(tmp_path) not in answer.text
    assert f"the token of the metrics opens nothing now: {tmp_path / 'token'}" in caplog.text
    assert watched.get("/vhi/metrics", headers=signed_in(watched, "root")).status_code == 200


def test_requests_are_counted_by_route_and_status_and_nothing_names_an_image(watched):
    root = signed_in(watched, "root")
    for _ in range(3):
        watched.get("/datastore/image/info", params={"image": "Miller-1960"}, headers=root)
    watched.get("/nothing/Miller-1960", headers=root)
    watched.request("MILLER", "/info/", headers=root)
    text = watched.get("/vhi/metrics", headers=root).text
    metrics = samples(text)
    assert metrics["vhi_requests_total", "/datastore/image/info", "404", "GET"] == 3
    assert metrics["vhi_requests_total", "(closed)", "404", "GET"] == 1
    assert metrics["vhi_requests_total", "(closed)", "405", "other"] == 1
    assert metrics["vhi_request_seconds_count", "/datastore/image/info"] == 3
    assert metrics["vhi_finding", "damaged"] == 1
    assert metrics["vhi_finding", "share"] == 0
    assert metrics["vhi_jobs", "infer"] == 0
    assert metrics["process_open_fds",] > 3
    assert metrics["process_resident_memory_bytes",] > 1 << 20
    assert "Miller" not in text.title()
    assert "root" not in text


def test_what_the_server_stands_on_is_told_and_what_cannot_be_had_is_left_out(watched, tmp_path):
    root = signed_in(watched, "root")
    metrics = samples(watched.get("/vhi/metrics", headers=root).text)
    assert (metrics["vhi_cases",], metrics["vhi_submissions",], metrics["vhi_cases_waiting",]) == (1, 2, 0)
    assert metrics["vhi_disk_free_bytes", "data"] > 0
    assert metrics["vhi_disk_bytes", "temporary"] > 0
    watched.vhi.service.readings = Readings(tmp_path / "gone")
    metrics = samples(watched.get("/vhi/metrics", headers=root).text)
    assert ("vhi_disk_free_bytes", "data") not in metrics
    assert metrics["vhi_jobs", "save"] == 0


@pytest.mark.parametrize(("content", "says"), [("short", "holds 5 characters"), (None, "cannot be read")])
def test_a_token_that_is_none_is_refused_at_the_start(tmp_path, content, says):
    path = tmp_path / "token"
    if content:
        path.write_text(content)
    with pytest.raises(SettingsError, match=says):
        ServerConfig(metrics_token=path).read_metrics_token()


# logs ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def restored():
    """Loggers as they were."""
    names = ("", "vhi.server", "uvicorn", "uvicorn.access", "monailabel", "pydicom")
    before = [(logging.getLogger(one), logging.getLogger(one).handlers[:], logging.getLogger(one).level) for one in names]
    propagates = {name: logging.getLogger(name).propagate for name in ("uvicorn.access", "pydicom")}
    yield
    for logger, handlers, level in before:
        for handler in set(logger.handlers) - set(handlers):
            handler.close()
        logger.handlers[:], logger.level = handlers, level
        logger.manager._clear_cache()
    for name, propagate in propagates.items():
        logging.getLogger(name).propagate = propagate


def test_a_log_of_its_size_begins_a_new_file_and_keeps_so_many(tmp_path, restored):
    path = tmp_path / "vhi.log"
    logging.config.dictConfig(LogConfig(path, mib=1, files=2).to_dict())
    for number in range(5 * 1024):
        logging.getLogger("vhi.server").info("%04d %s", number, "x" * 1000)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["vhi.log", "vhi.log.1", "vhi.log.2"]
    assert all(one.stat().st_size <= 1 << 20 for one in tmp_path.iterdir())
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in tmp_path.iterdir())
    assert "5119 " in path.read_text()


def test_what_pydicom_says_of_another_librarys_imports_is_not_in_the_log(tmp_path, restored):
    path = tmp_path / "vhi.log"
    logging.config.dictConfig(LogConfig(path).to_dict())
    assert pydicom.encaps.get_frame_offsets  # as dicomweb-client asks for it at each start
    logging.getLogger("vhi.server").info("after it")
    assert [line.split(maxsplit=3)[3] for line in path.read_text().splitlines()] == ["vhi.server after it"]


def test_a_log_that_logrotate_moved_is_opened_anew(tmp_path, restored):
    path = tmp_path / "vhi.log"
    logging.config.dictConfig(LogConfig(path, mib=0).to_dict())
    logging.getLogger("vhi.server").info("before")
    path.rename(tmp_path / "vhi.log.1")
    logging.getLogger("vhi.server").info("after")
    assert "after" in path.read_text()
    assert "before" in (tmp_path / "vhi.log.1").read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_requests_line_as_json_has_its_parts_by_name(watched, caplog):
    caplog.set_level(logging.INFO, "vhi.server")
    watched.get("/datastore/image/info", params={"image": "Miller-1960"}, headers=signed_in(watched, "anna"))
    content = json.loads(JsonLines().format(caplog.records[-1]))
    assert (content["method"], content["route"], content["status"], content["reader"]) == (
        "GET",
        "/datastore/image/info",
        404,
        "anna",
    )
    assert content["level"] == "INFO"
    assert content["time"].endswith("Z")
    assert "Miller" not in json.dumps(content)


def test_a_plain_line_as_json_holds_its_message():
    record = logging.LogRecord("vhi.pacs", logging.WARNING, "", 0, "%d files wait", (3,), None)
    assert json.loads(JsonLines().format(record))["message"] == "3 files wait"


def test_a_log_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    with pytest.raises(OutputError, match="pass another --log-file"):
        LogConfig(tmp_path / "gone" / "vhi.log").to_dict()
    with pytest.raises(SettingsError, match="0 older files"):
        LogConfig(files=0)


def test_only_the_log_of_requests_is_rotated():
    # the audit log has a writer of its own, which knows no handler
    import inspect

    from lib.readings import audit

    assert issubclass(PrivateRotating, RotatingFileHandler)
    assert issubclass(PrivateWatched, logging.FileHandler)
    assert "logging" not in inspect.getsource(audit)
