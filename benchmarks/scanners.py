"""The study's scans as other scanners and protocols would have made them, by networks that did not learn the scan.

Each held-out scan of the folds in WORK is made anew: T1W, STIR, the manual disease region and the reader's normal bone alike.
The region is found by the fold's ensemble, VHI measured with the reader's normal bone, and compared with the scan as it is:
Dice, sensitive threshold, raw VHI by the automatic region; refusals and warnings are counted. A fat-suppressed T1W series and
axial slices must be warned of; the others should lose at most 0.01 of Dice.

    VHI_DATA=... PYTHONPATH=apps/vhi python benchmarks/scanners.py WORK [--out DIR] [--folds N]

Simulated are resolution, noise, contrast, frame and plane from one acquisition: finer detail than it has, or anatomy beyond its
frame, cannot be made. The STIR series gets the geometry, noise and fall-off of the T1W series, and keeps its contrast.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from foreign_scans import CHECKS, fold_members
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from lib.core.contrast import tissues
from lib.core.disease_region import Member, dice
from lib.core.pipeline import measure_vhi
from lib.core.volume import Grid, Mask, Volume
from lib.errors import VhiError
from lib.files import write_atomically
from lib.nets.recipes import PLANS
from lib.studies.labelled import LabelledCase, LabelledData, find_labelled
from lib.studies.nifti import read_mask, read_volume
from lib.training.groups import folds_of
from lib.training.scans import read_labelled

LARGEST_LOSS = 0.01
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def unchanged(data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return data


@dataclass(frozen=True)
class Protocol:
    """How a scan is made anew: its grid, then what happens to the intensities of both series and of T1W alone."""

    name: str
    grid: Callable[[Grid], Grid] = lambda grid: grid
    both: Change = unchanged
    t1w: Change = unchanged
    must_warn: bool = False


@dataclass(frozen=True)
class Scan:
    """One examination with what a reader drew."""

    t1w: Volume
    stir: Volume
    region: Mask
    normal_bone: Mask

    def by(self, protocol: Protocol) -> Scan:
        """The same examination by another protocol; random noise is seeded by the protocol's name."""
        grid = protocol.grid(self.t1w.grid)
        rng = np.random.default_rng(list(protocol.name.encode()))
        t1w, stir = (protocol.both(resampled(series.data, series.grid, grid), rng) for series in (self.t1w, self.stir))
        drawn = [Mask(resampled(m.data.astype(np.float32), m.grid, grid) >= 0.5, grid) for m in (self.region, self.normal_bone)]
        return Scan(Volume(protocol.t1w(t1w, rng), grid, "T1W"), Volume(stir, grid, "STIR"), *drawn)


def resampled(data: np.ndarray, own: Grid, grid: Grid) -> np.ndarray:
    """An array on another grid, linear; averaged over the new voxel where that is larger, 0 where the scan showed nothing."""
    if own.shape == grid.shape and np.allclose(own.affine, grid.affine):
        return data.astype(np.float64)
    step = np.linalg.inv(own.affine) @ grid.affine
    width = np.maximum(1, np.round(np.abs(step[:3, :3]).sum(axis=1))).astype(int)
    smooth = ndimage.uniform_filter(data.astype(np.float32), width, mode="nearest")
    # the mean over an even number of voxels lies half a voxel before the one it is written to
    start = step[:3, 3] + (width % 2 == 0) / 2
    on_grid: np.ndarray = ndimage.affine_transform(smooth, step[:3, :3], start, grid.shape, order=1, cval=0.0)
    return on_grid.astype(np.float64)


# grids ----------------------------------------------------------------------------------------------------------------------


def matrix(size: int) -> Callable[[Grid], Grid]:
    """Another number of pixels in the same frame."""
    return lambda grid: _voxels(grid, (size, size, grid.shape[2]))


def slices(spacing_mm: float) -> Callable[[Grid], Grid]:
    """Slices so far apart in the same stack."""
    return lambda grid: _voxels(grid, (*grid.shape[:2], max(1, round(grid.shape[2] * grid.spacing_mm[2] / spacing_mm))))


def _voxels(grid: Grid, shape: tuple[int, int, int]) -> Grid:
    ratio = np.array(grid.shape) / np.array(shape)
    affine = grid.affine @ np.diag([*ratio, 1.0])
    affine[:3, 3] = (grid.affine @ [*((ratio - 1) / 2), 1.0])[:3]
    return Grid(shape, affine)


def frame(mm: float, size: int) -> Callable[[Grid], Grid]:
    """A frame of another size round the same middle."""

    def made(grid: Grid) -> Grid:
        ratio = np.array([mm / size / grid.spacing_mm[0], mm / size / grid.spacing_mm[1], 1.0])
        affine = grid.affine @ np.diag([*ratio, 1.0])
        shape = (size, size, grid.shape[2])
        start = (np.array(grid.shape) - 1) / 2 - ratio * (np.array(shape) - 1) / 2
        affine[:3, 3] = (grid.affine @ [*start, 1.0])[:3]
        return Grid(shape, affine)

    return made


def leaning(degrees: float) -> Callable[[Grid], Grid]:
    """The plane turned about the patient's left-right axis through the middle of the stack."""

    def made(grid: Grid) -> Grid:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        middle = grid.world_mm((np.array(grid.shape) - 1) / 2)
        turn = np.eye(4)
        turn[1:3, 1:3] = [[c, -s], [s, c]]
        turn[:3, 3] = middle - turn[:3, :3] @ middle
        return Grid(grid.shape, turn @ grid.affine)

    return made


def axial(grid: Grid) -> Grid:
    """Straight axial slices of the stack's box, 0.6 mm pixels, 3.3 mm apart."""
    corners = grid.corners_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    affine = np.diag([0.6, 0.6, 3.3, 1.0])
    affine[:3, 3] = low
    i, j, k = ((high - low) / [0.6, 0.6, 3.3]).astype(int) + 1
    return Grid((int(i), int(j), int(k)), affine)


# intensities ----------------------------------------------------------------------------------------------------------------


def noise(share: float) -> Change:
    """Rician noise of a share of the 99th percentile."""

    def made(data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        sd = share * np.percentile(data, 99)
        return np.hypot(data + rng.normal(0, sd, data.shape), rng.normal(0, sd, data.shape))

    return made


def fall_off(times: float) -> Change:
    """Signal that falls smoothly from one side of the frame to the other to 1 / `times`, as beside a surface coil."""
    return lambda data, rng: data * np.exp(-np.log(times) * np.linspace(0, 1, data.shape[1]))[None, :, None]


def contrast(power: float) -> Change:
    """Stronger or weaker contrast between dark and bright tissue."""

    def made(data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        bright = np.percentile(data, 99)
        return bright * (np.clip(data, 0, None) / bright) ** power

    return made


def fat_suppressed(data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is as bright as fat becomes darker than muscle."""
    shown = tissues(Volume(data, Grid(data.shape, np.eye(4)), "T1W"))
    between = (shown.muscle + shown.fat) / 2
    fat = 1 / (1 + np.exp(-(data - between) / (0.1 * between)))
    return data * (1 - fat) + 0.25 * data * fat


def then(*changes: Change) -> Change:
    def made(data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for change in changes:
            data = change(data, rng)
        return data

    return made


PROTOCOLS = (
    Protocol("as it is"),
    Protocol("1.5 T noise", both=noise(0.03)),
    Protocol("matrix 256", grid=matrix(256)),
    Protocol("matrix 512", grid=matrix(512)),
    Protocol("slices 4.4 mm apart", grid=slices(4.4)),
    Protocol("slices 6 mm apart", grid=slices(6.0)),
    Protocol("frame 170 mm", grid=frame(170, 288)),
    Protocol("frame 280 mm, matrix 320", grid=frame(280, 320)),
    Protocol("frame 400 mm, matrix 512", grid=frame(400, 512)),
    Protocol("coil fall-off to a third", both=fall_off(3.0)),
    Protocol("T1 contrast up", t1w=contrast(1.25)),
    Protocol("T1 contrast down", t1w=contrast(0.8)),
    Protocol("plane 10 degrees flatter", grid=leaning(10)),
    Protocol("plane 10 degrees steeper", grid=leaning(-10)),
    Protocol("plane 20 degrees flatter", grid=leaning(20)),
    Protocol("plane 20 degrees steeper", grid=leaning(-20)),
    Protocol("1.5 T, 256, 5 mm apart", grid=lambda grid: slices(5.0)(matrix(256)(grid)), both=noise(0.03)),
    Protocol("fat-suppressed T1W", t1w=fat_suppressed, must_warn=True),
    Protocol("axial", grid=axial, must_warn=True),
)


# measuring ------------------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """What came out by one protocol, a value a scan; ratios to the untouched scan."""

    protocol: Protocol
    dice: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    vhi: list[float] = field(default_factory=list)
    refused: int = 0
    warned: int = 0
    contrast: int = 0


def measured(scan: Scan, members: list[Member]) -> tuple[float, float, float, tuple[str, ...]]:
    """Dice, sensitive threshold, raw sensitive VHI [mm3] and warnings."""
    result = measure_vhi(scan.t1w, scan.stir, members, scan.normal_bone)
    raw_mm3 = result.measurement.raw_sensitive * scan.stir.grid.voxel_volume_mm3
    return dice(result.disease_region.mask.data, scan.region.data), result.thresholds.sensitive, raw_mm3, result.warnings


def add(row: Row, scan: Scan, members: list[Member], before: tuple[float, float, float, tuple[str, ...]]) -> None:
    try:
        dice, threshold, mm3, warnings = measured(scan.by(row.protocol), members)
    except VhiError as error:
        row.refused += 1
        Console(stderr=True).print(f"{row.protocol.name}: {error}")
        return
    row.dice.append(dice)
    row.loss.append(before[0] - dice)
    row.threshold.append(threshold / before[1])
    row.vhi.append(mm3 / before[2] if before[2] else float("nan"))
    row.warned += bool(kinds(warnings) - kinds(before[3]))
    row.contrast += "contrast" in kinds(warnings)


def kinds(warnings: tuple[str, ...]) -> set[str]:
    """Which checks spoke."""
    return {name for name, words in CHECKS.items() if any(words in warning for warning in warnings)}


def scans_of(data: Path, cases: tuple[LabelledCase, ...]) -> Iterator[tuple[str, Scan]]:
    for case in cases:
        t1w, region = read_labelled(case)
        stir = read_volume(data / "images_study" / "STIR" / f"{case.case_id}_STIR.nii.gz", "STIR")
        (bone,) = (data / "segmentations" / "normal_marrow").glob(f"{case.case_id}_*")
        yield case.case_id, Scan(t1w, stir, region, read_mask(bone, "normal bone"))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("work", type=Path, help="working folder of `train --folds`")
    options.add_argument("--out", type=Path, help="folder for scanners.json and the figure")
    options.add_argument("--folds", type=int, default=4, help="only so many folds, where time is short")
    chosen = options.parse_args()
    data = Path(os.environ["VHI_DATA"])
    labelled = find_labelled(data)
    rows = [Row(protocol) for protocol in PROTOCOLS]
    for group in folds_of(LabelledData(labelled.study, atypical=labelled.atypical))[: chosen.folds]:
        members = fold_members(chosen.work / group.name, PLANS["scanners"])
        for case_id, scan in scans_of(data, group.held_out[: group.n_study]):
            before = measured(scan, members)
            for row in rows:
                add(row, scan, members, before)
            Console(stderr=True).print(f"{case_id} done")
    show(rows)
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        write_atomically(chosen.out / "scanners.json", (json.dumps(plain(rows), indent=1) + "\n").encode())
        draw(rows, chosen.out / "scanners.png")


def plain(rows: list[Row]) -> dict[str, dict[str, object]]:
    return {row.protocol.name: {name: value for name, value in vars(row).items() if name != "protocol"} for row in rows}


def show(rows: list[Row]) -> None:
    scans = len(rows[0].dice)
    table = Table("protocol", title=f"Protocols simulated from {scans} scans, by networks that did not learn them")
    for name in ("Dice", "loss", "threshold", "VHI", "refused", "new warnings", "not T1W"):
        table.add_column(name, justify="right")
    for row in rows:
        numbers = ["", "", "", ""]
        if row.dice:
            numbers = [
                f"{np.mean(row.dice):.3f}", f"{np.mean(row.loss):+.3f}",
                f"{np.mean(row.threshold):.2f} ({min(row.threshold):.2f} to {max(row.threshold):.2f})",
                f"{np.nanmedian(row.vhi):.2f} ({np.nanmin(row.vhi):.2f} to {np.nanmax(row.vhi):.2f})",
            ]  # fmt: skip
        table.add_row(row.protocol.name, *numbers, *map(str, (row.refused, row.warned, row.contrast)))
    Console(width=130).print(table)


def draw(rows: list[Row], path: Path) -> None:
    """The Dice lost by each protocol, a dot a scan."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for n, row in enumerate(rows[::-1]):
        axes.plot(row.loss, [n] * len(row.loss), "o", color="tab:orange" if row.protocol.must_warn else "tab:blue", alpha=0.6)
    axes.axvline(LARGEST_LOSS, color="grey", linestyle="--")
    axes.set_yticks(range(len(rows)), [row.protocol.name for row in rows[::-1]])
    axes.set_xlabel("Dice lost against the scan as it is (dashed: 0.01; orange: must warn)")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
