"""Answers to clients, to 3D Slicer as to the viewer's panel: an uncleaned or proposed number is nowhere called VHI."""

from __future__ import annotations

import json
import re

import pytest

from lib.service.service import VhiService
from reports.test_stages_in_forms import NAMES, NOT_VHI, texts_of_json
from service.test_proposal import IN_1, publish_by_size

pytestmark = pytest.mark.slow  # seconds in all

INFLAMMATION = "inflammation"


@pytest.fixture
def service(study_folder, tmp_path):
    root = tmp_path / "cleaning"
    publish_by_size(root, "by-size", 36)
    made = VhiService(study_folder.folder, model_dir=study_folder.folder / "no-model", cleaning_dir=root)
    study_folder.draw_regions(made)
    return made


def called_vhi(facts: object) -> list[str]:
    """Where a text of an answer says VHI, but for names of programs and the sentence that it is none."""
    text = " | ".join(texts_of_json(facts))
    return re.findall(r".{0,40}\bVHI\b.{0,40}", re.sub(NAMES, "", text.replace(NOT_VHI, "")))


@pytest.mark.parametrize(
    ("mode", "title"), [("off", "Uncleaned volume"), ("show", "Uncleaned volume"), ("apply", "Proposed volume")]
)
@pytest.mark.parametrize("model", ["vhi", "vhi_clean"])
def test_no_answer_calls_an_uncleaned_number_vhi(service, mode, title, model):
    params = {"proposal": mode}
    answer = service.vhi("a_STIR", "anna", params) if model == "vhi" else service.clean("a_STIR", "anna", params, [], [])
    assert answer.facts["title"] == title
    assert NOT_VHI in answer.facts["warnings"][0]
    assert called_vhi(answer.facts) == []
    assert called_vhi(list(answer.names)) == []


def test_what_a_reader_is_still_cleaning_says_that_it_is_not_submitted(service):
    facts = service.clean("a_STIR", "anna", {}, [IN_1], []).facts
    assert facts["title"] == "VHI (cleaned by anna, not submitted)"
    assert not any(NOT_VHI in one for one in facts["warnings"])


def test_a_submission_of_regions_alone_says_what_it_measures_by_its_own_name(service, study_folder):
    made = study_folder.submit(service, ("disease region", study_folder.region))
    assert called_vhi(list(made.messages)) == []
    content = service.report("a_STIR", "anna", "json").read_text()
    assert called_vhi(json.loads(content)) == []
    assert json.loads(content)["title"] == "Uncleaned volume"
