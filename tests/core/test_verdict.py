"""Usable, check, not comparable."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest

from handmade import handmade
from lib.core.caution import Caution
from lib.core.chain import Chain
from lib.core.cleaning import measure_cleaned
from lib.core.pipeline import VhiResult
from lib.core.settings import VhiSettings
from lib.core.transforms.small_components import DropSmallComponentsd
from lib.core.verdict import stability_and_reasons, verdict_of
from lib.core.volume import Mask


def cleaned(**changes) -> VhiResult:
    """The scan drawn by hand, of which a reader kept all but its lesion at the threshold; stable."""
    result = handmade()
    kept = result.lesion_labels == 1
    made = measure_cleaned(result, Mask(kept, result.stir.grid, "inflammation"))
    stable = replace(
        made.stability,
        vhi_mm3=48.0,
        threshold_changes=tuple(replace(one, vhi_mm3=48.0) for one in made.stability.threshold_changes),
        slices_left_out=tuple(replace(one, vhi_mm3=48.0) for one in made.stability.slices_left_out),
    )
    return replace(made, stability=stable, warnings=(), **changes)


def test_what_a_reader_cleaned_and_nothing_speaks_against_is_usable():
    verdict = verdict_of(cleaned())
    assert (verdict.word, verdict.reasons, verdict.sentence) == ("usable", (), "Usable.")


@pytest.mark.parametrize(
    ("changes", "word", "code"),
    [
        ({"stage": "raw"}, "check", "stage"),
        ({"stage": "proposed"}, "check", "stage"),
        ({"normal_bone_source": "proposed", "normal_bone_confidence": 0.9}, "check", "normal bone"),
    ],
)
def test_what_nobody_has_checked_wants_a_look(changes, word, code):
    verdict = verdict_of(replace(cleaned(), **changes))
    assert (verdict.word, [one.code for one in verdict.reasons]) == (word, [code])


def test_a_low_confidence_is_named():
    sure, unsure = (
        verdict_of(replace(cleaned(), normal_bone_source="proposed", normal_bone_confidence=confidence)).sentence
        for confidence in (0.9, 0.6)
    )
    assert "confidence" not in sure
    assert "confidence 0.60, which is low" in unsure


def test_an_unstable_number_wants_a_look():
    result = cleaned()
    half = tuple(replace(one, vhi_mm3=24.0) for one in result.stability.threshold_changes)
    verdict = verdict_of(replace(result, stability=replace(result.stability, threshold_changes=half)))
    assert [one.code for one in verdict.reasons] == ["stability"]


def moving_by(left_out: float) -> VhiResult:
    """The scan drawn by hand, whose volume moves by a tenth with 5% of the threshold, and by a factor with a slice left out."""
    result = handmade()
    by = {-0.10: 1.2, -0.05: 1.1, 0.05: 1 / 1.1, 0.10: 1 / 1.2}
    changes = tuple(replace(one, vhi_mm3=72 * by[one.change]) for one in result.stability.threshold_changes)
    slices = tuple(replace(one, vhi_mm3=72.0) for one in result.stability.slices_left_out[1:])
    first = replace(result.stability.slices_left_out[0], vhi_mm3=72 * left_out)
    return replace(result, stability=replace(result.stability, threshold_changes=changes, slices_left_out=(first, *slices)))


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(("of_the_way", "hangs"), [(0.5, False), (0.85, False), (0.95, True), (1.1, True)])
def test_a_number_that_one_slice_of_normal_bone_takes_to_the_end_of_its_interval_wants_a_look(of_the_way, hangs, direction):
    factor = moving_by(1.0).interval.factor
    assert 1.05 < factor < 1.4  # what is tried is less than the factor of 1.5 that is unstable by itself
    result = moving_by(factor ** (direction * of_the_way))
    assert result.interval.factor == factor
    assert result.stability.stable is True
    clauses = [one.clause for one in verdict_of(result).reasons if one.code == "stability"]
    assert clauses == (["leaving out one slice of normal bone takes it to the end of its interval, or beyond"] if hangs else [])
    stable, reasons = stability_and_reasons(result)
    assert stable is not hangs
    assert [one[:36] for one in reasons] == (["leaving out one slice of normal bone"] if hangs else [])


def test_a_number_that_nothing_moves_hangs_on_no_slice():
    result = moving_by(1.0)
    still = tuple(replace(one, vhi_mm3=72.0) for one in result.stability.threshold_changes)
    result = replace(result, stability=replace(result.stability, threshold_changes=still))
    assert result.interval.factor == 1.0
    assert stability_and_reasons(result) == (True, ())


@pytest.mark.parametrize(
    ("about", "word"),
    [
        ("coverage", "not comparable"),
        ("fat suppression", "not comparable"),
        ("motion", "check"),
        ("t1w", "check"),
        ("region", "check"),
        ("marrow", "check"),
        ("plane", "check"),
    ],
)
def test_a_warning_counts_by_what_it_is_about(about, word):
    result = replace(cleaned(), warnings=(Caution("one", about), Caution("two", about), "and another"))
    verdict = verdict_of(result)
    assert (verdict.word, [one.code for one in verdict.reasons]) == (word, [about])


def test_the_worst_reason_comes_first_and_is_the_word():
    chain = Chain.of("clinic", [(step, step.config()) for step in [DropSmallComponentsd(min_pixels=3)]])
    verdict = verdict_of(handmade(site_chain=chain))
    assert verdict.word == "not comparable"
    assert [one.code for one in verdict.reasons][:3] == ["chain", "coverage", "stage"]
    assert verdict.sentence.startswith(
        "Not comparable: the post-transforms are not the paper's; the scan may show only part of the bone; no reader"
    )


def test_a_caution_keeps_what_it_is_about_when_it_is_copied_or_sent_to_another_process():
    caution = Caution("The scan may show only part of the bone.", "coverage")
    for same in (copy.deepcopy(caution), pickle.loads(pickle.dumps(caution))):
        assert (same, same.about) == (caution, "coverage")


def settings_of(**values):
    return VhiSettings.from_values(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"leave_out_above": "l4/5"}, "the part above the L4/5 disc left out"),
        ({"leave_out_joint_space": True}, "the joint space left out"),
        ({"first_multiple": 2.0}, "first multiple 2.0"),
        ({"rule": "robust"}, "rule robust of a drawn normal bone"),
    ],
)
def test_a_number_with_parts_left_out_or_other_thresholds_is_not_comparable(values, words):
    verdict = verdict_of(replace(cleaned(), settings=settings_of(**values)))
    assert verdict.sentence == f"Not comparable: settings are not at their defaults ({words})."


@pytest.mark.parametrize(
    ("values", "source"), [({"rule": "paper"}, "given"), ({"rule": "robust", "first_multiple": 2.0}, "clicked")]
)
def test_the_rule_that_counts_anyway_and_what_has_no_effect_change_nothing(values, source):
    assert verdict_of(replace(cleaned(), settings=settings_of(**values), normal_bone_source=source)).word == "usable"


def test_normal_bone_from_clicks_with_the_proposal_wants_a_look():
    verdict = verdict_of(replace(cleaned(), normal_bone_source="clicked", normal_bone_with_proposal=True))
    assert (verdict.word, [one.code for one in verdict.reasons]) == ("check", ["normal bone"])
    assert "with the proposal, which no reader has checked" in verdict.sentence
    assert verdict_of(replace(cleaned(), normal_bone_source="clicked")).word == "usable"
