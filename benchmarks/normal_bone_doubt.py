"""Whether a threshold that is too low gives itself away: `joined` of `lib.core.normal_bone_confidence` on the published scans.

At the robust threshold of the reader's normal bone times several factors, at the paper's threshold, and at the robust ones of
that normal bone drawn again; inside the manual disease region.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/normal_bone_doubt.py
"""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table
from threshold_scans import Scan, read_scans, sensitive

from lib.core.normal_bone import sample_normal_bone
from lib.core.normal_bone_confidence import joined
from lib.core.normal_bone_proposal import LEAST_CONFIDENCE

FACTORS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 1.0, 1.05, 1.1, 1.2)
EACH, SEED = 6, 1
LIMIT = (1 - LEAST_CONFIDENCE) / 2


def main() -> None:
    scans = read_scans()
    shown = Table("scan", title=f"Share of what lies above the threshold that is joined by it alone; refused above {LIMIT:g}")
    for name in (*(f"{factor:.2f}" for factor in FACTORS), "paper's", "drawn again: refused", "largest"):
        shown.add_column(name, justify="right")
    rows = np.array([_row(scan) for scan in scans])
    for scan, row in zip(scans, rows, strict=True):
        shown.add_row(scan.name, *(f"{value:.2f}" for value in row[:-2]), f"{row[-2]:.0f}", f"{row[-1]:.2f}")
    refused = np.count_nonzero(rows[:, : len(FACTORS) + 1] > LIMIT, axis=0)
    shown.add_row("refused", *map(str, refused), f"{rows[:, -2].sum():.0f}", "")
    Console(width=170).print(shown)


def _row(scan: Scan) -> list[float]:
    def at(threshold: float) -> float:
        return joined(scan.stir.data, scan.region.data, threshold)

    robust = sensitive(sample_normal_bone(scan.stir, scan.bone), "robust")
    again = np.array([at(sensitive(sample, "robust")) for _, sample in scan.samples(EACH, SEED)])
    changes = [at(factor * robust) for factor in FACTORS]
    return [*changes, at(scan.paper.sensitive), float(np.count_nonzero(again > LIMIT)), float(again.max())]


if __name__ == "__main__":
    main()
