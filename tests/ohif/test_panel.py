"""A reader's view and the kept reading are the same, and nothing is lost: undo and redo, regions that are drawn, drafts, leaving, reopening."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest
import requests

from archives import phantom_study
from browsing import BONE, INFLAMMATION, Reader, lesion_of_two_grades, number
from lib.studies.dicomize import Labels
from random_readings import RandomReading
from viewing import PICTURED, ViewerServer, dismiss_notice, viewer_over, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]


@pytest.fixture
def reader(viewer_servers, page):
    """Opens a case over the embedded archive for a reader."""

    def start(name: str, study: str = "ascending") -> Reader:
        viewer_server = viewer_servers("embedded")
        made = Reader(page, viewer_server, viewer_server.studies[study], name)
        made.open()
        return made

    return start


def shown(reader: Reader) -> dict[str, int]:
    """Both volumes on screen [mm3]."""
    reader.rest()
    return {grade: number(reader.page.locator(f"[data-vhi='{grade}']").inner_text()) for grade in ("sensitive", "conservative")}


def submissions(reader: Reader) -> list[dict[str, Any]]:
    url = f"{reader.viewer_server.url}/vhi/submissions?image={reader.study.stir_uid}&reader={reader.name}"
    return requests.get(url, timeout=60).json()


def report(reader: Reader) -> dict[str, Any]:
    url = f"{reader.viewer_server.url}/vhi/report?image={reader.study.stir_uid}&reader={reader.name}&form=json"
    return requests.get(url, timeout=60).json()


def draw(reader: Reader, segment: str, voxel: list[int], tool: str = "brush") -> None:
    """One stroke of a segment, across a voxel of the slice that is shown."""
    reader.page.locator(f"[data-segment='{segment}']").click()
    if not reader.page.locator(f"[data-tool='{tool}'][aria-pressed='true']").count():
        reader.take(tool)
    reader.stroke(voxel, "STIR")
    reader.rest()


def test_undo_and_redo_by_keys_go_through_clicks_strokes_and_regions_with_their_numbers(reader, shot):
    case = reader("ida")
    page, steps = case.page, []

    def note() -> None:
        steps.append((case.map(), shown(case), page.locator("table").inner_text()))

    case.measure()
    facts = case.asked("vhi")[0]
    lesion = lesion_of_two_grades(facts)
    note()
    case.row(lesion["id"]).get_by_role("button").click()
    case.wait_until(lesion, "removed")
    note()
    other = next(one for one in facts["lesions"] if one["id"] != lesion["id"] and one["voxels"] > 50)
    case.row(other["id"]).click()
    draw(case, INFLAMMATION, other["voxel"], "eraser")
    case.wait_until(other, "part")
    note()
    page.locator("[data-proposal='normal_bone']").click()
    page.locator("#vhi-bone [data-bone='vhi']").wait_for()
    note()
    shot("four-steps")
    assert len({table for *_, table in steps[:3]}) == 3
    assert steps[2][1]["sensitive"] < steps[1][1]["sensitive"] < steps[0][1]["sensitive"]
    assert steps[3][1] == steps[2][1]  # looking at the proposal changes nothing
    for keys, order in (("Control+z", (2, 1, 0)), ("Control+Shift+Z", (1, 2, 3)), ("Control+z", (2,)), ("Control+y", (3,))):
        for n in order:
            page.keyboard.press(keys)
            expected, numbers, table = steps[n]
            np.testing.assert_array_equal(case.map(), expected)
            assert shown(case) == numbers
            assert page.locator("table").inner_text() == table


def test_vhi_is_measured_with_the_normal_bone_that_is_drawn_and_nothing_is_submitted(reader, shot):
    case = reader("jana")
    page = case.page
    proposed = case.asked("normal_bone")[1] > 0
    k = int(np.argmax(proposed.sum(axis=(0, 1))))
    i, j = (int(n) for n in np.argwhere(proposed[..., k]).mean(axis=0).round())
    page.locator("#vhi-measure").click()
    case.rest()
    untouched = shown(case)
    case.row(1).click()  # to some slice that is known
    at = case.asked("vhi")[0]["lesions"][0]["voxel"][2]
    for step in (-20, 0, 20):
        draw(case, BONE, [i + step, j, at])
    page.locator("#vhi-bone [data-bone='vhi']").wait_for()
    case.rest()
    shot("drawn")
    told = page.locator("#vhi-bone").inner_text()
    assert page.locator("#vhi-bone svg rect").count() > 3
    assert page.locator("#vhi-bone svg line").count() == 2
    clicks = page.evaluate("window.clicksOfTest = 0; addEventListener('pointerdown', () => { window.clicksOfTest += 1; });")
    page.locator("#vhi-measure").click()
    case.rest()
    shot("measured")
    assert (clicks, page.evaluate("window.clicksOfTest")) == (None, 1)
    drawn = case.bits() & 2 > 0
    facts = case.measured_with(BONE, drawn)
    assert facts["thresholds"]["n_normal_bone"] == np.count_nonzero(drawn)
    assert f"n = {np.count_nonzero(drawn)}" in told
    assert shown(case) == {grade: round(value) for grade, value in facts["vhi_mm3"].items()}
    assert number(told.split("Uncleaned volume with it: ")[1]) == round(facts["vhi_mm3"]["sensitive"])
    assert shown(case) != untouched
    assert submissions(case) == []
    page.locator("[data-proposal='normal_bone']").click()
    case.rest()
    np.testing.assert_array_equal(case.bits() & 2 > 0, proposed)
    page.locator("#vhi-measure").click()
    case.rest()
    assert shown(case) == untouched


def strokes_and_clicks(case: Reader) -> tuple[np.ndarray, dict[str, int], str]:
    """A measurement with a click, a stroke, a region, an option and a rating; what is on screen then."""
    case.measure()
    facts = case.asked("vhi")[0]
    lesion, other = [one for one in facts["lesions"] if one["voxels"] > 50][:2]
    case.row(lesion["id"]).get_by_role("button").click()
    case.wait_until(lesion, "removed")
    case.row(other["id"]).click()
    draw(case, INFLAMMATION, other["voxel"], "eraser")
    case.page.locator("[data-proposal='normal_bone']").click()
    case.page.locator("#vhi-bone [data-bone='vhi']").wait_for()
    case.page.locator("#vhi-rating").select_option("corrected")
    case.rest()
    return on_screen(case)


def on_screen(case: Reader) -> tuple[np.ndarray, dict[str, int], str]:
    case.rest()
    return case.bits(), shown(case), case.page.locator("table").inner_text() + case.page.locator("#vhi-rating").input_value()


def check_same(case: Reader, expected: tuple[np.ndarray, dict[str, int], str]) -> None:
    bits, numbers, words = on_screen(case)
    np.testing.assert_array_equal(bits, expected[0])
    assert (numbers, words) == expected[1:]


def kill(page: Any) -> None:
    """End the processes that draw the browser's tabs, as a machine short of memory does."""
    processes = page.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    with page.expect_event("crash"):
        for process in processes:
            if process["type"] == "renderer":
                os.kill(process["id"], signal.SIGKILL)


def test_a_reload_a_killed_tab_and_a_restarted_server_lose_no_stroke(started, phantoms, page, watch, tmp_path):
    archive, work = started("embedded"), tmp_path / "restarted"  # what was begun lies with the server, and not in the archive
    with viewer_over(archive, phantoms, work, OMP_NUM_THREADS="1") as viewer_server:
        case = Reader(page, viewer_server, phantoms["ascending"], "kai")
        case.open()
        expected = strokes_and_clicks(case)
        case.kept()
        page.reload()  # a dialog that asks is confirmed by the test's browser
        case.settled("go-on")
        check_same(case, expected)
        kill(page)
        context = page.context
        page.close()
        again = context.new_page()
        watch.over(again)
        other = Reader(again, viewer_server, case.study, "kai")
        other.open("go-on")
        check_same(other, expected)
        viewer_server.server.process.kill()
    with viewer_over(archive, phantoms, work, OMP_NUM_THREADS="1") as viewer_server:
        last = Reader(context.new_page(), viewer_server, case.study, "kai")
        watch.over(last.page)
        last.open("go-on")
        check_same(last, expected)
        assert submissions(last) == []
        last.submit()
        stored = report(last)
        assert {grade: round(value) for grade, value in stored["vhi_mm3"].items()} == expected[1]
        last.page.reload()
        last.settled("go-on")
        assert last.page.locator("#vhi-draft").count() == 0  # it was handed in
        again.close()
        watch.errors[:] = [one for one in watch.errors if "ERR_CONNECTION" not in one]


def test_of_two_windows_of_a_reader_the_second_is_told_and_nothing_is_overwritten(reader, watch, shot):
    one = reader("lena")
    facts = one.asked("vhi")[0]
    first, second, third = facts["lesions"][:3]
    one.measure()
    one.row(first["id"]).get_by_role("button").click()
    one.wait_until(first, "removed")
    one.kept()
    other = Reader(one.page.context.new_page(), one.viewer_server, one.study, "lena")
    watch.over(other.page)
    other.open("go-on")
    other.wait_until(first, "removed")
    other.row(second["id"]).get_by_role("button").click()
    other.wait_until(second, "removed")
    other.kept()
    theirs = other.bits()
    one.row(third["id"]).get_by_role("button").click()
    one.page.locator("#vhi-conflict").filter(has_text="Another window of yours has gone on with this case").wait_for()
    shot("told")
    assert one.page.locator("#vhi-submit:disabled").count() == 1
    one.page.locator("#vhi-give-in").click()
    one.page.locator("#vhi-conflict").wait_for(state="detached")
    one.rest()
    np.testing.assert_array_equal(one.bits(), theirs)
    one.row(third["id"]).get_by_role("button").click()
    one.wait_until(third, "removed")
    one.kept()
    ours = other.row(first["id"])
    ours.get_by_role("button").click()  # the other window is behind now
    other.page.locator("#vhi-take-over").click()
    other.kept()
    mine = other.bits()
    one.page.reload()
    one.settled("go-on")
    one.rest()
    np.testing.assert_array_equal(one.bits(), mine)
    other.page.close()
    watch.errors[:] = [one for one in watch.errors if "409" not in one]


def test_leaving_with_work_that_is_not_handed_in_asks(reader):
    case = reader("mara")
    page, asked = case.page, []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    def until(expected: list[str]) -> None:
        wait_for(lambda: page.wait_for_timeout(50) or asked == expected)  # dialogs are told while the browser is waited for

    page.on("dialog", stay)
    case.measure()
    case.row(1).get_by_role("button").click()
    case.wait_until({"id": 1}, "removed")
    page.evaluate("window.isStill = true; setTimeout(() => location.reload(), 0)")
    until(["beforeunload"])
    page.locator("[data-cy='return-to-work-list']").click()
    until(["beforeunload", "confirm"])
    page.locator("#vhi-next").click()
    until(["beforeunload", "confirm", "confirm"])
    case.rest()
    page.locator("tr.removed[data-lesion='1']").wait_for()
    assert page.evaluate("window.isStill")
    case.submit()
    page.locator("[data-cy='return-to-work-list']").click()
    page.locator("[data-cy^='studyRow-']").first.wait_for()
    assert asked == ["beforeunload", "confirm", "confirm"]


def test_another_number_than_the_one_on_screen_is_kept_only_once_it_was_confirmed(reader, watch, shot):
    case = reader("nina", "descending")
    case.measure()
    before = shown(case)
    bone = case.asked("normal_bone")[1] > 0
    case.hand_in_beside(BONE, bone & (np.cumsum(bone).reshape(bone.shape) % 2 == 0))
    case.page.locator("#vhi-submit").click()
    question = case.page.locator("#vhi-question")
    question.wait_for()
    shot("question")
    assert f"{before['sensitive']:,}" in question.inner_text() or str(before["sensitive"]) in question.inner_text()
    assert len(submissions(case)) == 1
    case.page.locator("#vhi-confirm").click()
    case.page.locator("#vhi-submitted").wait_for()
    assert len(submissions(case)) == 2
    stored = report(case)["vhi_mm3"]
    assert {grade: round(value) for grade, value in stored.items()} != before
    watch.errors[:] = [one for one in watch.errors if "409" not in one]


def test_a_finished_case_opens_with_its_newest_submission_and_a_second_reading_without_it(reader, shot):
    case = reader("olga")
    case.measure()
    case.row(2).get_by_role("button").click()
    case.wait_until({"id": 2}, "removed")
    case.submit()
    expected, numbers = case.bits(), shown(case)
    (first,) = submissions(case)
    case.page.reload()
    case.settled()
    case.page.locator("#vhi-submitted").filter(has_text=first["id"]).wait_for()
    case.page.locator("tr.removed[data-lesion='2']").wait_for()
    shot("reopened")
    np.testing.assert_array_equal(case.bits(), expected)
    assert shown(case) == numbers
    with case.page.expect_popup() as opened:
        case.page.get_by_role("link", name="Report").click()
    opened.value.wait_for_load_state("domcontentloaded")
    assert first["id"] in opened.value.locator("body").inner_text()
    opened.value.close()
    case.row(2).get_by_role("button").click()
    case.wait_until({"id": 2}, "kept")
    case.page.locator("#vhi-amending").filter(has_text="You are amending submission " + first["id"]).wait_for()
    sent = case.submit()
    assert sent["amends"] == first["id"]
    assert submissions(case)[-1]["amends"] == first["id"]
    case.page.locator("#vhi-reading").select_option("2")
    case.settled()
    assert not case.bits().any()
    assert case.page.locator("#vhi-submitted, #vhi-amending, [data-vhi='sensitive']").count() == 0
    case.measure()
    case.submit()
    assert [(one["reading"], one["amends"]) for one in submissions(case)] == [(1, None), (1, first["id"]), (2, None)]


def test_what_the_cleaning_proposal_left_out_is_not_told_as_the_readers(reader, shot):
    case = reader("petra")
    case.page.locator("#vhi-proposal").select_option("apply")
    case.measure()
    left_out = case.page.locator("tr.proposed")
    count = left_out.count()
    assert count
    shot("left-out")
    assert case.page.locator("tr.removed").count() == 0
    assert "Left out by the cleaning proposal" in left_out.first.get_attribute("title")
    lesion = {"id": int(left_out.first.get_attribute("data-lesion"))}
    case.row(lesion["id"]).get_by_role("button").click()
    case.wait_until(lesion, "kept")
    case.submit()
    corrections = submissions(case)[-1]["corrections"]
    assert len(corrections["proposal"]["removed"]) == count - 1
    assert [one for one, _ in corrections["clicks"]["restored"]] == [lesion["id"]]
    assert corrections["hand"]["erased"] == []


SMALL = {"width": 1280, "height": 720}
NEEDED = ("#vhi-measure", "#vhi-rating", "#vhi-submit", "#vhi-next", "[data-vhi='sensitive']", "[data-vhi='conservative']")


def check_in_sight(page: Any) -> None:
    for one in NEEDED:
        box = page.locator(one).bounding_box()
        assert box["x"] >= 0, one
        assert box["y"] >= 0, one
        assert box["x"] + box["width"] <= SMALL["width"], one
        assert box["y"] + box["height"] <= SMALL["height"], one
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        assert page.evaluate(
            "([one, x, y]) => document.querySelector(one).contains(document.elementFromPoint(x, y))", [one, x, y]
        )


def at_the_edge(bits: np.ndarray, voxel: list[int]) -> list[int]:
    """The first voxel to the side that is drawn otherwise: a brush in the middle of a lesion may change nothing."""
    i, j, k = voxel
    return [i + int(np.argmax(bits[i:, j, k] != bits[i, j, k])), j, k]


def test_on_a_small_screen_what_a_submission_needs_is_in_sight_from_the_first_look_to_the_last(
    viewer_servers, page, shot, tmp_path
):
    """With the geometry of a real scan; its screenshots are the pictures of docs/ohif.md."""
    page.set_viewport_size(SMALL)
    viewer_server = viewer_servers("embedded")
    study = phantom_study(tmp_path, 8, (336, 336, 25), labels=Labels("PHANTOM-8", "20250601"))
    viewer_server.archive.store(study.files())
    wait_for(lambda: study.study_uid in requests.get(f"{viewer_server.url}/vhi/cases", timeout=60).text)
    page.goto(f"{viewer_server.url}/ohif/", wait_until="domcontentloaded")
    page.locator(f"[data-cy='studyRow-{study.study_uid}']").click()
    page.locator(f"[data-cy='mode-monai-label-{study.study_uid}']").wait_for()
    dismiss_notice(page)
    shot("list")
    case = Reader(page, viewer_server, study, "anna")
    case.open()
    case.measure()
    page.locator(PICTURED).wait_for()
    check_in_sight(page)
    shot("measured")
    facts = case.asked("vhi")[0]
    large = sorted(facts["lesions"], key=lambda one: -one["voxels"])
    page.locator("[data-proposal='normal_bone']").click()
    case.rest()
    at = int(np.argmax((case.bits() & 2 > 0).sum(axis=(0, 1))))
    nearest = min(facts["lesions"], key=lambda one: abs(one["slice"] - at))
    case.row(nearest["id"]).click()
    inside = np.argwhere(case.bits()[..., nearest["slice"]] & 2) if nearest["slice"] == at else [[168, 190]]
    i, j = (int(n) for n in np.mean(inside, axis=0))
    draw(case, BONE, [i, j, nearest["slice"]])
    page.locator("#vhi-bone").scroll_into_view_if_needed()
    check_in_sight(page)
    shot("bone")
    page.locator("#vhi-measure").click()
    case.rest()
    case.row(large[0]["id"]).get_by_role("button").click()
    case.wait_until(large[0], "removed")
    case.row(large[1]["id"]).click()
    draw(case, INFLAMMATION, at_the_edge(case.bits(), case.asked("vhi")[0]["lesions"][1]["voxel"]))
    check_in_sight(page)
    shot("drawn")
    case.kept()
    page.reload()
    page.locator("#vhi-draft").wait_for()
    page.locator(PICTURED).wait_for()
    shot("draft")
    case.settled("go-on")
    page.locator("#vhi-rating").select_option("satisfactory")
    case.rest()
    check_in_sight(page)
    case.submit()
    page.locator("#vhi-submitted").filter(has_text="is kept").wait_for()
    check_in_sight(page)
    shot("submitted")


ACTIONS = ("remove", "restore", "paint", "erase", "undo", "redo", "bone", "region", "option", "measure", "reload")


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.pacs) for name in ("embedded", "orthanc")])
def test_in_random_readings_the_number_on_screen_is_the_one_that_is_stored_reported_and_sent(viewer_servers, page, name):
    """Ten readings of each archive; what is on screen at submission is compared with the store, JSON and SR to the voxel."""
    viewer_server: ViewerServer = viewer_servers(name)
    rng = np.random.default_rng({"embedded": 5, "orthanc": 6}[name])
    reading = RandomReading(Reader(page, viewer_server, viewer_server.studies["ascending"], "robin"), rng, ACTIONS)
    reading.reader.open()
    for _ in range(10):
        reading.run()
        reading.check_submission()
    reading.check_archive()


def test_normal_bone_is_grown_by_a_click_shown_with_its_thresholds_undone_and_submitted_as_the_readers(reader, shot):
    case = reader("clara")
    page = case.page
    at = np.argwhere(case.asked("normal_bone")[1])
    case.measure()
    case.row(1).click()
    k = case.asked("vhi")[0]["lesions"][0]["voxel"][2]
    voxel = [int(n) for n in at.mean(axis=0).round()[:2]] + [k]
    case.take("bone")
    page.mouse.click(*case.at(voxel))
    page.locator("#vhi-bone [data-bone='thresholds']").wait_for()
    case.rest()
    shot("grown")
    facts, grown = case.asked("normal_bone_clicks", foreground=[voxel])
    np.testing.assert_array_equal(case.bits() & 2 > 0, grown > 0)
    told = page.locator("#vhi-bone [data-bone='thresholds']").inner_text()
    assert "(robust, " in told
    assert f"n = {facts['thresholds']['n_normal_bone']}" in told
    page.keyboard.press("Control+z")
    page.locator("#vhi-bone").wait_for(state="detached")
    assert not (case.bits() & 2).any()
    page.keyboard.press("Control+y")
    page.locator("#vhi-bone [data-bone='thresholds']").wait_for()
    page.locator("#vhi-measure").click()
    case.rest()
    case.submit()
    assert report(case)["normal_bone"]["source"] == "clicked"
