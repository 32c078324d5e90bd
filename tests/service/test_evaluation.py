"""One number from screen to store: untouched proposals, drawn regions, who did what, and what is at fault."""

import json

import numpy as np
import pytest

from lib.core.segment_names import CONSERVATIVE, PROPOSED_TO_REMOVE
from lib.core.volume import Mask
from lib.errors import InputError, ModelError, NotFoundError, RequestError
from lib.service.drawing import DrawnMap
from lib.service.service import VhiService
from lib.service.submissions import ChangedNumberError

pytestmark = pytest.mark.slow  # seconds in all

REGION, BONE, INFLAMMATION = "disease region", "normal bone", "inflammation"
IN_1, IN_2 = [9, 1, 1], [1, 1, 3]
NOTHING_DONE = {
    "proposal": {"removed": []},
    "clicks": {"removed": [], "restored": []},
    "hand": {"erased": [], "restored": [], "painted": 0, "painted_below_threshold": 0, "painted_left_out": 0},
    "regions": {"appeared": 0, "outside": 0, "below_threshold": 0, "left_out": 0},
}


@pytest.fixture
def service(study_folder):
    service = study_folder.service()
    study_folder.draw_regions(service)
    service.vhi("a_STIR", "anna", {})
    return service


def report(service, image="a_STIR", reader="anna"):
    return json.loads(service.report(image, reader, "json").read_text())


def overlapping(study_folder, **masks):
    """Segments as a viewer sends them that knows what lies beneath: a voxel's value is the sum of theirs."""
    bits = {"region": (REGION, 1), "bone": (BONE, 2), "inflammation": (INFLAMMATION, 4)}
    labels = sum(bits[name][1] * mask.astype(np.uint8) for name, mask in masks.items())
    names = [(bits[name][0], [value for value in range(1, 8) if value & bits[name][1]]) for name in masks]
    return DrawnMap(labels, study_folder.grid, names)


def hand_in(study_folder, service, **masks):
    sent = overlapping(study_folder, **masks)
    return service.submit("a_STIR", sent.labels, sent.grid, sent.segments, reader="anna")


def both_regions(study_folder):
    return overlapping(study_folder, region=study_folder.region, bone=study_folder.bone)


# the proposal stays the proposal ------------------------------------------------------------------------------------------


def answers(service):
    """The server's proposals, and VHI from them."""
    region, bone = service.disease_region("p_STIR", "anna"), service.normal_bone("p_STIR", "anna")
    return region, bone, service.vhi("p_STIR", "anna", {})


def check_untouched(service, vhi, made):
    content = report(service, "p_STIR")
    for name in ("vhi_mm3", "voxels", "thresholds", "left", "right", "normal_bone", "disease_region"):
        assert content[name] == vhi.facts[name]
    assert [one["mm3"] for one in content["lesions"]] == [one["mm3"] for one in vhi.facts["lesions"]]
    assert content["thresholds"]["rule"] == "robust"
    assert (content["normal_bone"]["source"], content["disease_region"]["source"]) == ("proposed", "ensemble of 3")
    assert content["normal_bone"]["confidence"] > 0.5
    assert any("no reader has checked it" in warning for warning in content["warnings"])
    assert made.result["result_id"] == vhi.facts["result_id"]
    hand = {**NOTHING_DONE["regions"], **{name: {"added": 0, "removed": 0} for name in (REGION, BONE)}}
    assert made.corrections == {**NOTHING_DONE, "regions": hand}
    # measured again it is the same still, for this reader and for the next one
    for reader in ("anna", "ben"):
        again = service.vhi("p_STIR", reader, {}).facts
        assert again["result_id"] == vhi.facts["result_id"]
        assert again["used"][BONE] in (
            "your submission 0001, the proposal unchanged",
            "shared by study (0001), the proposal unchanged",
        )


def test_a_proposal_that_nobody_changed_is_the_proposal_still_in_one_flattened_map(phantom):
    service = VhiService(phantom)
    region, bone, vhi = answers(service)
    labels = np.where(region.labels > 0, 1, 0)
    labels[bone.labels > 0], labels[vhi.labels > 0] = 2, 3
    made = service.submit("p_STIR", labels, region.grid, [(REGION, 1), (BONE, 2), (INFLAMMATION, 3)], reader="anna")
    check_untouched(service, vhi, made)
    assert not any("Removed" in message or "rased" in message for message in made.messages)


def test_a_proposal_that_nobody_changed_is_the_proposal_still_in_a_segmentation_of_separate_masks(phantom):
    service = VhiService(phantom)
    region, bone, vhi = answers(service)
    masks = {REGION: region.labels > 0, BONE: bone.labels > 0, INFLAMMATION: vhi.labels > 0}
    named = {name: Mask(mask, vhi.grid, name) for name, mask in masks.items()}
    check_untouched(service, vhi, service.submit_masks("p_STIR", named, reader="anna"))


def test_a_proposal_with_one_voxel_more_is_the_readers_own(phantom):
    service = VhiService(phantom)
    _, bone, vhi = answers(service)
    drawn = (bone.labels > 0).copy()
    drawn[tuple(np.argwhere(~drawn & (vhi.labels == 0))[0])] = True
    made = service.submit("p_STIR", drawn.astype(np.uint8), bone.grid, [(BONE, 1)], reader="anna")
    assert report(service, "p_STIR")["normal_bone"]["source"] == "given"
    assert made.corrections["regions"][BONE] == {"added": 1, "removed": 0}


def test_normal_bone_that_was_erased_stays_erased_where_the_disease_region_lies_beneath_it(study_folder, service):
    fewer = study_folder.bone.copy()
    fewer[:, :, 2] = False
    made = study_folder.submit(service, (REGION, study_folder.region), (BONE, fewer), (INFLAMMATION, study_folder.lesions > 0))
    np.testing.assert_array_equal(service.readings.read_segment(made, BONE).data, fewer)
    assert made.corrections["regions"][BONE] == {"added": 0, "removed": 15}


def test_segments_may_overlap_and_are_kept_as_they_lie(study_folder, service):
    under = study_folder.bone.copy()
    under[9, 1, 1] = True  # beneath lesion 1
    made = hand_in(study_folder, service, region=study_folder.region, bone=under, inflammation=study_folder.lesions > 0)
    for name, mask in {REGION: study_folder.region, BONE: under, INFLAMMATION: study_folder.lesions > 0}.items():
        np.testing.assert_array_equal(service.readings.read_segment(made, name).data, mask)
    with pytest.raises(RequestError, match="has the value 'x'"):
        service.submit(
            "a_STIR", study_folder.region.astype(np.uint8), study_folder.grid, [(REGION, ["x"]), (BONE, [2])], reader="anna"
        )


# measuring with what is drawn ---------------------------------------------------------------------------------------------


def test_from_draw_it_by_hand_to_a_number_nothing_is_submitted(study_folder):
    service = study_folder.service()
    with pytest.raises(ModelError, match="No trained model"):
        service.vhi("a_STIR", "anna", {})
    for answer in (
        service.vhi("a_STIR", "anna", {}, both_regions(study_folder)),
        service.clean("a_STIR", "anna", {}, [], [], both_regions(study_folder)),
    ):
        assert answer.facts["vhi_mm3"] == {"sensitive": 72.0, "conservative": 24.0}
        assert answer.facts["used"] == {BONE: "drawn, not submitted", REGION: "drawn, not submitted"}
        assert (answer.facts["thresholds"]["sensitive"], answer.facts["thresholds"]["n_normal_bone"]) == (7.0, 45)
    histogram = answer.facts["histogram"]
    assert sum(histogram["counts"]) == 45
    assert (histogram["edges"][0], histogram["edges"][-1], len(histogram["edges"])) == (1.0, 7.5, len(histogram["counts"]) + 1)
    # nine of each value: 1 in the first bin, 7.5 in the last
    assert (histogram["counts"][0], histogram["counts"][-1]) == (9, 9)
    assert service.submissions("a_STIR", None) == ()
    with pytest.raises(ModelError, match="No trained model"):
        service.vhi("a_STIR", "anna", {})


def test_no_inflammation_after_measuring_with_drawn_regions_is_none(study_folder):
    service = study_folder.service()
    service.vhi("a_STIR", "anna", {}, both_regions(study_folder))
    made = hand_in(
        study_folder,
        service,
        region=study_folder.region,
        bone=study_folder.bone,
        inflammation=np.zeros(study_folder.grid.shape, bool),
    )
    assert made.segment(INFLAMMATION).voxels == 0
    assert report(service)["vhi_mm3"]["sensitive"] == 0.0


# the number on the screen ---------------------------------------------------------------------------------------------------


def test_a_preview_is_the_number_that_is_kept_and_keeps_nothing(study_folder, service):
    labels = (study_folder.lesions == 1).astype(np.uint8)
    shown = service.preview("a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], reader="anna")
    assert shown["vhi_mm3"] == {"sensitive": 48.0, "conservative": 24.0}
    assert len(service.submissions("a_STIR", None)) == 2
    made = service.submit("a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], reader="anna", displayed=shown["result_id"])
    assert made.result["result_id"] == shown["result_id"]
    assert not any("shown last" in message for message in made.messages)


def test_another_number_than_the_displayed_one_is_kept_only_once_the_reader_confirms_it(study_folder, service):
    displayed = service.vhi("a_STIR", "anna", {}).facts["result_id"]
    ask = {"reader": "anna", "displayed": displayed}
    labels = (study_folder.lesions == 1).astype(np.uint8)
    with pytest.raises(ChangedNumberError, match="shown are 72 mm3 .* 48 mm3 at the sensitive and 24 mm3") as refused:
        service.submit("a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], **ask)
    facts = refused.value.facts
    assert (facts["displayed"]["vhi_mm3"]["sensitive"], facts["would_be"]["vhi_mm3"]["sensitive"]) == (72.0, 48.0)
    assert len(service.submissions("a_STIR", None)) == 2
    with pytest.raises(ChangedNumberError):
        service.submit("a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], **ask, confirmed=displayed[::-1])
    made = service.submit(
        "a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], **ask, confirmed=facts["would_be"]["result_id"]
    )
    assert made.result["vhi_mm3"]["sensitive"] == 48.0


def test_a_viewer_that_displays_no_number_is_told_both(study_folder, service):
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    assert made.messages[0] == (
        "Shown last: 72 mm3 at the sensitive and 24 mm3 at the conservative threshold; kept: 48 mm3 at the sensitive and 24 mm3 "
        "at the conservative threshold."
    )
    service.vhi("a_STIR", "anna", {})
    assert study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0)).messages == ()


def test_settings_that_are_stated_count_before_those_shown_last(study_folder, service):
    stated = {"min_volume_mm3": 30}
    labels = (study_folder.lesions > 0).astype(np.uint8)
    made = service.submit("a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], reader="anna", settings=stated)
    assert made.settings["min_volume_mm3"] == 30


# who did what ---------------------------------------------------------------------------------------------------------------


def test_clicks_and_strokes_are_told_apart(study_folder, service):
    kept = study_folder.lesions == 1
    kept[10, 1:3, 2] = False  # two voxels by hand
    kept[5, 9, 0] = True  # and a dark one painted
    click = {"what": "remove", "voxel": IN_2, "scope": "lesion"}
    made = study_folder.submit(service, (INFLAMMATION, kept), decisions={"clicks": [click]})
    assert made.corrections["clicks"] == {"removed": [[2, 4]], "restored": []}
    assert made.corrections["hand"] == {
        "erased": [[1, 2]],
        "restored": [],
        "painted": 0,
        "painted_below_threshold": 1,
        "painted_left_out": 0,
    }
    page = service.report("a_STIR", "anna", "html").read_text()
    for words in ("Removed by the reader&#39;s clicks: 4 voxels (4 of lesion 2).", "Erased by hand: 2 voxels (2 of lesion 1)."):
        assert words in page
    assert report(service)["reading"]["corrections"] == made.corrections
    assert made.decisions["clicks"] == [click]


def test_of_a_viewer_that_states_no_decisions_the_servers_last_answer_counts(study_folder, service):
    service.clean("a_STIR", "anna", {}, [tuple(IN_2)], [])
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    assert made.corrections["clicks"]["removed"] == [[2, 4]]
    # a click that the viewer undid by itself is no click
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0))
    assert made.corrections == NOTHING_DONE
    # without that answer it was erased by hand
    service.vhi("a_STIR", "anna", {})
    assert study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1)).corrections["hand"]["erased"] == [[2, 4]]


def test_what_is_left_in_the_segment_of_the_proposal_was_taken_out_by_the_proposal(study_folder, service):
    made = study_folder.submit(
        service, (INFLAMMATION, study_folder.lesions == 1), (PROPOSED_TO_REMOVE, study_folder.lesions == 2)
    )
    assert made.corrections["proposal"]["removed"] == [[2, 4]]
    assert made.corrections["hand"]["erased"] == []


def test_what_a_new_region_changes_is_nobodys_correction(study_folder, service):
    smaller = study_folder.region.copy()
    smaller[1:3] = False  # without lesion 2, which the reader left as it was
    made = hand_in(study_folder, service, region=smaller, inflammation=study_folder.lesions > 0)
    assert made.corrections["regions"] == {
        "appeared": 0, "outside": 4, "below_threshold": 0, "left_out": 0, REGION: {"added": 0, "removed": 80},
    }  # fmt: skip
    assert made.corrections["hand"] == NOTHING_DONE["hand"]
    # back to the whole region: what was not on the screen then appears
    service.vhi("a_STIR", "anna", {})
    made = hand_in(study_folder, service, region=study_folder.region, inflammation=study_folder.lesions == 1)
    assert made.corrections["regions"]["appeared"] == 4
    assert made.corrections["hand"] == NOTHING_DONE["hand"]


def test_decisions_that_make_no_sense_are_refused(study_folder, service):
    for decisions, words in (
        ([], "decisions is an object"),
        ({"clicks": 7}, "clicks must be a list"),
        ({"clicks": [{"what": "eat", "voxel": [1, 1, 1]}]}, "a click is what"),
        ({"clicks": [{"what": "remove", "voxel": [1, 1.5, 1]}]}, "three whole numbers"),
        ({"proposal": "maybe"}, "proposal is 'maybe'"),
        ({"automatic_id": 7}, "automatic_id"),
    ):
        with pytest.raises(RequestError, match=words):
            study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0), decisions=decisions)
    for stated in ({"displayed": 7}, {"settings": [1]}):
        with pytest.raises(RequestError, match=f"{next(iter(stated))} is"):
            study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0), **stated)


# what is at fault -----------------------------------------------------------------------------------------------------------


def clumsy(study_folder):
    """Normal bone with the four brightest voxels of lesion 1: quartiles 2 and 7.5, brightest 8, so the threshold is 7.775."""
    bone = study_folder.bone.copy()
    bone[9:11, 1:3, 1] = True
    return bone


def test_a_clumsy_outline_of_normal_bone_is_named_as_what_moved_the_threshold(study_folder, service):
    with pytest.raises(
        RequestError, match=r"A change of normal bone has moved the sensitive threshold from 7\.0 to 7\.8, and 8 of the 12 voxels"
    ):
        hand_in(study_folder, service, bone=clumsy(study_folder), inflammation=study_folder.lesions > 0)


def test_a_viewer_that_displays_the_number_is_accused_of_nothing(study_folder, service):
    labels = (study_folder.lesions > 0)[:, :, ::-1].astype(np.uint8)
    with pytest.raises(InputError, match="flipped along the slices"):
        service.submit("a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], reader="anna")
    shown = service.preview("a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], reader="anna", displayed="")
    made = service.submit("a_STIR", labels, study_folder.grid, [(INFLAMMATION, 1)], reader="anna", displayed=shown["result_id"])
    assert made.result["vhi_mm3"]["sensitive"] == 48.0


# reopening ------------------------------------------------------------------------------------------------------------------


def test_a_reading_is_reopened_with_its_numbers_its_decisions_and_its_voxels(study_folder, service):
    click = {"what": "remove", "voxel": IN_2, "scope": "lesion"}
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), decisions={"clicks": [click]}, rating="corrected")
    info = service.reading("a_T1W", "anna")
    assert (info["submission_id"], info["number"], info["reading"], info["rating"]) == ("0003-anna", 3, 1, "corrected")
    assert info["result"]["vhi_mm3"] == {"sensitive": 48.0, "conservative": 24.0}
    assert info["decisions"]["clicks"] == [click]
    assert info["reports"]["html"] == "/vhi/report?image=a_T1W&reader=anna&submission=0003-anna&form=html"
    labels, _ = service.reading_labels("a_T1W", "anna")
    assert info["label_info"] == [{"name": INFLAMMATION, "idx": [4, 5, 6, 7]}]
    np.testing.assert_array_equal(labels, 4 * (study_folder.lesions == 1))


def test_a_second_reading_starts_without_the_first_and_nobody_opens_anothers(study_folder, service):
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    with pytest.raises(NotFoundError, match="anna has submitted nothing of case a in reading 2"):
        service.reading("a_STIR", "anna", 2)
    with pytest.raises(NotFoundError, match="ben has submitted nothing of case a in reading 1"):
        service.reading("a_STIR", "ben")
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0), reading=2)
    assert service.reading("a_STIR", "anna")["submission_id"] == "0003-anna"
    assert service.reading("a_STIR", "anna", 2)["submission_id"] == "0004-anna"
    content = json.loads(service.report("a_STIR", "anna", "json", submission="0003-anna").read_text())
    assert content["reading"]["submission"] == "0003-anna"


# segments that 3D Slicer's click tool leaves as they were -----------------------------------------------------------------


def submitted_with(study_folder, service, other, mask):
    """A submission as 3D Slicer sends it after `vhi` and clicks: `inflammation` as the click tool answered, another segment as it was."""
    kept = (study_folder.lesions == 2) & ~mask
    return study_folder.submit(service, (INFLAMMATION, kept), (other, mask))


def test_a_removed_lesion_does_not_come_back_by_the_conservative_segment(study_folder, service):
    service.clean("a_STIR", "anna", {}, [tuple(IN_1)], [])
    behind = study_folder.lesions == 1
    with pytest.raises(
        RequestError, match=rf"'inflammation \(conservative\)' still holds {behind.sum()} voxels of lesions that clicks removed"
    ):
        submitted_with(study_folder, service, CONSERVATIVE, behind)
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 2), (CONSERVATIVE, np.zeros_like(behind)))
    assert [lesion for lesion, _ in made.corrections["clicks"]["removed"]] == [1]


def test_a_restored_lesion_is_not_lost_under_the_segment_of_the_proposal(study_folder, service):
    service.clean("a_STIR", "anna", {}, [], [tuple(IN_1)])
    with pytest.raises(RequestError, match=r"'inflammation \(proposed to remove\)' still holds .* that clicks restored"):
        submitted_with(study_folder, service, PROPOSED_TO_REMOVE, study_folder.lesions == 1)


def test_the_conservative_segment_of_lesions_that_stay_is_taken(study_folder, service):
    service.clean("a_STIR", "anna", {}, [tuple(IN_1)], [])
    made = submitted_with(study_folder, service, CONSERVATIVE, study_folder.lesions == 2)
    np.testing.assert_array_equal(service.readings.read_segment(made, INFLAMMATION).data, study_folder.lesions == 2)
