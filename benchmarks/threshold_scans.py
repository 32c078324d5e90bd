"""The published scans for `thresholds.py` and `normal_bone.py`: VHI as a function of the sensitive threshold, raw and cleaned.

Cleaned is what readers would keep: lesions that overlap at least two of the four purely manual readings. Both are measured at
a series of thresholds by the product's own steps and interpolated between them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.cohort.redrawn import redrawings
from lib.core.lesions import clear, grade_hyperintensity, label_lesions
from lib.core.normal_bone import NormalBoneSample, sample_normal_bone
from lib.core.settings import VhiSettings
from lib.core.thresholds import ThresholdRule, Thresholds, thresholds_from
from lib.core.volume import Mask, Volume
from lib.studies.labelled import find_labelled
from lib.studies.nifti import read_mask, read_volume

READINGS = ("R11", "R12", "R21", "R22")
OVERLAPS = 2  # of the readings, for a lesion to be kept
FACTORS = np.concatenate([np.geomspace(0.7, 1.4, 29), [1.5, 1.7, 2.0, 2.5]])  # times the paper's sensitive threshold


@dataclass(frozen=True, eq=False)
class Scan:
    """One scan with what readers drew on it; `cleaned` is None without manual readings."""

    name: str
    t1w: Volume
    stir: Volume
    region: Mask
    bone: Mask
    paper: Thresholds
    raw: np.ndarray
    cleaned: np.ndarray | None

    @property
    def has_readings(self) -> bool:
        return self.cleaned is not None

    def vhi(self, sensitive: float | np.ndarray, cleaned: bool = False) -> np.ndarray:
        """VHI [voxels] at thresholds; on a logarithmic scale of both, one voxel added."""
        known = self.cleaned if cleaned else self.raw
        assert known is not None
        at = np.log(np.asarray(sensitive) / self.paper.sensitive)
        return np.exp(np.interp(at, np.log(FACTORS), np.log(known + 1.0)))

    def samples(self, each: int, seed: int) -> Iterator[tuple[str, NormalBoneSample]]:
        """Normal bone drawn again, `each` times for each kind of change."""
        for kind, mask in redrawings(self.bone, self.stir, each, seed):
            yield kind, sample_normal_bone(self.stir, mask)


def read_scans() -> list[Scan]:
    """The published scans that have manual regions, in the folder that VHI_DATA names."""
    if "VHI_DATA" not in os.environ:
        sys.exit("Set VHI_DATA to the folder of published scans: STIR, manual regions and manual readings are needed.")
    data = Path(os.environ["VHI_DATA"])
    return [_read(data, case.case_id, case.t1w, case.disease_region) for case in find_labelled(data).study if case.disease_region]


def sensitive(sample: NormalBoneSample, rule: str) -> float:
    """The sensitive threshold by "paper" or "robust"."""
    return thresholds_from(sample.values, ThresholdRule(rule=rule), sample.slice_index).sensitive


def typical_factor(ratios: np.ndarray) -> float:
    """By which factor, up or down, ratios differ from 1 on average."""
    return float(np.exp(np.abs(np.log(ratios)).mean()))


def _read(data: Path, name: str, t1w: Path, region_path: Path) -> Scan:
    masks = data / "segmentations"
    stir = read_volume(data / f"images_study/STIR/{name}_STIR.nii.gz", "STIR")
    bone = read_mask(masks / f"normal_marrow/{name}_normal_marrow.nii.gz", "normal bone")
    region = read_mask(region_path, "disease region")
    paths = [masks / f"inflammation_manual/{one}/{name}_inflammation_{one}.nii.gz" for one in READINGS]
    readings = [read_mask(path, path.parent.name).data for path in paths if path.exists()]
    paper = thresholds_from(sample_normal_bone(stir, bone).values)
    measured = [_voxels(stir, region, readings, factor * paper.sensitive) for factor in FACTORS]
    raw, cleaned = np.array(measured).T
    return Scan(name, read_volume(t1w, "T1W"), stir, region, bone, paper, raw, cleaned if readings else None)


def _voxels(stir: Volume, region: Mask, readings: list[np.ndarray], at: float) -> tuple[int, int]:
    """Voxels raw, and of the lesions that readings overlap."""
    grade = clear(grade_hyperintensity(stir, region, at, np.inf), region, VhiSettings())
    labels, count = label_lesions(grade)
    overlapped = [np.bincount(labels[reading], minlength=count + 1) > 0 for reading in readings]
    keep = np.sum(overlapped, axis=0) >= OVERLAPS if readings else np.zeros(count + 1, dtype=bool)
    size = np.bincount(labels.ravel(), minlength=count + 1)
    return int(size[1:].sum()), int(size[1:][keep[1:]].sum())
