"""Fits the components of the interval around VHI (`lib.core.interval`) and measures its coverage, each scan left out in turn.

`python benchmarks/interval.py [--write]`: the table of docs/claims.md; with --write the components are stored in the program.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cleaning import PUBLISHED
from lib.cohort.redrawn import redrawings
from lib.core.cleaning import measure_cleaned
from lib.core.interval import COMPONENTS, carried, factor_of, log_ratio_at, normal, spread_of
from lib.core.normal_bone import sample_normal_bone
from lib.core.pipeline import measure_vhi
from lib.core.thresholds import ThresholdRule, thresholds_from
from lib.core.volume import Mask
from lib.errors import NormalBoneError
from lib.phantom.study import make_phantom
from lib.studies.nifti import read_mask
from lib.studies.reader_masks import read_inflammation
from lib.studies.registration import placed
from lib.training.cleaning import cleaned_scans

EACH, SEED, QUANTILES = 6, 1, 41
PHANTOMS = range(1, 11)
# circles in place of outlines catch vessels and disc: reported beside, not fitted, as no reader draws so
NOT_FITTED = "circles of another radius"
# ln VHI with the region of networks that did not learn the scan, over that with the readers' (benchmarks/fully_automatic.py)
REGION = np.log([0.81 / 0.84, 0.93 / 1.08, 1.60 / 1.53, 1.31 / 1.27, 12.84 / 10.24, 1.01 / 1.22, 1.23 / 1.31])
# a proposed normal bone's threshold over that of the reader's by the paper's rule, where answered (benchmarks/normal_bone.py)
PROPOSED = np.log1p([-0.005, 0.011, -0.204, 0.013, 0.049, -0.063, 0.001])
# robust threshold of normal bone grown from three random clicks over that of the reader's region: mean and standard deviation
# over the clicks [%] (benchmarks/normal_bone_clicks.py)
CLICKED = {
    "1007": (1.4, 1.6),
    "1012": (3.2, 0.6),
    "1013": (-3.9, 1.1),
    "1016": (4.5, 1.1),
    "1234": (-5.8, 1.2),
    "2015": (1.7, 0.3),
    "3002": (2.0, 1.3),
    "4386": (0.8, 1.0),
}
SCALES = np.round(np.arange(0.6, 1.61, 0.05), 2)


@dataclass(frozen=True, eq=False)
class Known:
    """A scan: cleaned VHI by majority of readings with its changes, ln thresholds drawn again by kind and with a slice left out,
    ln reader 1 / reader 2."""

    name: str
    mm3: float
    changes: list[tuple[float, float]]
    voxel_mm3: float
    redrawn: list[tuple[str, float]]
    left_out: list[float]
    readers: float

    @property
    def moved(self) -> np.ndarray:
        return np.array([moved for kind, moved in self.redrawn if kind != NOT_FITTED])

    def ratios(self, moved: np.ndarray) -> np.ndarray:
        return log_ratio_at(moved, self.mm3, self.changes, self.voxel_mm3)


def read() -> list[Known]:
    """The published scans that readers cleaned."""
    scans = []
    for scan in cleaned_scans(Path(os.environ["VHI_DATA"])):
        result = scan.measure()
        masks = [placed(read_inflammation(one)[0], result.stir.grid).data for one in scan.readings]
        marked = [np.bincount(result.lesion_labels[mask], minlength=len(result.lesions) + 1) > 0 for mask in masks]
        keep = 2 * np.sum(marked, axis=0) >= len(masks)
        keep[0] = False
        cleaned = measure_cleaned(result, Mask(keep[result.lesion_labels], result.stir.grid))
        bone = placed(read_mask(scan.normal_bone, "normal bone"), result.stir.grid)
        redrawn = []
        for kind, mask in redrawings(bone, result.stir, EACH, SEED):
            try:
                sample = sample_normal_bone(result.stir, mask)
                at = thresholds_from(sample.values, ThresholdRule(rule="paper"), sample.slice_index).sensitive
            except NormalBoneError:
                continue
            redrawn.append((kind, float(np.log(at / result.thresholds.sensitive))))
        total = cleaned.measurement.total
        changes = [(one.change, one.vhi_mm3) for one in cleaned.stability.threshold_changes]
        left_out = [
            float(np.log(one.sensitive / result.thresholds.sensitive))
            for one in result.stability.slices_left_out or ()
            if one.sensitive is not None
        ]
        one, two = PUBLISHED[scan.case_id]
        voxel = total.voxel_volume_mm3
        scans.append(Known(scan.case_id, total.sensitive_mm3, changes, voxel, redrawn, left_out, float(np.log(one / two))))
        print(f"read {scan.case_id}", file=sys.stderr, flush=True)
    return scans


def fitted(scans: Sequence[Known]) -> dict:
    """Components of some scans; the scale is the smallest at which they hold 95% of readers times redrawings on these scans."""
    typical = float(np.median([spread_of(scan.left_out, np.nan) for scan in scans]))
    moved = np.concatenate([scan.moved / spread_of(scan.left_out, typical) for scan in scans])
    both = np.concatenate([moved, -moved])  # either drawing may be the one that was used
    per_root_mm3 = np.array([scan.readers * np.sqrt(scan.mm3) for scan in scans])
    parts = {
        "typical_spread": round(typical, 4),
        "quantiles": [round(float(q), 4) for q in np.quantile(both, np.linspace(0, 1, QUANTILES))],
        "log_sd_at_1_mm3": round(float(np.sqrt(np.mean(per_root_mm3**2))), 3),
    }
    for scale in SCALES:
        inside = [within(scan, parts, scale, "both") for scan in scans]
        if np.mean([np.mean(one) for one in inside]) >= 0.95:
            break
    return {**parts, "scale": float(scale)}


def clicked(names: Sequence[str], typical: float) -> list[float]:
    """Quantiles of ln thresholds of clicked normal bone over the reader's and the other way round, in units of `typical`."""
    even = normal(1.0, 3)
    moved = np.log1p(np.concatenate([mean + sd * even for mean, sd in (CLICKED[name] for name in names)]) / 100) / typical
    return [round(float(q), 4) for q in np.quantile(np.concatenate([moved, -moved]), np.linspace(0, 1, QUANTILES))]


def with_clicks(scan: Known, parts: dict) -> tuple[float, np.ndarray]:
    """Factor around a cleaned VHI whose normal bone was clicked, by components without this scan; which of the other reader's
    numbers, with the normal bone as drawn, lie inside. The number's own slope is taken from the drawn one's."""
    quantiles = clicked([name for name in CLICKED if name != scan.name], parts["typical_spread"])
    threshold = carried(quantiles, parts["typical_spread"], scan.mm3, scan.changes, scan.voxel_mm3)
    factor = factor_of(parts["scale"] * (threshold + normal(parts["log_sd_at_1_mm3"] / np.sqrt(scan.mm3), 1)))
    mean, sd = CLICKED[scan.name]
    drawn = scan.ratios(-np.log1p((mean + sd * normal(1.0, 4)[:50]) / 100))
    return factor, np.abs(drawn[:, None] + np.array([scan.readers, -scan.readers])).ravel() <= np.log(factor)


def simulated(scan: Known, parts: dict) -> np.ndarray:
    threshold = carried(
        parts["quantiles"], spread_of(scan.left_out, parts["typical_spread"]), scan.mm3, scan.changes, scan.voxel_mm3
    )
    return threshold + normal(parts["log_sd_at_1_mm3"] / np.sqrt(scan.mm3), 1)


def others(scan: Known, what: str, kinds: bool = False) -> np.ndarray:
    """ln of what another reader might have had, over the number: by cleaning, by drawing normal bone, or by both."""
    pair = np.array([scan.readers, -scan.readers])
    moved = np.array([moved for _, moved in scan.redrawn]) if kinds else scan.moved
    if what == "readers":
        return pair
    drawn = scan.ratios(moved)
    return drawn if what == "redrawn" else (drawn[:, None] + pair).ravel()


def within(scan: Known, parts: dict, scale: float, what: str, kinds: bool = False) -> np.ndarray:
    return np.abs(others(scan, what, kinds)) <= np.log(factor_of(scale * simulated(scan, parts)))


def main() -> None:
    if "VHI_DATA" not in os.environ:
        sys.exit("Set VHI_DATA to the folder of published scans with readers' masks.")
    scans = read()
    names = ("readers", "redrawn", "both", "redrawn, circles too", "clicked, x / ÷", "clicked, other reader")
    table = Table("scan", "VHI [mm3]", "x / ÷", *names)
    factors: list[float] = []
    counts: dict[str, list[Any]] = {what: [] for what in ("readers", "redrawn", "both", "circles", "clicked")}
    clicked_factors: list[float] = []
    for scan in scans:
        parts = fitted([one for one in scans if one is not scan])
        factor = factor_of(parts["scale"] * simulated(scan, parts))
        inside = {what: within(scan, parts, parts["scale"], what) for what in ("readers", "redrawn", "both")}
        inside["circles"] = within(scan, parts, parts["scale"], "redrawn", kinds=True)
        factors.append(factor)
        clicked_factor, clicked_inside = with_clicks(scan, parts)
        clicked_factors.append(clicked_factor)
        counts["clicked"].append(clicked_inside)
        for what, one in inside.items():
            counts[what].append(one)
        cells = [f"{one.sum()} of {one.size}" for one in inside.values()]
        cells += [f"{clicked_factor:.2f}", f"{clicked_inside.sum()} of {clicked_inside.size}"]
        table.add_row(scan.name, f"{scan.mm3:.0f}", f"{factor:.2f}", *cells)
    pooled = {what: np.concatenate(one) for what, one in counts.items()}
    shares = [f"{one.sum()} of {one.size}: {one.mean():.1%}" for one in pooled.values()]
    shares.insert(-1, f"median {np.median(clicked_factors):.2f}")
    table.add_row("all", "", f"median {np.median(factors):.2f}", *shares)
    Console(width=170).print(table)
    Console(width=170).print(phantoms())
    readers_and_redrawn = np.concatenate([pooled["readers"], pooled["redrawn"]])
    print(f"readers and redrawings together: {readers_and_redrawn.mean():.1%} of {readers_and_redrawn.size}")
    whole = fitted(scans)
    print(json.dumps(whole))
    if "--write" in sys.argv:
        COMPONENTS.write_text(json.dumps(stored(whole, scans), indent=1) + "\n", encoding="utf-8")


def phantoms() -> Table:
    """Known volumes of oedema in the interval of the number that is measured from what touches it."""
    table = Table("phantom", "true [mm3]", "VHI [mm3]", "x / ÷", "inside")
    for seed in PHANTOMS:
        study = make_phantom(seed, (224, 224, 25))
        result = measure_vhi(study.t1w, study.stir, normal_bone=study.normal_bone, disease_region=study.disease_region)
        touched = np.bincount(result.lesion_labels[study.lesions > 0], minlength=len(result.lesions) + 1) > 0
        touched[0] = False
        cleaned = measure_cleaned(result, Mask(touched[result.lesion_labels], result.stir.grid))
        true, interval = sum(one.volume_mm3 for one in study.lesion_table), cleaned.interval
        if interval is None:
            table.add_row(str(seed), f"{true:.0f}", f"{cleaned.measurement.total.sensitive_mm3:.0f}", "none", "")
            continue
        cells = (true, cleaned.measurement.total.sensitive_mm3)
        inside = interval.low_mm3 <= true <= interval.high_mm3
        table.add_row(str(seed), *(f"{mm3:.0f}" for mm3 in cells), f"{interval.factor:.2f}", "yes" if inside else "no")
    return table


def stored(parts: dict, scans: Sequence[Known]) -> dict:
    """What the program ships: numbers, no image."""
    manifest = json.loads(next((COMPONENTS.parents[2] / "model" / "cleaning" / "versions").glob("*/manifest.json")).read_text())
    cases = manifest["metrics"]["leave_one_patient_out"]["cases"].values()
    proposal = np.array([one["proposal"]["log_ratio"] for one in cases])
    # a proposal's slices say little of how far it is off: in units of the typical spread
    mirrored = np.concatenate([PROPOSED, -PROPOSED]) / parts["typical_spread"]
    return {
        "version": 1,
        "scale": parts["scale"],
        "typical_spread": parts["typical_spread"],
        "threshold": {
            "given, paper": {"quantiles": parts["quantiles"], "scans": len(scans)},
            "proposed, robust": {
                "quantiles": [round(float(q), 4) for q in np.quantile(mirrored, np.linspace(0, 1, QUANTILES))],
                "scans": len(PROPOSED),
            },
            "clicked, robust": {"quantiles": clicked(list(CLICKED), parts["typical_spread"]), "scans": len(CLICKED)},
        },
        "cleaning": {
            "cleaned": {
                "log_sd_at_1_mm3": parts["log_sd_at_1_mm3"],
                "least_mm3": int(min(scan.mm3 for scan in scans)),
                "scans": len(scans),
            },
            "proposed": {"log_sd": round(float(np.sqrt(np.mean(proposal**2))), 3), "scans": len(proposal)},
        },
        "region": {"networks": {"log_sd": round(float(np.sqrt(np.mean(REGION**2))), 3), "scans": len(REGION)}},
    }


if __name__ == "__main__":
    main()
