"""Accessibility as axe-core judges it: nothing serious on the pages that readers meet, nor in the panel beside the images."""

from __future__ import annotations

import pytest

from accessible import grave_faults
from browsing import Reader
from front import in_front_of
from viewing import PICTURED, ViewerServer

pytestmark = [pytest.mark.browser]


@pytest.mark.pacs
def test_worklist_panel_keys_and_report_have_no_serious_fault(page, viewer_servers):
    viewer_server: ViewerServer = viewer_servers("embedded")
    page.goto(f"{viewer_server.url}/", wait_until="domcontentloaded")
    page.locator("#reader").fill("axel")
    page.keyboard.press("Enter")
    page.get_by_text("PHANTOM-3").wait_for()
    assert grave_faults(page) == []
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    assert grave_faults(page) == []
    reader = Reader(page, viewer_server, viewer_server.studies["ascending"], "axel")
    reader.open()
    page.locator(PICTURED).wait_for()
    assert grave_faults(page, "#vhi-panel") == []
    reader.measure()
    lesion = reader.asked("vhi")[0]["lesions"][0]
    reader.row(lesion["id"]).get_by_role("button").click()
    reader.wait_until(lesion, "removed")
    assert grave_faults(page, "#vhi-panel") == []
    page.keyboard.press("?")
    page.locator("#vhi-keys").wait_for()
    assert grave_faults(page, "#vhi-keys") == []
    page.keyboard.press("Escape")
    reader.submit()
    assert grave_faults(page, "#vhi-panel") == []
    page.goto(
        f"{viewer_server.url}/vhi/report?image={reader.study.stir_uid}&reader=axel&form=html", wait_until="domcontentloaded"
    )
    assert "Reader axel" in page.locator("body").inner_text()
    assert grave_faults(page) == []


def test_the_login_has_no_serious_fault_before_and_after_a_wrong_password(page, watch, tmp_path):
    with in_front_of(None, tmp_path / "front") as front:
        page.goto(f"{front.url}/login", wait_until="domcontentloaded")
        assert grave_faults(page) == []
        page.get_by_label("Name").fill("anna")
        page.get_by_label("Password").fill("wrong horse battery")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("Name or password is wrong.").wait_for()
        assert grave_faults(page) == []
    watch.errors.clear()  # the status of the wrong password


def test_a_fault_that_was_put_in_is_found(page):
    page.set_content(
        '<html lang="en"><title>A fault</title><main><h1>A fault</h1><img src="data:,"><button></button></main></html>'
    )
    found = grave_faults(page)
    assert any("image-alt" in one for one in found)
    assert any("button-name" in one for one in found)
