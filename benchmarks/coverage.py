"""Do the intervals of a study hold what is true as often as they state, and what power has a trial: by simulated trials.

    python benchmarks/coverage.py [--trials 1000] [--seed 0]

Prints two tables in Markdown, as in docs/cohort.md. The truth of bias, limits and slope is what is planted; of ICC, SRM and
area it is the value of one trial of 200,000 patients; of Dice it is the median of the distribution that is drawn from. SPARCC,
and with it VHI, is skewed in these trials; the ICC is also tried on scans whose volumes are normal, which its interval assumes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import special, stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps" / "vhi"))

from lib.cohort.agreement import bland_altman, icc_a1
from lib.cohort.clusters import clustered_median
from lib.cohort.estimate import Estimate
from lib.cohort.regression import linear_regression
from lib.cohort.response import asdas_improvement
from lib.cohort.responsiveness import responsiveness, roc
from lib.phantom.trial import Bent, PlantedNumbers, TrialNumbers, simulate_numbers

DESIGNS = {
    "29 patients, visits independent": PlantedNumbers(),
    "29 patients, correlation 0.5": PlantedNumbers(correlation=0.5),
    "29 patients, correlation 0.8": PlantedNumbers(correlation=0.8),
    "29 patients, correlation 0.5, 20% of visits missing": PlantedNumbers(correlation=0.5, bent=Bent(missing=0.2)),
    "10 patients, correlation 0.5": PlantedNumbers(n_patients=10, correlation=0.5),
}
NAMES = (
    "bias",
    "lower limit",
    "upper limit",
    "ICC",
    "ICC, normal scans",
    "slope",
    "median Dice",
    "SRM",
    "SRM, bootstrap",
    "effect size",
    "area",
)
DICE_LOGIT, DICE_SD, PAIRS = 1.5, 0.6, 3
LARGE = 200_000


def estimates(trial: TrialNumbers, repeated: bool, seed: tuple[int, int]) -> dict[str, Estimate]:
    """Every interval of a trial; with `repeated` False as if no patient had two visits."""
    n, visit = np.nonzero(trial.present)
    subjects = n.tolist() if repeated else None
    first, second = trial.vhi[n, visit].T
    limits = bland_altman(first, second, subjects=subjects)
    both = np.stack([first, second], axis=1)
    intervals: dict[str, Estimate] = {
        "bias": limits.bias,
        "lower limit": limits.lower,
        "upper limit": limits.upper,
        "ICC": icc_a1(both, subjects=subjects).icc,
        "slope": linear_regression(trial.sparcc[n, visit].mean(axis=1), both.mean(axis=1), subjects=subjects).slope,
    }
    dice, of_patient = simulated_dice(n, trial.planted.correlation, np.random.default_rng(seed))
    ratings = normal_ratings(n, trial.planted.correlation, np.random.default_rng(seed))
    intervals["ICC, normal scans"] = icc_a1(ratings, subjects=subjects).icc
    intervals["median Dice"] = clustered_median(dice.tolist(), of_patient.tolist() if repeated else range(dice.size))
    return intervals | (changes(trial) if repeated else {})


def changes(trial: TrialNumbers) -> dict[str, Estimate]:
    """Of patients with both visits, who count once each."""
    whole = trial.present.all(axis=1)
    before, after = trial.vhi.mean(axis=2)[whole].T
    moved = responsiveness(before, after)
    responded = asdas_improvement(*trial.clinical["asdas"][whole].T)
    return {
        "SRM": moved.srm,
        "SRM, bootstrap": moved.srm_bootstrap,
        "effect size": moved.effect_size,
        "area": roc(before - after, responded).auc,
    }


def simulated_dice(subjects: np.ndarray, correlation: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Dice of three pairs of readings of each scan, alike within a patient; the median is the expit of `DICE_LOGIT`."""
    of_patient = rng.normal(0, np.sqrt(correlation), int(subjects.max()) + 1)[subjects]
    of_pair = rng.normal(0, np.sqrt(1 - correlation), (subjects.size, PAIRS))
    dice = special.expit(DICE_LOGIT + DICE_SD * (of_patient[:, np.newaxis] + of_pair))
    return dice.ravel(), np.repeat(subjects, PAIRS)


def normal_ratings(subjects: np.ndarray, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Two readers of normal scans, alike within a patient in what is read and in how it is misread; the ICC is 0.9."""

    def alike(sd: float) -> np.ndarray:
        of_patient = rng.normal(0, sd * np.sqrt(correlation), int(subjects.max()) + 1)[subjects]
        return of_patient + rng.normal(0, sd * np.sqrt(1 - correlation), subjects.size)

    true = alike(3.0)
    return np.stack([true + alike(1.0), true + alike(1.0)], axis=1)


def truth(planted: PlantedNumbers) -> dict[str, float]:
    z = stats.norm.ppf(0.975) * planted.sd
    large = simulate_numbers(10**6, replace(planted, n_patients=LARGE, bent=Bent()))
    before, after = large.vhi.mean(axis=2).T
    change, fall = after - before, before - after
    responded = asdas_improvement(*large.clinical["asdas"].T) == 1
    ranks = stats.rankdata(fall)[responded]
    area = (ranks.mean() - (ranks.size + 1) / 2) / (LARGE - ranks.size)
    srm, effect = change.mean() / change.std(ddof=1), change.mean() / before.std(ddof=1)
    return {
        "bias": planted.bias,
        "lower limit": planted.bias - z,
        "upper limit": planted.bias + z,
        "slope": planted.slope,
        "ICC": icc_a1(large.vhi.reshape(-1, 2)).icc.value,
        "ICC, normal scans": 0.9,
        "median Dice": float(special.expit(DICE_LOGIT)),
        "SRM": float(srm),
        "SRM, bootstrap": float(srm),
        "effect size": float(effect),
        "area": float(area),
    }


def coverage(planted: PlantedNumbers, trials: int, seed: int) -> Iterator[tuple[str, float, float | None]]:
    """Shares of the trials whose interval holds the truth: by patient, and as if no visit repeated."""
    true = truth(planted)
    hits: dict[str, list[bool]] = {name: [] for name in NAMES}
    naive: dict[str, list[bool]] = {name: [] for name in NAMES}
    for n in range(trials):
        trial = simulate_numbers(seed + n, planted)
        if not trial.present.all(axis=1).any():
            continue
        for repeated, into in ((True, hits), (False, naive)):
            for name, one in estimates(trial, repeated, (seed, n)).items():
                if not np.isnan(one.low):
                    into[name].append(one.low <= true[name] <= one.high)
    for name in NAMES:
        yield name, float(np.mean(hits[name])), float(np.mean(naive[name])) if naive[name] else None


def power(effect: float, per_arm: int, bent: Bent, trials: int, seed: int) -> dict[str, float]:
    """Share of trials of two arms whose t test of the changes finds a difference: by VHI and by SPARCC."""
    detected: dict[str, list[bool]] = {"VHI": [], "SPARCC": []}
    for n in range(trials):
        arms = [
            simulate_numbers(
                2 * (seed + n) + arm, PlantedNumbers(n_patients=per_arm, correlation=0.5, bent=replace(bent, effect=e))
            )
            for arm, e in enumerate((effect, 0.0))
        ]
        for name, values in (("VHI", "vhi"), ("SPARCC", "sparcc")):
            moved = [np.diff(getattr(arm, values).mean(axis=2))[arm.present.all(axis=1), 0] for arm in arms]
            detected[name].append(bool(min(map(len, moved)) > 1 and stats.ttest_ind(*moved).pvalue < 0.05))
    return {name: float(np.mean(trials_of)) for name, trials_of in detected.items()}


BENDS = {
    "no effect": (0.0, Bent()),
    "half the effect": (0.5, Bent()),
    "the usual effect": (1.0, Bent()),
    "... second reader 10% above": (1.0, Bent(reader_bias=0.1)),
    "... VHI 10% too small at follow-up, both arms": (1.0, Bent(threshold_bias=0.1)),
    "... 20% of visits missing": (1.0, Bent(missing=0.2)),
}
PER_ARM = (10, 30, 60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    error = 100 * np.sqrt(0.95 * 0.05 / chosen.trials)
    print(
        f"Coverage [%] of 95% intervals, {chosen.trials} trials, Monte Carlo standard error {error:.1f}; in brackets: intervals"
    )
    print("that ignore that patients repeat.\n")
    print(f"| trial | {' | '.join(NAMES)} |\n|{'---|' * (len(NAMES) + 1)}")
    for design, planted in DESIGNS.items():
        cells = [
            f"{100 * share:.1f}" + ("" if naive is None else f" ({100 * naive:.1f})")
            for _, share, naive in coverage(planted, chosen.trials, chosen.seed)
        ]
        print(f"| {design} | {' | '.join(cells)} |", flush=True)
    print(
        f"\nPower [%] of two arms, {chosen.trials} trials, Monte Carlo standard error at most {50 / np.sqrt(chosen.trials):.1f}\n"
    )
    columns = [f"{name}, {n} per arm" for n in PER_ARM for name in ("VHI", "SPARCC")]
    print(f"| trial | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, (effect, bent) in BENDS.items():
        cells = [f"{100 * one:.0f}" for n in PER_ARM for one in power(effect, n, bent, chosen.trials, chosen.seed).values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
