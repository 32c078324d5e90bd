"""Normal bone proposed automatically against a reader's region, on the published scans.

Both regions give thresholds by the paper's rule and raw VHI inside the manual disease region. The sizes in
`lib.core.normal_bone` were chosen on these same eight scans, so the table flatters them.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/normal_bone.py
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lib.core.normal_bone_proposal import propose_normal_bone
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.volume import Mask, Volume
from lib.studies.labelled import find_labelled
from lib.studies.nifti import read_mask, read_volume


def main() -> None:
    if "VHI_DATA" not in os.environ:
        sys.exit("Set VHI_DATA to the folder of published scans: STIR and manual normal bone are needed.")
    data = Path(os.environ["VHI_DATA"])
    table = Table(
        "scan",
        "voxels\nmanual",
        "voxels\nproposed",
        "sensitive\nmanual",
        "sensitive\nproposed",
        "error\n[%]",
        "VHI\nratio",
        "[s]",
    )
    errors, ratios, seconds = [], [], []
    for case in find_labelled(data).study:
        if case.disease_region is None:
            continue
        t1w = read_volume(case.t1w, "T1W")
        stir = read_volume(data / f"images_study/STIR/{case.case_id}_STIR.nii.gz", "STIR")
        manual = read_mask(data / f"segmentations/normal_marrow/{case.case_id}_normal_marrow.nii.gz", "normal bone")
        region = read_mask(case.disease_region, "disease region")
        start = time.perf_counter()
        proposed = propose_normal_bone(stir, region)
        seconds.append(time.perf_counter() - start)
        ours, reference = (_measured(t1w, stir, region, normal_bone) for normal_bone in (proposed, manual))
        errors.append(100 * (ours.thresholds.sensitive / reference.thresholds.sensitive - 1))
        ratios.append(ours.measurement.total.sensitive / reference.measurement.total.sensitive)
        table.add_row(
            case.case_id,
            str(manual.voxels),
            str(proposed.voxels),
            f"{reference.thresholds.sensitive:.1f}",
            f"{ours.thresholds.sensitive:.1f}",
            f"{errors[-1]:+.1f}",
            f"{ratios[-1]:.2f}",
            f"{seconds[-1]:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"error: mean absolute {np.abs(errors).mean():.1f}%, worst {np.abs(errors).max():.1f}%, mean {np.mean(errors):+.1f}%; "
        f"VHI ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}, "
        f"typical factor {2 ** np.abs(np.log2(ratios)).mean():.2f}"
    )


def _measured(t1w: Volume, stir: Volume, region: Mask, normal_bone: Mask) -> VhiResult:
    return measure_vhi(t1w, stir, normal_bone=normal_bone, disease_region=region)


if __name__ == "__main__":
    main()
