"""The worklist in a browser: from the front door to a case and back, by mouse and by keyboard alone."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from archives import ARCHIVES
from browsing import Reader
from viewing import OPEN, ViewerServer, dismiss_notice

pytestmark = [pytest.mark.browser]


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def viewer_server(request: pytest.FixtureRequest, viewer_servers_of_two) -> ViewerServer:
    """Two cases and no more, whatever other modules stored: the list counts them."""
    return viewer_servers_of_two(request.param)


def enter(page, viewer_server, reader: str) -> None:
    page.goto(f"{viewer_server.url}/", wait_until="domcontentloaded")
    assert urlsplit(page.url).path == "/vhi/worklist"
    page.locator("#reader").fill(reader)
    page.keyboard.press("Enter")
    page.get_by_text("PHANTOM-3").wait_for()


def test_the_next_case_opens_by_keys_alone_and_stands_as_done_with_its_report_after_it_was_handed_in(page, viewer_server, shot):
    enter(page, viewer_server, "wanda")
    assert page.get_by_role("button", name="to read (2)").is_visible()
    assert page.locator(".wide tbody tr").first.locator("td").first.inner_text() == "2025-06-01"
    shot("open")
    page.keyboard.press("Shift+Tab")  # from the name back to the first button
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("my next case").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("1.2")  # part of a study's UID: a case is found by it too
    page.keyboard.press("Tab")
    page.keyboard.press("n")
    page.wait_for_url("**/ohif/monai-label?StudyInstanceUIDs=*")
    study = parse_qs(urlsplit(page.url).query)["StudyInstanceUIDs"][0]
    page.locator(f"{OPEN}, #vhi-draft").first.wait_for()
    dismiss_notice(page)
    reader = Reader(page, viewer_server, next(one for one in viewer_server.studies.values() if one.study_uid == study), "wanda")
    reader.settled()
    reader.measure()
    reader.submit()
    enter(page, viewer_server, "wanda")
    done = page.locator(".wide tbody tr", has_text="done")
    assert done.count() == 1
    report = done.get_by_role("link", name="Report").get_attribute("href")
    answer = page.request.get(f"{viewer_server.url}{report}")
    assert answer.status == 200
    assert "wanda" in answer.text()
    page.get_by_role("button", name="done (1)").click()
    page.locator(".wide tbody tr").nth(1).wait_for(state="detached")
    shot("done")


def test_rows_are_walked_by_arrows_and_sorted_by_their_heads(page, viewer_server):
    enter(page, viewer_server, "xenia")
    page.locator("thead").get_by_role("button", name="Case").click()
    names = page.locator(".wide tbody th").all_inner_texts()
    assert names == sorted(names)
    page.locator("thead").get_by_role("button", name="Case").click()
    assert page.locator(".wide tbody th").all_inner_texts() == names[::-1]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('tr').querySelector('th').innerText") == names[0]
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.closest('tr').querySelector('th').innerText") == names[-1]
