"""Normal bone found automatically against a reader's region, on the published scans, by both rules of the thresholds.

The proposal rests on the manual disease region, with `networks` on the shipped ensemble's (which learnt these scans). VHI is
measured inside the manual one, raw and of the lesions that readings overlap. In brackets: what drawing the manual region again
changes (`lib.cohort.redrawn`). The sizes in `lib.core.normal_bone_proposal` were chosen on these scans: the table flatters them.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/normal_bone.py [networks]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from threshold_scans import Scan, read_scans, sensitive, typical_factor

from lib.core.disease_region import segment_disease_region
from lib.core.normal_bone import sample_normal_bone
from lib.core.normal_bone_proposal import propose_normal_bone
from lib.core.volume import Mask

EACH, SEED = 12, 1
# automatic rule, reader's rule
COMPARED = (("paper", "paper"), ("robust", "robust"), ("robust", "paper"))
MODEL_DIR = Path(__file__).parents[1] / "apps/vhi/model/disease_region"


def main() -> None:
    scans = read_scans()
    regions = _regions(scans)
    found, seconds = [], []
    for scan, region in zip(scans, regions, strict=True):
        start = time.process_time()
        found.append(propose_normal_bone(scan.t1w, scan.stir, region))
        seconds.append(time.process_time() - start)
    automatic = {
        rule: np.array([sensitive(sample_normal_bone(s.stir, one.mask), rule) for s, one in zip(scans, found, strict=True)])
        for rule in ("paper", "robust")
    }
    manual = {rule: np.array([sensitive(sample_normal_bone(s.stir, s.bone), rule) for s in scans]) for rule in automatic}
    table = Table("scan", "confidence", "CPU s", title="Automatic against manual; in brackets: the manual region drawn again")
    for ours, readers in COMPARED:
        name = ours if ours == readers else f"{ours} against {readers}"
        for column in ("threshold [%]", "raw VHI", "cleaned VHI"):
            table.add_column(f"{name}\n{column}", justify="right")
    rows = [[scan.name, f"{one.confidence:.2f}", f"{s:.2f}"] for scan, one, s in zip(scans, found, seconds, strict=True)]
    last = ["mean absolute, typical factor", "", f"{np.mean(seconds):.2f}"]
    drawn = [[sample for _, sample in scan.samples(EACH, SEED)] for scan in scans]
    again = {rule: [np.array([sensitive(one, rule) for one in samples]) for samples in drawn] for rule in automatic}
    for ours, readers in COMPARED:
        columns = [_column(kind, scans, automatic[ours], manual[readers], again[readers]) for kind in range(3)]
        for cells, at in ((columns, n) for n in range(len(scans))):
            rows[at] += [column[at] for column in cells]
        last += [column[-1] for column in columns]
    for row in (*rows, last):
        table.add_row(*row)
    Console().print(table)


def _regions(scans: list[Scan]) -> list[Mask]:
    if sys.argv[1:] != ["networks"]:
        return [scan.region for scan in scans]
    from lib.nets.weights import load_members

    members = load_members(MODEL_DIR)
    return [segment_disease_region(scan.t1w, members).mask for scan in scans]


def _column(kind: int, scans: list[Scan], ours: np.ndarray, readers: np.ndarray, again: list[np.ndarray]) -> list[str]:
    """Cells of one column: threshold (0), raw VHI (1), cleaned VHI (2); the last one over all scans."""
    if kind == 0:
        error = 100 * (ours / readers - 1)
        moved = np.array([100 * np.abs(one / at - 1).mean() for one, at in zip(again, readers, strict=True)])
        cells = [f"{e:+.1f} ({m:.1f})" for e, m in zip(error, moved, strict=True)]
        return [*cells, f"{np.abs(error).mean():.1f} ({moved.mean():.1f})"]
    cells, factors, factors_again = [], [], []
    for scan, a, r, drawn in zip(scans, ours, readers, again, strict=True):
        if kind == 2 and not scan.has_readings:
            cells.append("-")
            continue
        reference = scan.vhi(r, kind == 2)
        ratio, moved_vhi = scan.vhi(a, kind == 2) / reference, typical_factor(scan.vhi(drawn, kind == 2) / reference)
        cells.append(f"{ratio:.2f} ({moved_vhi:.2f})")
        factors.append(ratio)
        factors_again.append(moved_vhi)
    return [*cells, f"{typical_factor(np.array(factors)):.2f} ({typical_factor(np.array(factors_again)):.2f})"]


if __name__ == "__main__":
    main()
