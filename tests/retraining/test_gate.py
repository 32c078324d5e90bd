"""What is published and what is not, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

from lib.retraining.config import TrainConfig
from lib.retraining.gate import HOLDOUT, SENTINEL, Pair, decide

CONFIG = TrainConfig(train_margin=0.01, train_sentinel_margin=0.02, train_worst=0.05)


def pairs(what, *gains):
    return [Pair(what, f"{what}-{n}", 0.9, 0.9 + gain) for n, gain in enumerate(gains)]


def test_no_worse_is_accepted_and_a_little_worse_within_the_margin():
    assert decide(pairs(HOLDOUT, 0.0, 0.0), CONFIG).accepted
    assert decide([*pairs(HOLDOUT, -0.009, -0.009), *pairs(SENTINEL, -0.019)], CONFIG).accepted


def test_a_mean_below_the_margin_is_refused_with_the_number():
    found = decide(pairs(HOLDOUT, 0.01, -0.04), CONFIG)
    assert not found.accepted
    assert "hold-out its mean Dice is 0.0150 below" in found.reasons[0]
    assert found.compared[HOLDOUT] == {"cases": 2, "margin": 0.01, "mean_gain": -0.015, "worst": -0.04}


def test_one_case_that_falls_far_is_refused_whatever_the_mean_gains():
    found = decide(pairs(HOLDOUT, *[0.02] * 9, -0.06), CONFIG)
    assert not found.accepted
    assert "hold-out-9" in found.reasons[0]


def test_a_good_hold_out_does_not_excuse_the_phantoms():
    assert not decide([*pairs(HOLDOUT, 0.05), *pairs(SENTINEL, -0.03, -0.03)], CONFIG).accepted


def test_nothing_measured_is_nothing_accepted():
    assert not decide([], CONFIG).accepted


def test_labels_that_nobody_checked_need_a_hold_out():
    unchecked = replace(CONFIG, train_quarantine=False)
    found = decide(pairs(SENTINEL, 0.01, 0.01), unchecked)
    assert not found.accepted
    assert "no case is held out" in found.reasons[0]
    assert decide(pairs(SENTINEL, 0.01, 0.01), CONFIG).accepted
    assert decide([*pairs(HOLDOUT, 0.0), *pairs(SENTINEL, 0.01)], unchecked).accepted
