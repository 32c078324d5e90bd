"""A whole reading in the browser below a path of another site, through nginx with TLS: nothing is asked for outside that path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

import proxying
from archives import ARCHIVES
from browsing import Reader, by_reader, in_archive, lesion_of_two_grades, number
from viewing import COARSE, PATIENCE_S, SIZE, ViewerServer, viewer_over, wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.skipif(proxying.NGINX is None, reason=str(proxying.why_no_nginx())),
]


@dataclass(frozen=True)
class ProxiedViewerServer(ViewerServer):
    """The same server by another address."""

    address_there: str = ""

    @property
    def url(self) -> str:
        return self.address_there


@pytest.fixture
def behind(phantoms, tmp_path, monkeypatch):
    """A server of its own, which nobody has read at, below /vhi/ of a site whose certificate this machine trusts."""
    archive = ARCHIVES["embedded"](tmp_path / "archive")
    archive.start()
    try:
        with viewer_over(
            archive, phantoms, tmp_path / "server", "--set", "several_readers=true", OMP_NUM_THREADS="1"
        ) as viewer_server:
            proxying.self_signed(tmp_path / "vhi.pem", tmp_path / "vhi.key")
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "vhi.pem"))
            with proxying.nginx(tmp_path, viewer_server.server.url) as (_, below):
                yield ProxiedViewerServer(
                    viewer_server.archive, viewer_server.server, viewer_server.studies, f"https://127.0.0.1:{below}/vhi"
                )
    finally:
        archive.stop()


@pytest.fixture
def page(browser, watch):
    context = browser.new_context(viewport=SIZE, device_scale_factor=COARSE, ignore_https_errors=True)
    context.set_default_timeout(PATIENCE_S * 1000)
    found = context.new_page()
    watch.over(found)
    yield found
    context.close()
    assert watch.errors == []


def test_a_case_is_opened_from_the_list_measured_cleaned_submitted_and_its_report_opened_below_the_prefix(page, behind):
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    reader = Reader(page, behind, behind.studies["ascending"], "petra")
    page.goto(f"{behind.url}/", wait_until="domcontentloaded")
    page.get_by_role("link", name="All studies of the archive").click()
    page.get_by_text("PHANTOM-3").first.wait_for()
    assert urlsplit(page.url).path == "/vhi/ohif/"
    reader.open()
    facts, labels = reader.asked("vhi", show="both")
    reader.measure()
    np.testing.assert_array_equal(labels > 0, reader.map() > 2)
    assert number(page.locator("[data-vhi='sensitive']").inner_text()) == round(facts["vhi_mm3"]["sensitive"])
    lesion = lesion_of_two_grades(facts)
    reader.row(lesion["id"]).locator("button").first.click()
    reader.wait_until(lesion, "removed")
    reader.kept()
    reader.submit()
    page.get_by_role("link", name="Report").wait_for()
    assert "petra" in opened_report(page)
    wait_for(lambda: by_reader(in_archive(behind.archive, reader.study, "SEG"), "petra"))
    reader.open()  # what was handed in is found again
    # MONAI Label's own panel too
    page.locator("[data-cy='monailabel-btn']").click()
    page.locator(".settingsTable button.actionButton").click()
    page.locator(".monaiLabelPanel .tabs").wait_for()
    assert f"{behind.url}/info/" in {url.partition("?")[0] for url in asked}
    outside = [url for url in asked if url.startswith("http") and not url.startswith(f"{behind.url}/")]
    assert [url for url in outside if "fonts.googleapis.com" not in url] == []


def opened_report(page: Any) -> str:
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report").click()
    opened.value.wait_for_load_state("domcontentloaded")
    return str(opened.value.locator("body").inner_text())
