"""Steps after the network, against the same method in per-voxel Python loops, on one 336 x 336 x 25 scan.

Both compute thresholds, grade map, small components, lesions, counts, sides and stability. With VHI_DATA set the scan is a
published one (1016), else a phantom.

    PYTHONPATH=apps/vhi:tests python benchmarks/after_network.py
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import oracle
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.volume import Mask, Volume
from lib.studies.nifti import read_mask, read_volume

REPEATS = 5


def scan() -> tuple[str, Volume, Volume, Mask, Mask]:
    if "VHI_DATA" not in os.environ:
        from lib.phantom.study import make_phantom

        study = make_phantom()
        return "phantom", study.t1w, study.stir, study.disease_region, study.normal_bone
    data = Path(os.environ["VHI_DATA"])
    return (
        "1016",
        read_volume(data / "images_study/T1W/1016_T1W.nii.gz", "T1W"),
        read_volume(data / "images_study/STIR/1016_STIR.nii.gz", "STIR"),
        read_mask(data / "segmentations/disease_region/1016_disease_region.nii.gz", "disease region"),
        read_mask(data / "segmentations/normal_marrow/1016_normal_marrow.nii.gz", "normal bone"),
    )


def main() -> None:
    name, t1w, stir, region, normal_bone = scan()

    def product() -> VhiResult:
        return measure_vhi(t1w, stir, normal_bone=normal_bone, disease_region=region)

    result = product()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    slow = oracle.measure(stir.data, region.data, normal_bone.data, stir.grid.affine)
    oracle.stability(stir.data, region.data, normal_bone.data, slow["sensitive_threshold"])
    loops = time.perf_counter() - start
    ours = statistics.median(seconds)
    table = Table("scan", "this project (s)", "per-voxel loops (s)", "ratio", "voxels, ours / loops")
    voxels = f"{result.measurement.total.sensitive} / {slow['sensitive']}"
    table.add_row(f"{name} {stir.grid.shape}", f"{ours:.2f}", f"{loops:.1f}", f"{loops / ours:.0f}", voxels)
    Console().print(table)


if __name__ == "__main__":
    main()
