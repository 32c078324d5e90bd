"""Automatic normal bone on the published scans as a thick-slice, noisier protocol would have made them.

Slices are averaged to 5 mm, noise of a share of the disease region's median is added, and the reader's regions go along. The
threshold by the robust rule against that of the reader's region on the same images.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/normal_bone_thick.py
"""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from threshold_scans import Scan, read_scans, sensitive

from lib.core.normal_bone import sample_normal_bone
from lib.core.normal_bone_proposal import find_normal_bone
from lib.core.volume import Grid, Mask, Volume
from lib.errors import NormalBoneError

PROTOCOLS = ((3.3, 0.0), (5.0, 0.0), (5.0, 0.1), (5.0, 0.2))  # mm between slices, noise


def main() -> None:
    table = Table("scan", *(f"{mm:g} mm, noise {noise:.0%}" for mm, noise in PROTOCOLS), title="Threshold off [%] (confidence)")
    for scan in read_scans():
        table.add_row(scan.name, *(_answer(scan, mm, noise) for mm, noise in PROTOCOLS))
    Console().print(table)


def _answer(scan: Scan, mm: float, noise: float) -> str:
    t1w, stir, region, bone = _remade(scan, mm, noise)
    try:
        proposed = find_normal_bone(t1w, stir, region)
    except NormalBoneError as error:
        return f"refused: {str(error)[:40]}"
    ours, readers = (sensitive(sample_normal_bone(stir, mask), "robust") for mask in (proposed.mask, bone))
    refused = "" if proposed.refused_because is None else " refused"
    return f"{100 * (ours / readers - 1):+.1f} ({proposed.confidence:.2f}){refused}"


def _remade(scan: Scan, mm: float, noise: float) -> tuple[Volume, Volume, Mask, Mask]:
    """The scan with slices that far apart, each the mean over its thickness, and with noise."""
    old = scan.stir.grid.spacing_mm[2]
    if mm <= old:
        return scan.t1w, scan.stir, scan.region, scan.bone
    count = int(scan.stir.grid.shape[2] * old / mm)
    at = np.arange(count) * mm / old
    affine = scan.stir.grid.affine.copy()
    affine[:3, 2] *= mm / old
    grid = Grid((*scan.stir.grid.shape[:2], count), affine)
    rng = np.random.default_rng(7)

    def image(volume: Volume) -> Volume:
        thick = ndimage.gaussian_filter1d(volume.data, mm / old / 2.35, axis=2)
        slices = thick[:, :, np.round(at).astype(int)]
        level = noise * float(np.median(volume.data[scan.region.data]))
        return Volume(np.abs(slices + rng.normal(0.0, level, slices.shape)), grid, volume.name)

    def mask(drawn: Mask) -> Mask:
        return Mask(drawn.data[:, :, np.round(at).astype(int)], grid, drawn.name)

    return image(scan.t1w), image(scan.stir), mask(scan.region), mask(scan.bone)


if __name__ == "__main__":
    main()
