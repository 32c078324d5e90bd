"""Normal bone by a reader's clicks, from the viewer to the report."""

import numpy as np
import pytest

from lib.errors import NormalBoneError
from lib.service.drawing import DrawnMap
from lib.service.service import VhiService

pytestmark = pytest.mark.slow  # seconds in all

SEGMENTS = [("normal bone", 1)]


@pytest.fixture
def service(phantom):
    return VhiService(phantom)


@pytest.fixture
def click(service):
    """A voxel in the middle of the automatic normal bone."""
    at = np.argwhere(service.normal_bone("p_STIR").labels)
    return tuple(int(n) for n in at[np.argmin(np.abs(at - at.mean(axis=0)).sum(axis=1))])


def test_a_click_grows_normal_bone_and_says_both_thresholds_which_vhi_from_that_click_has(service, click):
    grown = service.normal_bone_from_clicks("p_STIR", "anna", [click])
    assert grown.names == {"normal bone": 1}
    assert grown.facts["voxels"] == np.count_nonzero(grown.labels) > 30
    assert grown.facts["clicks"] == [list(click)]
    measured = service.vhi("p_STIR", None, {}, clicks=[click]).facts
    assert measured["normal_bone"]["source"] == "clicked"
    assert measured["normal_bone"]["clicks"] == [list(click)]
    assert measured["used"]["normal bone"] == "grown from 1 click"
    for name in ("rule", "sensitive", "conservative", "n_normal_bone"):
        assert measured["thresholds"][name] == grown.facts["thresholds"][name]
    assert measured["thresholds"]["rule"] == "robust"


@pytest.mark.parametrize("chosen", [{"rule": "paper"}, {"rule": "paper", "upper_percentile": 95.0}])
def test_the_thresholds_beside_a_click_are_those_that_the_reader_measures_with(service, click, chosen):
    """As 3D Slicer, which sends settings with a measurement alone; and as a client that sends them with the clicks."""
    sent = service.normal_bone_from_clicks("p_STIR", "ben", [click], chosen).facts["thresholds"]
    service.vhi("p_STIR", "anna", chosen)
    grown = service.normal_bone_from_clicks("p_STIR", "anna", [click])
    measured = service.vhi("p_STIR", "anna", chosen, clicks=[click]).facts["thresholds"]
    assert measured["rule"] == "paper"
    assert grown.facts["thresholds"] == sent == {name: measured[name] for name in sent}
    would_be = service.preview("p_STIR", grown.labels, grown.grid, SEGMENTS, [click], reader="anna", settings=chosen)
    assert would_be["thresholds"] == measured  # what OHIF shows beside the click


def test_grown_normal_bone_is_submitted_as_a_readers_with_its_clicks_and_counts_as_that_after_a_restart(service, click, phantom):
    grown = service.normal_bone_from_clicks("p_STIR", "anna", [click])
    service.submit("p_STIR", grown.labels, grown.grid, SEGMENTS, reader="anna")
    after = VhiService(phantom).vhi("p_STIR", "anna", {}).facts
    assert after["normal_bone"]["source"] == "clicked"
    assert after["normal_bone"]["clicks"] == [list(click)]
    assert after["used"]["normal bone"] == "your submission 0001"
    assert after["thresholds"]["sensitive"] == grown.facts["thresholds"]["sensitive"]


def test_grown_normal_bone_that_was_redrawn_is_drawn(service, click):
    grown = service.normal_bone_from_clicks("p_STIR", "anna", [click])
    labels = grown.labels.copy()
    labels[tuple(np.argwhere(labels)[0])] = 0
    service.submit("p_STIR", labels, grown.grid, SEGMENTS, reader="anna")
    assert service.vhi("p_STIR", "anna", {}).facts["normal_bone"]["source"] == "given"


def test_a_click_outside_the_bone_is_refused(service):
    with pytest.raises(NormalBoneError, match=r"click 0,0,0 \(slice 1\) lies outside the bone"):
        service.vhi("p_STIR", None, {}, clicks=[(0, 0, 0)])


def second(service, click):
    """Normal bone from one click, after another one was added to it; the first is what undo brings back."""
    automatic = np.argwhere(service.normal_bone("p_STIR").labels)
    other = tuple(int(n) for n in automatic[automatic[:, 2] != click[2]][0])
    one = service.normal_bone_from_clicks("p_STIR", "anna", [click])
    two = service.normal_bone_from_clicks("p_STIR", "anna", [click, other])
    assert not np.array_equal(one.labels, two.labels)
    return one


def test_normal_bone_that_undo_brings_back_is_still_from_its_click(service, click):
    one = second(service, click)
    drawn = DrawnMap(one.labels, one.grid, SEGMENTS)
    measured = service.vhi("p_STIR", "anna", {}, drawn).facts
    assert measured["normal_bone"]["clicks"] == [list(click)]
    assert measured["thresholds"]["rule"] == "robust"


def test_normal_bone_from_clicks_that_come_with_it_is_known_after_a_restart(service, click, phantom):
    one = second(service, click)
    again = VhiService(phantom)
    without = again.vhi("p_STIR", "anna", {}, DrawnMap(one.labels, one.grid, SEGMENTS)).facts
    assert without["normal_bone"]["source"] == "clicked"
    others = again.vhi("p_STIR", "ben", {}, DrawnMap(one.labels, one.grid, SEGMENTS)).facts
    assert others["normal_bone"]["source"] == "given"  # anna's clicks are not his
    measured = again.vhi("p_STIR", "anna", {}, DrawnMap(one.labels, one.grid, SEGMENTS, [click])).facts
    assert measured["normal_bone"]["clicks"] == [list(click)]
    assert measured["thresholds"]["sensitive"] == one.facts["thresholds"]["sensitive"]
    shown = VhiService(phantom).preview("p_STIR", one.labels, one.grid, SEGMENTS, [click], reader="anna")
    made = VhiService(phantom).submit("p_STIR", one.labels, one.grid, SEGMENTS, [click], reader="anna")
    assert made.segments[0].proposal["clicks"] == [list(click)]
    assert shown["changes"] == made.changes


def test_normal_bone_grown_in_a_region_that_was_edited_since_is_still_from_its_clicks_after_a_restart(service, click, phantom):
    region = service.disease_region("p_STIR")
    smaller = region.labels.copy()
    smaller[:, :, click[2] + 2 :] = 0
    grown = service.normal_bone_from_clicks(
        "p_STIR", "anna", [click], drawn=DrawnMap(smaller, region.grid, [("disease region", 1)])
    )
    whole = service.normal_bone_from_clicks("p_STIR", "ben", [click])
    assert not np.array_equal(grown.labels, whole.labels)  # what the clicks grow depends on the region
    edited = region.labels.copy()
    edited[:, : click[1] - 10] = 0
    labels = edited.astype(np.uint8) * 2
    labels[grown.labels > 0] = 1
    drawn = DrawnMap(labels, grown.grid, [("disease region", 2), *SEGMENTS], [click])
    before, after = (one.vhi("p_STIR", "anna", {}, drawn).facts for one in (service, VhiService(phantom)))
    assert before["normal_bone"]["source"] == after["normal_bone"]["source"] == "clicked"
    assert before["thresholds"] == after["thresholds"]
    for path in (phantom / ".vhi").rglob("anna-clicked*"):
        path.unlink()
    assert (
        VhiService(phantom).vhi("p_STIR", "anna", {}, drawn).facts["normal_bone"]["source"] == "given"
    )  # grown again it differs


def test_a_damaged_note_of_what_was_grown_counts_as_none(service, click, phantom):
    one = second(service, click)
    for path in (phantom / ".vhi").rglob("anna-clicked*"):
        path.write_bytes(b"{")
    measured = VhiService(phantom).vhi("p_STIR", "anna", {}, DrawnMap(one.labels, one.grid, SEGMENTS)).facts
    assert measured["normal_bone"]["source"] == "given"


def test_normal_bone_that_differs_from_what_its_clicks_grow_is_drawn(service, click):
    one = second(service, click)
    labels = one.labels.copy()
    labels[tuple(np.argwhere(labels)[0])] = 0
    measured = service.vhi("p_STIR", "anna", {}, DrawnMap(labels, one.grid, SEGMENTS, [click])).facts
    assert (measured["normal_bone"]["source"], measured["thresholds"]["rule"]) == ("given", "paper")
