"""Normal bone found automatically against a reader's region, on the published scans, by both rules of the thresholds.

The proposal rests on the manual disease region, with `networks` on the shipped ensemble's (which learnt these scans). VHI is
measured inside the manual one, raw and of the lesions that readings overlap. In brackets: what drawing the manual region again
changes (`lib.cohort.redrawn`). Beside the confidence: agreement of the halves, and what joins only at too low a threshold.
The sizes in `lib.core.normal_bone_proposal` were chosen on these scans: the table flatters them.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/normal_bone.py [networks]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from threshold_scans import Scan, read_scans, sensitive, typical_factor

from lib.core.disease_region import segment_disease_region
from lib.core.normal_bone import sample_normal_bone
from lib.core.normal_bone_proposal import ProposedNormalBone, find_normal_bone
from lib.core.volume import Mask

EACH, SEED = 12, 1
# automatic rule, reader's rule
COMPARED = (("paper", "paper"), ("robust", "robust"), ("robust", "paper"))
MODEL_DIR = Path(__file__).parents[1] / "apps/vhi/model/disease_region"


def main() -> None:
    scans = read_scans()
    regions = _regions(scans)
    bones, seconds = [], []
    for scan, region in zip(scans, regions, strict=True):
        start = time.process_time()
        bones.append(find_normal_bone(scan.t1w, scan.stir, region))
        seconds.append(time.process_time() - start)
    automatic = {
        rule: np.array([sensitive(sample_normal_bone(s.stir, one.mask), rule) for s, one in zip(scans, bones, strict=True)])
        for rule in ("paper", "robust")
    }
    manual = {rule: np.array([sensitive(sample_normal_bone(s.stir, s.bone), rule) for s in scans]) for rule in automatic}
    table = Table("scan", "confidence", "CPU s", title="Automatic against manual; in brackets: the manual region drawn again")
    for ours, readers in COMPARED:
        name = ours if ours == readers else f"{ours} against {readers}"
        for column in ("threshold [%]", "raw VHI", "cleaned VHI"):
            table.add_column(f"{name}\n{column}", justify="right")
    rows = [[scan.name, _trusted(one), f"{s:.2f}"] for scan, one, s in zip(scans, bones, seconds, strict=True)]
    answered = [n for n, one in enumerate(bones) if one.refused_because is None]
    over = {"all": list(range(len(scans))), "answered": answered}
    last = [[f"mean absolute, typical factor: {name}", "", f"{np.mean(seconds):.2f}"] for name in over]
    drawn = [[sample for _, sample in scan.samples(EACH, SEED)] for scan in scans]
    again = {rule: [np.array([sensitive(one, rule) for one in samples]) for samples in drawn] for rule in automatic}
    for ours, readers in COMPARED:
        for kind in range(3):
            cells = _column(kind, scans, automatic[ours], manual[readers], again[readers])
            for row, cell in zip(rows, cells, strict=True):
                row.append(cell.text)
            for row, some in zip(last, over.values(), strict=True):
                row.append(_over(kind, [cells[n] for n in some]))
    for row in (*rows, *last):
        table.add_row(*row)
    Console().print(table)


def _regions(scans: list[Scan]) -> list[Mask]:
    if sys.argv[1:] != ["networks"]:
        return [scan.region for scan in scans]
    from lib.nets.weights import load_members

    members = load_members(MODEL_DIR)
    return [segment_disease_region(scan.t1w, members).mask for scan in scans]


class Cell(NamedTuple):
    """What is shown, and the error and what drawing again changes; nan where there are no readings."""

    text: str
    error: float
    again: float


def _trusted(one: ProposedNormalBone) -> str:
    sure = one.certainty
    refused = "" if one.refused_because is None else " refused"
    return f"{one.confidence:.2f} ({sure.agreement:.2f}, {sure.joined:.2f}){refused}"


def _column(kind: int, scans: list[Scan], ours: np.ndarray, readers: np.ndarray, again: list[np.ndarray]) -> list[Cell]:
    """Cells of one column: threshold [%] (0), ratio of raw VHI (1), of cleaned VHI (2)."""
    cells = []
    for scan, a, r, drawn in zip(scans, ours, readers, again, strict=True):
        if kind == 0:
            error, moved = 100 * (a / r - 1), 100 * float(np.abs(drawn / r - 1).mean())
            cells.append(Cell(f"{error:+.1f} ({moved:.1f})", error, moved))
        elif kind == 2 and not scan.has_readings:
            cells.append(Cell("-", np.nan, np.nan))
        else:
            reference = scan.vhi(r, kind == 2)
            ratio, moved = float(scan.vhi(a, kind == 2) / reference), typical_factor(scan.vhi(drawn, kind == 2) / reference)
            cells.append(Cell(f"{ratio:.2f} ({moved:.2f})", ratio, moved))
    return cells


def _over(kind: int, cells: list[Cell]) -> str:
    """The mean absolute error, or the typical factor."""
    errors, again = (np.array(one)[~np.isnan(one)] for one in zip(*((cell.error, cell.again) for cell in cells), strict=True))
    if kind == 0:
        return f"{np.abs(errors).mean():.1f} ({again.mean():.1f})"
    return f"{typical_factor(errors):.2f} ({typical_factor(again):.2f})"


if __name__ == "__main__":
    main()
