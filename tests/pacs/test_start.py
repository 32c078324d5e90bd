"""Archives that `serve` refuses before it starts anything, and where a password may be."""

from __future__ import annotations

import pytest

from lib.datastores.conf import service_of
from lib.errors import SettingsError
from lib.pacs.start import PASSWORD, USER, login_environment
from serving import refused

pytestmark = pytest.mark.slow  # seconds in all

URL = "http://archive.example/dicom-web"


@pytest.fixture(autouse=True)
def no_login(monkeypatch):
    for name in (USER, PASSWORD):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("words", [[], ["--studies", ".", "--pacs", URL], ["--archive", ".", "--pacs", URL]])
def test_studies_come_from_one_place(words):
    assert "Pass one of --studies FOLDER" in refused(*words)


def test_an_address_that_is_none_or_carries_a_login_is_refused():
    assert "is no address" in refused("--pacs", "archive.example")
    assert "hunter2" not in refused("--pacs", "http://anna:hunter2@archive.example/dicom-web")


def test_a_folder_of_dicom_files_that_is_not_there_is_refused(tmp_path):
    assert "is no folder" in refused("--archive", str(tmp_path / "none"))


def test_options_of_an_archive_belong_to_one(tmp_path):
    assert "belong to --pacs" in refused("--studies", str(tmp_path), "--pacs-user", "vhi")
    assert "paired by their names" in refused("--studies", str(tmp_path), "--pairing-rules", "rules.toml")


def test_a_user_without_a_password_and_a_password_without_a_user_are_refused(tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    assert PASSWORD in refused("--pacs", URL, "--pacs-user", "vhi")
    said = refused("--pacs", URL, "--pacs-password-file", str(tmp_path / "password"))
    assert "needs --pacs-user" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("content", [b"", b"\n", b"hunter2\nhunter3\n", b"\xff\xfe"])
def test_a_password_file_that_holds_something_else_is_refused_and_not_shown(tmp_path, content):
    (tmp_path / "password").write_bytes(content)
    said = refused("--pacs", URL, "--pacs-user", "vhi", "--pacs-password-file", str(tmp_path / "password"))
    assert "password file" in said
    assert "hunter" not in said
    assert "cannot be read" in refused("--pacs", URL, "--pacs-user", "vhi", "--pacs-password-file", str(tmp_path / "none"))


def test_the_password_comes_from_the_file_else_from_the_environment(tmp_path):
    (tmp_path / "password").write_text(" two words ü\r\n")
    given = {USER: "of-environment", PASSWORD: "secret"}
    assert login_environment("vhi", tmp_path / "password", given) == {USER: "vhi", PASSWORD: " two words ü"}
    assert login_environment(None, None, given) == given
    assert login_environment(None, None, {}) == {}


def test_settings_of_an_archive_are_known_with_one_alone(tmp_path):
    with pytest.raises(SettingsError, match="no setting 'pacs_look_s'"):
        service_of(str(tmp_path), {"pacs_look_s": "5"})
    with pytest.raises(SettingsError, match="pacs_timeout_s above 0"):
        service_of(URL, {"pacs_timeout_s": "0", "data": str(tmp_path)})
    service = service_of(URL, {"pacs_filter": "StudyDescription=*SIJ*", "data": str(tmp_path / "data")})
    assert [one.name for one in service.cases.index.waiting] == ["archive"]
