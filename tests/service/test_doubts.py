"""Doubts about a region when it is handed in, and what its reader is told of it later."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from lib.errors import RequestError
from lib.readings.submission import Submission
from lib.retraining.fate import Fate
from lib.service.doubts import DoubtedRegionError
from lib.service.fates import Fates
from lib.service.service import VhiService

REGION = "disease region"


@pytest.fixture
def service(phantom) -> VhiService:
    return VhiService(phantom)


def hand_in(service: VhiService, labels: np.ndarray, **more) -> Submission:
    grid = service.disease_region("p_STIR").grid
    return service.submit("p_STIR", labels, grid, [(REGION, 1)], reader="anna", **more)


def region(service: VhiService) -> np.ndarray:
    return service.disease_region("p_STIR").labels


@pytest.mark.slow
def test_a_region_upside_down_is_shown_to_its_reader_before_it_is_kept_and_kept_once_confirmed(service):
    # j runs from the feet to the head in a phantom
    wrong = np.flip(region(service), 1)
    with pytest.raises(DoubtedRegionError, match="fits better upside down") as caught:
        hand_in(service, wrong, doubts="ask")
    picture = caught.value.facts["picture"]
    assert base64.b64decode(picture.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert service.submissions("p_STIR", "anna") == ()
    made = hand_in(service, wrong, doubts="confirmed")
    assert "upside down" in made.messages[0]
    assert made.messages[1] == "You confirmed it. Whether it is learnt is for an administrator to say."


@pytest.mark.slow
def test_a_viewer_that_shows_no_questions_tells_the_doubt_with_its_answer_and_the_same_again_confirms(service):
    shifted = np.roll(region(service), 4, axis=0)
    first = hand_in(service, shifted)
    assert "shifted by (4, 0, 0) voxels" in first.messages[0]
    assert first.messages[1].startswith("It was kept. Correct it and submit again")
    assert hand_in(service, shifted).messages[1].startswith("You confirmed it.")
    assert not any("may be wrong" in one for one in hand_in(service, region(service)).messages)


def test_what_a_viewer_says_of_doubts_is_one_of_two_words(study_folder):
    service = study_folder.service()
    with pytest.raises(RequestError, match="doubts is 'never'; it must be ask or confirmed"):
        study_folder.submit(service, (REGION, study_folder.region), doubts="never")


def test_each_submission_says_what_became_of_its_region(study_folder):
    service = study_folder.service()
    study_folder.draw_regions(service)  # the region, then normal bone alone
    study_folder.submit(service, (REGION, study_folder.region))
    first, bone, second = service.submissions("a_STIR", "anna")
    made = (first, bone, second)
    submission_fates = service.fates()
    assert submission_fates.of(bone, made) is None
    assert submission_fates.of(first, made)["state"] == "replaced"
    assert submission_fates.of(second, made)["reason"] == "It is not learnt yet: the next training takes it up."
    learnt = Fate("a", second.submission_id, "learnt", "site-1", "Version site-1 learnt it.")
    known = Fates(lambda case_id, submission_id: learnt if (case_id, submission_id) == ("a", second.submission_id) else None)
    assert known.of(second, made) == {"state": "learnt", "version": "site-1", "reason": "Version site-1 learnt it."}
    assert service.fate("a_STIR", "ben") is None
    assert "next training" in service.fate("a_STIR", "anna")
