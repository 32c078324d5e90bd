"""Normal bone grown from clicks against a reader's region, on the published scans.

A click a slice on three slices, each at random inside the reader's region; the sensitive threshold by the robust rule against
that of the reader's region, and the coefficient of variation of VHI over the clicks, raw and of the lesions that readings
overlap, inside the manual disease region. With `leave-out` the brightness band and the height are chosen on the seven other
scans, for each scan.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/normal_bone_clicks.py [clicks a scan [leave-out]]
"""

from __future__ import annotations

import itertools
import sys
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table
from threshold_scans import Scan, read_scans, sensitive

from lib.core import normal_bone_clicks
from lib.core.normal_bone import sample_normal_bone
from lib.core.normal_bone_clicks import SacralMarrow
from lib.errors import NormalBoneError

SLICES, SEED = 3, 18
CLICKS = int(next(iter(sys.argv[1:2]), 100))
BANDS, HEIGHTS = (0.06, 0.08, 0.10), (14.0, 18.0, 22.0)


class Outcome(NamedTuple):
    """Of one scan: threshold errors [%] of the clicks that were answered, VHI's variation, and how many were refused."""

    errors: np.ndarray
    raw: float
    cleaned: float
    refused: int

    @property
    def off(self) -> float:
        """Mean absolute error [%]."""
        return float(np.abs(self.errors).mean())


def main() -> None:
    scans = read_scans()
    marrows = [SacralMarrow.of(scan.t1w, scan.stir, scan.region) for scan in scans]
    outcomes = [clicked(*pair) for pair in zip(scans, marrows, strict=True)]
    show(scans, outcomes, "As it is")
    if sys.argv[2:] == ["leave-out"]:
        show(scans, leave_out(scans, marrows), "Band and height chosen on the seven other scans")


def clicked(scan: Scan, marrow: SacralMarrow) -> Outcome:
    """Grow normal bone from `CLICKS` random clicks, one on each of three slices of the reader's region."""
    reader = sensitive(sample_normal_bone(scan.stir, scan.bone), "robust")
    thresholds = []
    for voxels in random_clicks(scan):
        try:
            bone = marrow.grown_from(voxels)
        except NormalBoneError:
            continue
        thresholds.append(sensitive(sample_normal_bone(scan.stir, bone.mask), "robust"))
    sensitive_of = np.array(thresholds)
    raw, cleaned = (
        variation(scan.vhi(sensitive_of, kind)) if scan.has_readings or not kind else np.nan for kind in (False, True)
    )
    return Outcome(100 * (sensitive_of / reader - 1), raw, cleaned, CLICKS - len(sensitive_of))


def random_clicks(scan: Scan) -> list[list[tuple[int, int, int]]]:
    """The same for every design: `CLICKS` times a voxel on each of three slices."""
    rng = np.random.default_rng(SEED)
    at = np.argwhere(scan.bone.data)
    slices = np.unique(at[:, 2])
    return [
        [tuple(rng.choice(at[at[:, 2] == k]).tolist()) for k in rng.choice(slices, SLICES, replace=False)] for _ in range(CLICKS)
    ]


def variation(values: np.ndarray) -> float:
    """Coefficient of variation."""
    return float(values.std() / values.mean())


def leave_out(scans: list[Scan], marrows: list[SacralMarrow]) -> list[Outcome]:
    """For each scan the outcome of the design that is nearest to the readers on the other scans."""
    designs = list(itertools.product(BANDS, HEIGHTS))
    table = []
    for band, height in designs:
        with patch.multiple(normal_bone_clicks, LEVEL_BAND=band, ALONG_MM=height):
            table.append([clicked(*pair) for pair in zip(scans, marrows, strict=True)])
    off = np.array([[outcome.off for outcome in row] for row in table])
    chosen = [int(np.argmin(np.delete(off, n, axis=1).mean(axis=1))) for n in range(len(scans))]
    print("chosen band, height [mm]:", *(designs[one] for one in chosen))
    return [table[one][n] for n, one in enumerate(chosen)]


def show(scans: list[Scan], outcomes: list[Outcome], title: str) -> None:
    """One row a scan, and the mean."""
    table = Table("scan", "threshold off [%]", "mean [%]", "sd [%]", "CoV raw", "CoV cleaned", "refused", title=title)
    for scan, one in zip(scans, outcomes, strict=True):
        table.add_row(
            scan.name,
            f"{one.off:.1f}",
            f"{one.errors.mean():+.1f}",
            f"{one.errors.std():.1f}",
            f"{one.raw:.3f}",
            f"{one.cleaned:.3f}",
            str(one.refused),
        )
    means = [np.nanmean([getattr(one, name) for one in outcomes]) for name in ("off", "raw", "cleaned")]
    table.add_row(
        "mean", f"{means[0]:.2f}", "", "", f"{means[1]:.3f}", f"{means[2]:.3f}", str(sum(one.refused for one in outcomes))
    )
    Console().print(table)


if __name__ == "__main__":
    main()
