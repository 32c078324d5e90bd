"""Readers' masks of labelled scans as training data of the cleaning proposal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..cleaning.table import LesionTable, tables_of
from ..core.pipeline import VhiResult, measure_vhi
from ..errors import InputError
from ..studies.labelled import find_labelled
from ..studies.nifti import read_mask, read_volume
from ..studies.reader_masks import ReaderMask, find_reader_masks, find_stir, read_inflammation
from ..studies.registration import placed, reoriented


@dataclass(frozen=True)
class CleanedScan:
    """The files of one scan that readers read: both regions by hand, and every reading."""

    case_id: str
    t1w: Path
    stir: Path
    disease_region: Path
    normal_bone: Path
    readings: tuple[ReaderMask, ...]

    def measure(self) -> VhiResult:
        """The automatic result from the manual regions."""
        stir = read_volume(self.stir, f"STIR of {self.case_id}")
        t1w = reoriented(read_volume(self.t1w, f"T1W of {self.case_id}"), stir.grid)
        bone = placed(read_mask(self.normal_bone, "normal bone"), stir.grid)
        region = placed(read_mask(self.disease_region, "disease region"), stir.grid)
        return measure_vhi(t1w, stir, normal_bone=bone, disease_region=region)

    def tables(self, result: VhiResult | None = None) -> tuple[LesionTable, ...]:
        """Its lesions, and which of them each reading kept; then the same at slightly other thresholds."""
        result = result or self.measure()
        masks = [(reading.reader, placed(read_inflammation(reading)[0], result.stir.grid)) for reading in self.readings]
        return tables_of(result, masks, self.case_id)


def cleaned_scans(data: Path) -> tuple[CleanedScan, ...]:
    """Scans of a folder of labelled data (`lib.studies.labelled`) that readers read and that have both regions.

    Raises
    ------
    InputError
        There is none.
    """
    readings: dict[str, list[ReaderMask]] = {}
    for mask in find_reader_masks(data):
        readings.setdefault(mask.case, []).append(mask)
    stir = find_stir(data)
    bone = _normal_bones(data)
    scans = tuple(
        CleanedScan(case.case_id, case.t1w, stir[case.case_id], case.disease_region, bone[case.case_id], tuple(read))
        for case in find_labelled(data).study
        if case.disease_region and case.case_id in stir and case.case_id in bone and (read := readings.get(case.case_id))
    )
    if not scans:
        raise InputError(
            f"{data} holds no scan with T1W, STIR, both regions and a reader's mask of inflammation; see docs/cleaning.md "
            "for the names of the files."
        )
    return scans


def _normal_bones(data: Path) -> dict[str, Path]:
    """Readers' normal bone in a folder of labelled data, by case."""
    parts = ("segmentations/normal_marrow", "data/segmentations/Normal_marrow_manual_segmentation")
    paths = [path for part in parts for path in sorted((data / part).rglob("*_normal_marrow.nii*"))]
    return {path.name.split("_")[0]: path for path in paths}
