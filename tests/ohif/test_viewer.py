"""The viewer as it is opened: it starts, shows one patient, says when it is another version, and works behind a login."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from archives import Embedded
from front import in_front_of
from lib.server.gateway import ArchiveAddress
from server.test_viewer import another_build
from standin import PASSWORDS, cookie_of, write_known_accounts
from viewing import OPEN, PICTURED, ViewerServer, dismiss_notice, show_series, viewer_over

pytestmark = [pytest.mark.browser, pytest.mark.server]

VHI = "#vhi-panel"


def study_list(page, url: str) -> None:
    page.goto(f"{url}/ohif/", wait_until="domcontentloaded")
    page.locator("[data-cy^='studyRow-']").first.wait_for()


def open_case(page, viewer_server: ViewerServer, name: str) -> None:
    page.goto(viewer_server.address(viewer_server.studies[name]), wait_until="domcontentloaded")
    page.locator(OPEN).wait_for()
    dismiss_notice(page)


def test_every_study_is_in_the_list_and_the_first_opens_with_two_clicks(viewer_server, page, shot):
    study_list(page, viewer_server.url)
    uid = viewer_server.studies["ascending"].study_uid
    assert page.locator("[data-cy^='studyRow-']").count() >= 2
    shot("list")
    page.locator(f"[data-cy='studyRow-{uid}']").click()
    page.locator(f"[data-cy='mode-monai-label-{uid}']").click()
    page.locator("#vhi-measure:enabled").wait_for()
    assert urlsplit(page.url).path == "/ohif/monai-label"


def test_a_case_of_the_list_needs_no_further_script_of_the_viewer_and_everything_is_asked_for_once(viewer_server, page):
    study_list(page, viewer_server.url)
    study, asked = viewer_server.studies["ascending"], []
    page.locator(f"[data-cy='studyRow-{study.study_uid}']").click()
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.locator(f"[data-cy='mode-monai-label-{study.study_uid}']").click()
    page.locator(PICTURED).wait_for()
    assert not [path for path in asked if path.startswith("/ohif/") and path.endswith((".js", ".css"))]
    wado = f"/proxy/dicom/wado/studies/{study.study_uid}"
    wanted = ["/vhi/study", f"{wado}/metadata", f"{wado}/series/{study.stir_uid}", f"{wado}/series/{study.t1w_uid}"]
    assert [path for path in asked if path in wanted] == wanted
    assert asked.index("/info/") > asked.index(f"{wado}/metadata")  # which its mode asks for once it is mounted


def test_only_the_open_patients_studies_are_asked_for_and_listed(viewer_server, page):
    found = []

    def note(answer) -> None:
        if urlsplit(answer.url).path == "/proxy/dicom/qido/studies":
            found.extend(one["00100020"]["Value"][0] for one in answer.json())

    page.on("requestfinished", lambda request: note(request.response()))
    open_case(page, viewer_server, "descending")
    show_series(page)  # the viewer asks for a patient's other studies with its list of series
    page.locator("[data-cy='study-browser-thumbnail']").first.wait_for()
    assert set(found) == {"PHANTOM-4"}
    others = viewer_server.studies["ascending"]
    assert "PHANTOM-3" not in page.locator("body").inner_text()
    assert others.study_uid not in page.content()


def test_another_version_of_the_viewer_says_so_in_the_page_and_still_shows_the_studies(started, phantoms, page, tmp_path):
    archive = started("embedded")
    archive.store([file for study in phantoms.values() for file in study.files()])
    address = ArchiveAddress(archive.url, archive.user, archive.password)
    with in_front_of(address, tmp_path / "front", accounts=None, viewer=another_build(tmp_path / "viewer")) as front:
        study_list(page, front.url)
        said = page.get_by_text("reading VHI in it was made for 3.10.0-beta.5").inner_text()
        assert "3.10.0-beta.5" in said
        assert page.locator(VHI).count() == 0


def test_nothing_is_asked_of_other_hosts(viewer_server, page):
    asked = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    open_case(page, viewer_server, "ascending")
    page.locator("#vhi-measure").wait_for()
    # the viewer's style sheets name fonts of another host; the page's policy keeps the browser from asking
    assert asked - {urlsplit(viewer_server.url).netloc, "", "fonts.googleapis.com"} == set()


@pytest.fixture(scope="module")
def behind_login(phantoms, tmp_path_factory):
    """The server over the embedded archive, with accounts."""
    work = tmp_path_factory.mktemp("behind-login")
    accounts = work / "accounts.json"
    write_known_accounts(accounts)
    archive = Embedded(work / "archive")
    archive.start()
    with ExitStack() as stack:
        stack.callback(archive.stop)
        yield stack.enter_context(
            viewer_over(archive, phantoms, work / "server", "--accounts", str(accounts), OMP_NUM_THREADS="1")
        )


def sign_in(page, name: str = "anna") -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORDS[name])
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.pacs
def test_behind_a_login_a_case_is_read_from_the_login_page_to_the_submission(behind_login, page, shot, watch):
    viewer_server, study = behind_login, behind_login.studies["ascending"]
    marked = []
    page.on("request", lambda one: marked.append((one.method, urlsplit(one.url).path, one.headers.get("x-csrf-token"))))
    page.goto(viewer_server.address(study), wait_until="domcontentloaded")
    shot("login")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill("wrong horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Name or password is wrong.").wait_for()
    watch.errors.clear()  # the status of the wrong password
    sign_in(page)
    page.locator(OPEN).wait_for()
    dismiss_notice(page)
    assert page.url == viewer_server.address(study)
    assert "Reader: anna" in page.locator(VHI).inner_text()
    page.locator("#vhi-measure").click()
    page.locator("[data-vhi='sensitive']").wait_for()
    page.locator("#vhi-submit:enabled").click()
    page.locator("#vhi-submitted").wait_for()
    shot("submitted")
    changing = [one for one in marked if one[0] not in ("GET", "HEAD") and one[1] != "/login"]
    assert {path for _, path, _ in changing} >= {"/infer/vhi", "/datastore/label"}
    cookies = {one["name"]: one for one in page.context.cookies()}
    kinds = {name.rpartition("_")[0]: one for name, one in cookies.items()}
    assert {token for _, _, token in changing} == {kinds["vhi_csrf"]["value"]}
    assert kinds["vhi_session"]["httpOnly"]
    assert "vhi_session" not in page.evaluate("document.cookie")
    kept = page.evaluate(f"fetch('/vhi/submissions?image={study.stir_uid}').then((answer) => answer.json())")
    assert [one["reader"] for one in kept] == ["anna"]
    check_forged_requests(page, study.stir_uid)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report").click()
    opened.value.wait_for_load_state("domcontentloaded")
    assert "Reader anna" in opened.value.locator("body").inner_text()
    sign_out(page, viewer_server, {name: one["value"] for name, one in cookies.items()})


def check_forged_requests(page, series: str) -> None:
    """The page's requests without the mark, sent past the page's own scripts, are refused."""
    session = requests.Session()
    for one in page.context.cookies():
        session.cookies.set(one["name"], one["value"])
    url = f"http://{urlsplit(page.url).netloc}/infer/vhi?image={series}"
    form = {"params": json.dumps({})}
    assert session.post(url, data=form, timeout=60).status_code == 403
    elsewhere = {"Origin": "https://elsewhere.example", "X-CSRF-Token": cookie_of(session)}
    assert session.post(url, data=form, headers=elsewhere, timeout=60).status_code == 403


def sign_out(page, viewer_server: ViewerServer, cookies: dict[str, str]) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Password").wait_for()
    assert not [one for one in page.context.cookies() if one["name"].startswith("vhi_")]
    assert requests.get(f"{viewer_server.url}/info/", cookies=cookies, timeout=60).status_code == 401


@pytest.mark.pacs
def test_a_login_that_ends_is_told_in_the_page_which_stays(behind_login, page, watch):
    viewer_server = behind_login
    page.goto(viewer_server.address(viewer_server.studies["descending"]), wait_until="domcontentloaded")
    sign_in(page)
    page.locator(OPEN).wait_for()
    dismiss_notice(page)
    page.locator(PICTURED).wait_for()  # no image is asked for after it
    page.context.clear_cookies()
    page.locator("#vhi-measure").click()
    page.locator("#vhi-signed-out").wait_for()
    watch.errors[:] = [one for one in watch.errors if "401" not in one]
    page.locator("#vhi-measure:enabled").wait_for()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value)
    opened.value.get_by_role("heading", name="Worklist").wait_for()
    page.locator("#vhi-measure").click()
    page.locator("[data-vhi='sensitive']").wait_for()
    page.context.clear_cookies()
    page.locator("#vhi-rating").select_option("failed")
    page.locator("#vhi-kept").filter(has_text="Not kept: Sign in first").wait_for()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value)
    page.locator("#vhi-kept[data-kept='true']").wait_for()
    watch.errors[:] = [one for one in watch.errors if "401" not in one]


def test_the_name_of_the_screenshots_folder_is_the_environments(monkeypatch, tmp_path):
    from viewing import screenshot_folder

    monkeypatch.setenv("VHI_SCREENSHOTS", str(tmp_path / "shots"))
    assert screenshot_folder(Path("elsewhere")) == tmp_path / "shots"
