"""Whole readings by the keyboard alone: from the worklist over two cases back to it, no pointer used."""

from __future__ import annotations

from typing import Any

import pytest

from viewing import OPEN, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]
# a pointer fails the test, see `viewing.Watch`
NO_POINTER = "addEventListener('pointerdown', () => console.error('a pointer was used'), true)"
RESTING = f"#vhi-panel[aria-busy='false']:not(:has(.behind)):has({OPEN})"
MOST_TABS = 120


def tab_to(page: Any, selector: str, key: str = "Tab") -> None:
    """Press Tab until what a selector names has the focus."""
    for _ in range(MOST_TABS):
        if page.evaluate("(one) => document.activeElement.matches(one)", selector):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{selector} is not reached by {key}")


def read_two_cases(page: Any, url: str, name: str) -> None:
    key = page.keyboard.press
    page.add_init_script(NO_POINTER)
    page.goto(f"{url}/", wait_until="domcontentloaded")
    page.locator("#reader").wait_for()
    tab_to(page, "#reader")
    page.keyboard.type(name)
    key("Enter")
    page.get_by_role("button", name="to read (2)").wait_for()
    key("Tab")
    tab_to(page, "button")
    key("n")
    page.wait_for_url("**/ohif/monai-label?StudyInstanceUIDs=*")
    first = page.url
    page.locator(RESTING).wait_for()
    tab_to(page, "[data-cy='confirm-and-hide-button']", "Shift+Tab")  # the viewer's own notice, once
    key("Enter")
    clean_by_keys(page)
    tab_to(page, "#vhi-rating")
    page.keyboard.type("s")
    wait_for(lambda: page.evaluate("window.viewerSession.reading.rating") == "satisfactory")
    key("Control+Enter")
    page.locator("#vhi-submitted").wait_for()
    key("Shift+N")
    page.wait_for_url(lambda found: found != first and "StudyInstanceUIDs=" in found)
    page.locator(RESTING).wait_for()
    key("m")
    page.locator("tr[data-lesion]").first.wait_for()
    page.locator(RESTING).wait_for()
    key("Control+Enter")
    page.locator("#vhi-submitted").wait_for()
    key("Shift+N")
    page.locator("#vhi-message").filter(has_text="There is no further case for you").wait_for()
    tab_to(page, "#vhi-panel a[href$='/vhi/worklist']")
    key("Enter")
    page.get_by_role("button", name="done (2)").wait_for()


def clean_by_keys(page: Any) -> None:
    """Measure, go from line to line, remove two lesions and keep one of them after all."""
    key = page.keyboard.press
    key("m")
    page.locator("tr[data-lesion]").first.wait_for()
    page.locator(RESTING).wait_for()
    first, second = (page.locator("tr[data-lesion]").nth(n).get_attribute("data-lesion") for n in (0, 1))
    key("n")
    tab_to(page, f"tr[data-lesion='{first}']")
    key("x")
    page.locator(f"tr.removed[data-lesion='{first}']").wait_for()
    tab_to(page, f"tr[data-lesion='{second}']")
    key("Enter")
    page.locator(f"tr.current[data-lesion='{second}']").wait_for()
    tab_to(page, f"tr[data-lesion='{second}'] button")
    key("Enter")
    page.locator(f"tr.removed[data-lesion='{second}']").wait_for()
    key("r")
    page.locator(f"tr.kept[data-lesion='{second}']").wait_for()
    page.locator(RESTING).wait_for()
    assert page.locator("tr.removed").count() == 1


def test_two_cases_are_read_and_handed_in_by_the_keyboard_alone(page, viewer_servers_of_two):
    read_two_cases(page, viewer_servers_of_two("embedded").url, "kim")
