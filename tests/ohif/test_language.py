"""Another language: worklist, panel and list of keys are in it, and what is stored and sent is called as in English."""

from __future__ import annotations

import json
from typing import Any

import pytest

from archives import ARCHIVES
from browsing import Reader
from lib.server.texts import TABLES
from viewing import OPEN, ViewerServer, dismiss_notice, viewer_over

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]
# every word in a part of the page, and what describes its elements
WORDS = """(selector) => [...document.querySelectorAll(selector)].flatMap((root) => {
  const nodes = [];
  for (const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT); walker.nextNode();) nodes.push(walker.currentNode.data);
  const described = ['title', 'aria-label', 'placeholder', 'alt'];
  return [...nodes, ...[...root.querySelectorAll('*')].flatMap((one) => described.map((name) => one.getAttribute(name) ?? ''))];
}).map((text) => text.trim()).filter(Boolean)"""


@pytest.fixture(scope="module")
def german(phantoms, tmp_path_factory):
    work = tmp_path_factory.mktemp("german")
    archive = ARCHIVES["embedded"](work / "archive")
    archive.start()
    with viewer_over(archive, phantoms, work / "server", "--set", "language=de", OMP_NUM_THREADS="1") as viewer_server:
        yield viewer_server
    archive.stop()


def table(language: str) -> dict[str, Any]:
    return json.loads((TABLES / f"{language}.json").read_text(encoding="utf-8"))


def english_in(page: Any, selector: str) -> set[str]:
    """English texts that are shown though they are others in German."""
    english, german_ = table("en"), table("de")
    others = {text for key, text in english.items() if isinstance(text, str) and text not in german_.values()}
    words = set(page.evaluate(WORDS, selector))
    assert words & {text for text in german_.values() if isinstance(text, str)}
    return words & others


def test_a_case_is_read_in_german_and_stored_under_the_names_of_every_language(german: ViewerServer, page, shot):
    page.goto(f"{german.url}/", wait_until="domcontentloaded")
    assert page.title() == "VHI: Arbeitsliste"
    assert page.locator("html").get_attribute("lang") == "de"
    page.locator("#reader").fill("greta")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="zu befunden (2)").wait_for()
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Tasten").click()
    page.get_by_role("dialog").get_by_text("mein nächster Fall").wait_for()
    page.keyboard.press("Escape")
    assert english_in(page, "header, main") == set()
    shot("worklist")
    page.get_by_role("link", name="Öffnen").first.click()
    page.locator(f"{OPEN}, #vhi-draft").first.wait_for()
    dismiss_notice(page)
    reader = Reader(page, german, next(one for one in german.studies.values() if one.study_uid in page.url), "greta")
    reader.settled()
    page.get_by_role("button", name="VHI messen").click()
    page.locator("[data-vhi='sensitive']").wait_for()
    reader.rest()
    headings = page.locator("#vhi-panel h3").all_inner_texts()
    assert {"▾ Läsionen", "▾ Zeichnen"} <= set(headings)
    facts, _ = reader.asked("vhi", show="both")
    lesion = facts["lesions"][0]
    sides = {"left": "links", "right": "rechts", "midline": "Mittellinie"}
    assert reader.row(lesion["id"]).locator("td").nth(2).inner_text() == sides[lesion["side"]]
    reader.row(lesion["id"]).get_by_role("button", name="✕").click()
    reader.wait_until(lesion, "removed")
    assert reader.row(lesion["id"]).get_by_role("button").get_attribute("title") == "Diese Läsion zurückholen"
    page.get_by_role("button", name="normaler Knochen", exact=True).click()
    assert page.locator("[data-segment='normal bone']").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="▾ Zeichnen").click()
    assert page.evaluate("JSON.parse(localStorage.vhi_folded)").count("Draw") == 1
    page.get_by_role("button", name="▸ Zeichnen").click()
    assert english_in(page, "#vhi-panel") == set()
    shot("panel")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Tasten").get_by_text("nächste unsichere Läsion").wait_for()
    page.get_by_role("dialog", name="Tasten").get_by_text("Strg+Eingabe").wait_for()
    assert english_in(page, "#vhi-keys") == set()
    shot("keys")
    page.get_by_role("button", name="Schließen").click()
    sent = reader.submit()
    assert [one["name"] for one in sent["label_info"]] == ["inflammation"]
    assert [one["what"] for one in sent["decisions"]["clicks"]] == ["remove"]
    assert page.locator("#vhi-submitted").inner_text().startswith("Abgabe ")
    assert english_in(page, "#vhi-panel") == set()
