"""Simulated trials: what is planted is found again, at the rate that intervals state."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lib.cohort.agreement import bland_altman
from lib.cohort.estimate import Estimate
from lib.cohort.failure import disagreements
from lib.cohort.overlap import MaskReading, overlaps, summarise_overlaps
from lib.cohort.reference import against_reference
from lib.cohort.regression import linear_regression
from lib.cohort.sparcc import COLUMNS, sheet_from_rows
from lib.cohort.table import parse_table
from lib.errors import SettingsError
from lib.phantom.trial import (
    Bent,
    PlantedNumbers,
    as_csv,
    plan_trial,
    simulate_numbers,
    simulate_scan,
    simulate_scans,
)

pytestmark = pytest.mark.slow  # seconds in all

TRIALS = 200


def hits(estimates: list[Estimate], planted: float) -> int:
    return sum(one.low <= planted <= one.high for one in estimates)


@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_intervals_cover_what_was_planted_at_the_rate_they_state(confidence):
    planted = PlantedNumbers()
    z = stats.norm.ppf(0.975) * planted.sd
    found: dict[str, list[Estimate]] = {name: [] for name in ("bias", "lower", "upper", "slope", "slope of change")}
    contents = {"inner": [], "outer": []}
    for seed in range(TRIALS):
        trial = simulate_numbers(seed, planted)
        first, second = trial.vhi[..., 0].ravel(), trial.vhi[..., 1].ravel()
        limits = bland_altman(first, second, confidence=confidence)
        found["bias"].append(limits.bias)
        found["lower"].append(limits.lower)
        found["upper"].append(limits.upper)
        vhi, sparcc = trial.vhi.mean(axis=2), trial.sparcc.mean(axis=2)
        found["slope"].append(linear_regression(sparcc.ravel(), vhi.ravel(), confidence=confidence).slope)
        change = linear_regression(np.diff(sparcc).ravel(), np.diff(vhi).ravel(), confidence=confidence)
        found["slope of change"].append(change.slope)
        between = stats.norm(planted.bias, planted.sd)
        for name, pair in (("inner", limits.inner), ("outer", limits.outer)):
            contents[name].append(between.cdf(pair[1]) - between.cdf(pair[0]))
    truth = {"bias": planted.bias, "lower": planted.bias - z, "upper": planted.bias + z}
    # one run in a thousand of a right method would fall outside; the seeds are fixed
    low, high = stats.binom.interval(0.999, TRIALS, confidence)
    for name, estimates in found.items():
        assert low <= hits(estimates, truth.get(name, planted.slope)) <= high, name
    low, high = stats.binom.interval(0.999, TRIALS, (1 + confidence) / 2)
    assert low <= sum(content >= 0.95 for content in contents["outer"]) <= high
    assert low <= sum(content <= 0.95 for content in contents["inner"]) <= high


@pytest.mark.parametrize("planted", [PlantedNumbers(correlation=0.6), PlantedNumbers(correlation=0.6, bent=Bent(missing=0.2))])
def test_intervals_that_know_of_two_visits_cover_at_their_rate_and_others_do_not(planted):
    z = stats.norm.ppf(0.975) * planted.sd
    truth = {"bias": planted.bias, "lower": planted.bias - z, "upper": planted.bias + z, "slope": planted.slope}
    aware, naive = {name: [] for name in truth}, []
    for seed in range(TRIALS):
        trial = simulate_numbers(seed, planted)
        n, visit = np.nonzero(trial.present)
        first, second = trial.vhi[n, visit].T
        limits = bland_altman(first, second, subjects=n.tolist())
        x, y = trial.sparcc[n, visit].mean(axis=1), trial.vhi[n, visit].mean(axis=1)
        found = (limits.bias, limits.lower, limits.upper, linear_regression(x, y, subjects=n.tolist()).slope)
        for name, one in zip(truth, found, strict=True):
            aware[name].append(one)
        naive.append(bland_altman(first, second).bias)
    low, high = stats.binom.interval(0.999, TRIALS, 0.95)
    for name, intervals in aware.items():
        assert low <= hits(intervals, truth[name]) <= high, name
    assert hits(naive, planted.bias) < hits(aware["bias"], planted.bias)


def test_a_trial_that_is_bent_has_what_was_planted_and_the_same_patients():
    plain = simulate_numbers(3)
    read_high = simulate_numbers(3, PlantedNumbers(bent=Bent(reader_bias=0.1)))
    np.testing.assert_allclose(read_high.vhi[..., 1], 1.1 * plain.vhi[..., 1])
    np.testing.assert_array_equal(read_high.vhi[..., 0], plain.vhi[..., 0])
    drifted = simulate_numbers(3, PlantedNumbers(bent=Bent(threshold_bias=0.2)))
    np.testing.assert_allclose(drifted.vhi, plain.vhi * np.array([1, 0.8])[:, np.newaxis])
    # scores are rounded to half points
    still = simulate_numbers(3, PlantedNumbers(bent=Bent(effect=0)))
    kept = still.sparcc.mean(axis=2)
    np.testing.assert_array_equal(kept[:, 0], plain.sparcc.mean(axis=2)[:, 0])
    assert np.median(np.abs(kept[:, 1] - kept[:, 0])) <= 0.5
    gone = simulate_numbers(3, PlantedNumbers(n_patients=400, bent=Bent(missing=0.25)))
    assert gone.present.mean() == pytest.approx(0.75, abs=0.05)
    assert len(gone.rows()) == 2 * gone.present.sum()


def test_both_visits_of_a_patient_share_what_correlation_says():
    trial = simulate_numbers(1, PlantedNumbers(n_patients=4000, correlation=0.6))
    apart = trial.vhi[..., 0] - trial.vhi[..., 1]
    assert np.corrcoef(apart.T)[0, 1] == pytest.approx(0.6, abs=0.03)
    assert apart.std() == pytest.approx(2200, rel=0.03)


@pytest.mark.parametrize("wrong", [{"effect": -1}, {"reader_bias": -1}, {"threshold_bias": 1}, {"missing": 1}])
def test_bends_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match="pass a number from"):
        Bent(**wrong)
    with pytest.raises(SettingsError, match="from 0 to 1"):
        PlantedNumbers(correlation=1.5)


def test_approximate_intervals_of_the_limits_would_fail_that_trial():
    """The interval of Bland and Altman 1986 for a limit, in trials of 6 scans: it covers too rarely, the exact one does not."""
    planted = PlantedNumbers(n_patients=3)
    truth = planted.bias + stats.norm.ppf(0.975) * planted.sd
    exact, approximate = [], []
    for seed in range(TRIALS * 5):
        trial = simulate_numbers(seed, planted)
        limits = bland_altman(trial.vhi[..., 0].ravel(), trial.vhi[..., 1].ravel())
        exact.append(limits.upper)
        half = stats.norm.ppf(0.975) * np.sqrt(3 / limits.n) * limits.sd
        approximate.append(Estimate(limits.upper.value, limits.upper.value - half, limits.upper.value + half))
    low, high = stats.binom.interval(0.999, TRIALS * 5, 0.95)
    assert low <= hits(exact, truth) <= high
    assert hits(approximate, truth) < low


def test_numbers_are_the_same_for_one_seed_and_become_a_cohort_table():
    trial = simulate_numbers(7)
    np.testing.assert_array_equal(trial.vhi, simulate_numbers(7).vhi)
    assert (trial.vhi != simulate_numbers(8).vhi).any()
    table = parse_table(as_csv(trial.rows()), "trial.csv")
    assert len(table.readings) == 29 * 2 * 2
    assert table.of_reader("vhi_mm3", "2")["S03", "follow_up"] == trial.vhi[2, 1, 1]
    assert table.of_visit("basdai", "baseline")["S01"] == trial.clinical["basdai"][0, 0]


def test_a_plan_whose_volumes_would_fall_below_zero_is_refused():
    with pytest.raises(SettingsError, match="too near 0"):
        PlantedNumbers(intercept=100)


@pytest.fixture(scope="module")
def plans():
    return plan_trial(1)


def readings_of(scan):
    return [MaskReading(scan.plan.subject, scan.visit, one.reader, one.reading, one.method, one.mask) for one in scan.readings]


def test_a_trial_has_three_planted_differences_and_eight_patients_read_by_hand(plans):
    assert len(plans) == 29
    assert sorted(one.difference[1] for one in plans if one.difference) == ["anatomical", "anatomical", "artefact"]
    assert sum(one.manual for one in plans) == 8
    assert plan_trial(1) == plans


def test_a_patient_is_the_same_alone_and_the_second_visit_lies_otherwise(plans):
    first, again = simulate_scan(plans[0], "baseline"), simulate_scan(plans[0], "baseline")
    np.testing.assert_array_equal(first.study.stir.data, again.study.stir.data)
    later = simulate_scan(plans[0], "follow_up")
    moved = [
        np.linalg.norm(np.subtract(a.centre_mm, b.centre_mm))
        for a, b in zip(first.study.lesion_table, later.study.lesion_table, strict=True)
    ]
    # the same lesions, up to 3 mm and 2 degrees away, with another radius and so another distance from the joint
    assert 0.1 < max(moved) < 20
    assert [one.bone for one in first.study.lesion_table] == [one.bone for one in later.study.lesion_table]


def test_readers_differ_by_whole_lesions_and_exactly_as_recorded(plans):
    plan = next(one for one in plans if one.difference and one.difference[1] == "anatomical")
    scan = simulate_scan(plan, plan.difference[0])
    first, second = (one.mask.data for one in scan.readings if one.method == "semi-automatic")
    assert scan.disagreement == "anatomical"
    assert scan.second_minus_first_voxels == np.count_nonzero(second) - np.count_nonzero(first) < 0
    apart = np.unique(scan.result.lesion_labels[first ^ second])
    (lesion,) = [one for one in scan.result.lesions if one.id in apart]
    assert lesion.voxels == -scan.second_minus_first_voxels


def test_the_score_of_the_truth_is_a_valid_sheet(plans):
    scan = simulate_scan(plans[0], "baseline")
    for score in scan.sparcc.values():
        cells = np.concatenate([score.oedema, score.depth[..., np.newaxis], score.intensity[..., np.newaxis]], axis=2)
        rows = [
            {"slice": str(k + 1), **{name: str(int(cell)) for name, cell in zip(COLUMNS, cells[k].ravel(), strict=True)}}
            for k in range(6)
        ]
        assert sheet_from_rows(rows, "score").total == score.total
    # the second reader overlooks small spots
    assert 0 < scan.sparcc["2"].total <= scan.sparcc["1"].total


def test_a_trial_of_scans_can_be_bent(plans):
    """One patient: thresholds 10% too high at follow-up find less, a second reader 20% above marks more, a lost visit is none."""
    bent = plan_trial(1, bent=Bent(reader_bias=0.2, threshold_bias=0.1, missing=0.3))
    assert [one.seed for one in bent] == [one.seed for one in plans]
    assert {one.present for one in bent} > {(True, True), (True, False)}
    plan = next(one for one in bent if one.present == (True, True) and one.difference is None)
    plain = next(one for one in plans if one.subject == plan.subject)
    before, after = (simulate_scan(plan, visit) for visit in ("baseline", "follow_up"))
    was, became = (simulate_scan(plain, visit) for visit in ("baseline", "follow_up"))
    np.testing.assert_array_equal(before.readings[0].mask.data, was.readings[0].mask.data)
    assert before.readings[1].mask.voxels == round(1.2 * was.readings[1].mask.voxels)
    assert not (was.readings[1].mask.data & ~before.readings[1].mask.data).any()
    assert after.result.thresholds.sensitive == pytest.approx(1.1 * became.result.thresholds.sensitive, rel=1e-3)
    assert np.count_nonzero(after.result.lesion_labels) < np.count_nonzero(became.result.lesion_labels)
    lost = next(one for one in bent if one.present == (True, False))
    assert [scan.visit for scan in simulate_scans([lost])] == ["baseline"]
    weak = plan_trial(1, bent=Bent(effect=0))
    assert all(one.scales[1] >= 0.85 * one.scales[0] for one in weak)


def test_a_whole_trial_of_scans_shows_what_was_planted(plans):
    rows, readings, planted, masks = [], [], {}, {}
    for scan in simulate_scans(plans):
        rows += scan.rows()
        if scan.plan.manual and scan.visit == "baseline":
            readings += readings_of(scan)
        if scan.disagreement:
            planted[scan.plan.subject, scan.visit] = scan.disagreement
        masks[scan.plan.subject, scan.visit] = scan.second_minus_first_voxels
    assert len(masks) == 58
    assert sorted(planted.values()) == ["anatomical", "anatomical", "artefact"]

    table = parse_table(as_csv(rows), "trial.csv")
    first, second = (table.of_reader("vhi_voxels", reader, method="semi-automatic") for reader in "12")
    keys = list(first)
    assert {key: second[key] - first[key] for key in keys} == masks
    reasons = [planted.get(key) for key in keys]
    failures = disagreements([first[key] for key in keys], [second[key] for key in keys], reasons)
    assert {keys[one.position] for one in failures} <= set(planted)
    assert len(failures) >= 2

    by_kind = {(one.kind, one.method): one.dice for one in summarise_overlaps(overlaps(readings), each_pair=False)}
    # the workflow's readers agree better than readers who draw, as the paper found
    semi = by_kind["between readers", "semi-automatic"].median
    assert semi > by_kind["between readers", "manual"].median
    against, left_out = against_reference([one for one in readings if one.reading == 1])
    assert left_out == ()
    assert all(one.overlap.dice > 0.4 for one in against)

    sparcc, vhi = (table.of_reader(column, "1", method="semi-automatic") for column in ("sparcc", "vhi_mm3"))
    fit = linear_regression([sparcc[key] for key in keys], [vhi[key] for key in keys])
    assert fit.p_slope < 0.001
    assert fit.slope.low > 0
