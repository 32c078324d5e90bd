"""Every number of the paper and of the authors' tables that a run can be held against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from ..cohort.estimate import summary
from .clone import Clone
from .comparison import Comparison, exact, paper, printed
from .run import RunResults, by_use
from .texts import PublishedText, scan_id

DATA, MANUAL, SEMI, OVERLAPS, SIMILARITIES, COUNTS, COMPOSITE, NORMAL_BONE, TEST, ARITHMETIC = (
    "Data",
    "Manual readings",
    "Semi-automatic readings",
    "Overlaps, scan by scan",
    "Volume similarities, scan by scan",
    "Voxel counts, scan by scan",
    "Composite reference",
    "Normal bone",
    "Disease region, test slices",
    "The paper's own arithmetic",
)
WITHIN, BETWEEN, BOTH_SEMI = ("R11 R12", "R21 R22"), ("R11 R21", "R11 R22", "R12 R21", "R12 R22"), "R1 R2"
FIRST_TRIALS = "R11 R21"
_NAN = float("nan")


def compare_all(results: RunResults) -> tuple[Comparison, ...]:
    """Our numbers beside theirs, group by group."""
    return (
        *_data(results),
        *_medians(results),
        *_overlaps(results),
        *_similarities(results),
        *_composites(results),
        *_normal_bone(results),
        *_test(results),
        *_arithmetic(),
    )


def dices(results: RunResults, pair: str) -> dict[str, float]:
    """Dice of a pair of readings by scan, of the scans that have both."""
    by_case = {case: result["pairs"].get(pair) for case, result in results.readers.items()}
    return {case: overlap["dice"] for case, overlap in by_case.items() if overlap is not None and overlap["dice"] is not None}


def composite_dices(results: RunResults, trials: str, standard: str, method: str, reader: str) -> dict[str, float]:
    """Dice of a reader's reading against a standard by scan, with those manual trials as voters."""
    return {
        case: composite["dice"]
        for case, result in results.readers.items()
        for composite in result["composites"].get(trials, [])
        if (composite["standard"], composite["method"], composite["reader"]) == (standard, method, reader)
        and composite["dice"] is not None
    }


def _data(results: RunResults) -> Iterator[Comparison]:
    clone, shapes = results.clone, results.shapes
    slices = {case: one["shape"][2] for case, one in shapes["T1W"].items()}
    yield printed(DATA, "t1w_scans", len(clone.t1w) or _NAN)
    for use, name in (("study", "training"), ("test", "test")):
        cases = [case for case, one in clone.use.items() if one == use]
        yield printed(DATA, f"{name}_subjects", len(cases) or _NAN)
        yield printed(DATA, f"{name}_slices", sum(slices.get(case, 0) for case in cases) or _NAN)
    twice = [case for case, one in results.readers.items() if {"R11", "R12", "R21", "R22"} <= one["voxels"].keys()]
    yield printed(DATA, "reading_subjects", len(twice) or _NAN)
    stir = shapes["STIR"].values()
    for key, values in (
        ("matrix", {max(image["shape"][:2]) for image in stir}),
        # three decimals are what the header holds; the paper cuts off after two
        ("pixel_mm", {math.floor(100 * min(image["spacing_mm"][:2])) / 100 for image in stir}),
    ):
        note = f"not all alike: {', '.join(f'{value:g}' for value in sorted(values))}" if len(values) > 1 else ""
        yield printed(DATA, key, values.pop() if len(values) == 1 else _NAN, note=note)
    counts = [image["shape"][2] for image in stir]
    yield printed(DATA, "fewest_slices", min(counts, default=_NAN))
    yield printed(DATA, "most_slices", max(counts, default=_NAN))


def _medians(results: RunResults) -> Iterator[Comparison]:
    """The paper's medians, from the masks and from the authors' tables."""
    listed = {pair: _listed(results.clone, pair) for pair in (*WITHIN, *BETWEEN, BOTH_SEMI)}
    own = {pair: dices(results, pair) for pair in listed}
    for of, values in (("from the masks", own), ("from the authors' tables", listed)):
        manual = [dice for pair in (*WITHIN, *BETWEEN) for dice in values[pair].values()]
        between = [summary(list(values[pair].values())).median for pair in BETWEEN if values[pair]]
        for key, ours, pairs in (
            ("manual_lowest", min(manual, default=_NAN), (*WITHIN, *BETWEEN)),
            ("manual_highest", max(manual, default=_NAN), (*WITHIN, *BETWEEN)),
            ("within_r1", summary(list(values[WITHIN[0]].values())).median, WITHIN[:1]),
            ("within_r2", summary(list(values[WITHIN[1]].values())).median, WITHIN[1:]),
            ("between_lowest", min(between, default=_NAN), BETWEEN),
            ("between_highest", max(between, default=_NAN), BETWEEN),
        ):
            yield _of_eight(MANUAL, key, ours, of, [values[pair] for pair in pairs])
        yield _of_eight(SEMI, "semi", summary(list(values[BOTH_SEMI].values())).median, of, [values[BOTH_SEMI]])


def _of_eight(group: str, key: str, ours: float, of: str, values: Sequence[Mapping[str, float]]) -> Comparison:
    """A number of the paper that rests on eight scans; of fewer it need not be the same."""
    wanted = int(paper()["numbers"]["reading_subjects"]["published"])
    fewest = min(len(dices) for dices in values)
    note = "" if fewest == wanted else f"{fewest} of the paper's {wanted} scans are in the clone"
    return printed(group, key, ours, of=of, note=note, comparable=fewest == wanted)


def _listed(clone: Clone, pair: str) -> dict[str, float]:
    text = clone.text("overlap", pair)
    return {} if text is None else {scan_id(scan): float(dice) for scan, dice in text.rows}


def _overlaps(results: RunResults) -> Iterator[Comparison]:
    for text in _tables(results.clone, "overlap"):
        own = dices(results, _pair(text))
        for scan, dice in text.rows:
            case = scan_id(scan)
            voxels = _of_readers(results, case)["voxels"]
            yield _exact(OVERLAPS, f"Dice of {text.of}, {case}", text, dice, own.get(case), voxels)


def _similarities(results: RunResults) -> Iterator[Comparison]:
    for text in _tables(results.clone, "similarity"):
        for scan, similarity, *voxels in text.rows:
            case = scan_id(scan)
            readers = _of_readers(results, case)
            own = readers["pairs"].get(_pair(text), {}).get("volume_similarity")
            yield _exact(SIMILARITIES, f"volume similarity of {text.of}, {case}", text, similarity, own, readers["voxels"])
            for reading, count in zip(text.of.split(), voxels, strict=True):
                what = f"voxels of {reading}, {case}, beside {text.of.replace(reading, '').strip()}"
                yield _exact(COUNTS, what, text, count, readers["voxels"].get(reading), readers["voxels"])


def _tables(clone: Clone, kind: str) -> list[PublishedText]:
    return sorted((text for text in clone.texts if text.kind == kind), key=lambda text: text.of)


def _pair(text: PublishedText) -> str:
    return " ".join(sorted(text.of.split()))


def _of_readers(results: RunResults, case: str) -> Mapping[str, Any]:
    """Ours of a scan: `voxels` of each reading whose mask is in the clone, and of `pairs` of them."""
    return results.readers.get(case, {"pairs": {}, "voxels": {}})


def _exact(
    group: str, what: str, text: PublishedText, theirs: float, ours: float | None, voxels: Mapping[str, float]
) -> Comparison:
    """A number of the authors' tables: every bit of it counts; `voxels` are those of the scan's readings in the clone."""
    note = ""
    if ours is None:
        missing = [reading for reading in text.of.split() if reading not in voxels]
        note = f"no mask of {' and '.join(missing)} in the clone" if missing else "both masks are empty"
    published = f"{theirs:.0f}" if group == COUNTS and theirs == int(theirs) else exact(theirs)
    return Comparison(group, what, text.path.name, published, _NAN if ours is None else float(ours), note=note)


def _composites(results: RunResults) -> Iterator[Comparison]:
    for method, word in (("semi-automatic", "semi"), ("manual", "manual")):
        for reader in ("R1", "R2"):
            values = composite_dices(results, FIRST_TRIALS, "composite", method, reader)
            key = f"composite_{word}_{reader.lower()}"
            yield _of_eight(COMPOSITE, key, summary(list(values.values())).median, "from the masks", [values])


def _normal_bone(results: RunResults) -> Iterator[Comparison]:
    for case, sample in sorted(results.bone.items()):
        text = results.clone.text("normal bone", case)
        if text is None or "listed_n" not in sample:
            continue
        name = text.path.name
        yield Comparison(NORMAL_BONE, f"voxels of normal bone, {case}", name, str(sample["listed_n"]), float(sample["n"]))
        apart = sample["largest_difference"]
        yield Comparison(
            NORMAL_BONE,
            f"largest difference of any intensity, {case}",
            name,
            exact(0.0),
            _NAN if apart is None else apart,
            note="" if apart is not None else "the samples have different sizes",
        )
        for threshold in ("sensitive", "conservative"):
            theirs, ours = sample[f"listed_{threshold}"], sample[f"ours_{threshold}"]
            yield Comparison(NORMAL_BONE, f"{threshold} threshold by the paper's rule, {case}", name, exact(theirs), ours)


def slices_of_test(results: RunResults) -> dict[str, list[float]]:
    """The authors' 2-D Dice of the test slices by scan, in the order of their table."""
    text = results.clone.text("test overlap")
    scans: dict[str, list[float]] = {}
    for scan, _, dice in () if text is None else text.rows:
        scans.setdefault(scan_id(scan), []).append(float(dice))
    return scans


def _test(results: RunResults) -> Iterator[Comparison]:
    listed = [dice for values in slices_of_test(results).values() for dice in values]
    yield from _three(listed, "from the authors' table", "", True)
    for ensemble in results.ensembles:
        cases = by_use(results, ensemble.name, "test")
        values = [dice for region in cases.values() for dice in region["slice_dice"] if dice is not None]
        learnt = sorted(set(cases) & ensemble.learnt)
        note = f"these networks learnt {' and '.join(learnt)}: no fair test" if learnt else "other networks than the paper's"
        if values:
            yield from _three(values, f"by {'our' if ensemble.name == 'ours' else 'the released'} networks", note, False)


def _three(values: Sequence[float], of: str, note: str, comparable: bool) -> Iterator[Comparison]:
    for key, value in (
        ("test_mean", float(np.mean(values)) if values else _NAN),
        ("test_lowest", min(values, default=_NAN)),
        ("test_highest", max(values, default=_NAN)),
    ):
        yield printed(TEST, key, value, of=of, note=note, comparable=comparable)


def _arithmetic() -> Iterator[Comparison]:
    """The relations between the paper's printed numbers."""
    for key, ours in (
        ("slices", 200 + 48),
        ("further_slices", 38 * 25),
        ("limits_centre_vhi", (-4119 + 4501) / 2),
        ("limits_centre_sparcc", (-14.8 + 11.8) / 2),
        ("vhi_agrees", 11 + 4),
        ("sparcc_agrees", 12 + 6),
        ("non_responders", 29 - 16),
        ("slope_centre", (1230 + 3586) / 2),
        ("slope_p", p_of_interval(2408, 1230, 3586, 27)),
        ("intercept_centre", (-10760 + 12547) / 2),
        ("intercept_p", p_of_interval(894, -10760, 12547, 27)),
        ("gain_low", 100 * (0.84 - 0.56)),
        ("gain_high", 100 * (0.84 - 0.53)),
    ):
        yield printed(ARITHMETIC, key, round(float(ours), 12))


def p_of_interval(value: float, low: float, high: float, degrees: int) -> float:
    """Two-sided P of an estimate against 0, from its 95% confidence interval by Student's t."""
    error = (high - low) / 2 / stats.t.ppf(0.975, degrees)
    return float(2 * stats.t.sf(abs(value) / error, degrees))


def counted(comparisons: Iterable[Comparison]) -> dict[str, int]:
    """How many comparisons ended in each verdict."""
    counts: dict[str, int] = {}
    for comparison in comparisons:
        counts[comparison.verdict] = counts.get(comparison.verdict, 0) + 1
    return counts
