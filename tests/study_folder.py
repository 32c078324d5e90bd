"""Handmade cases (`tests/handmade.py`) in a folder, and a service that reads them without any network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handmade import OfTruth, handmade
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.volume import Volume
from lib.phantom.study import make_phantom
from lib.readings.submission import Submission
from lib.service.service import StudyConfig, VhiService
from lib.studies.nifti import write_volume

REGION, BONE, INFLAMMATION = "disease region", "normal bone", "inflammation"


@dataclass
class StudyFolder(OfTruth):
    """A folder of handmade cases, without a model: whatever is measured rests on what readers drew.

    `truth` is the automatic result from `region` and `bone`: lesion 1 of 8 voxels, lesion 2 of 4, 6 mm3 each voxel.
    """

    folder: Path
    truth: VhiResult = field(default_factory=handmade)

    def __post_init__(self) -> None:
        self.folder.mkdir()

    def add_case(self, case_id: str, brighter: float = 0.0) -> None:
        stir = Volume(self.truth.stir.data + brighter, self.grid)
        write_volume(self.folder / f"{case_id}_T1W.nii.gz", self.truth.t1w)
        write_volume(self.folder / f"{case_id}_STIR.nii.gz", stir)

    def service(self, **config: Any) -> VhiService:
        return VhiService(self.folder, model_dir=self.folder / "no-model", config=StudyConfig(**config))

    def submit(
        self, service: VhiService, *segments: tuple[str, np.ndarray], image: str = "a_STIR", reader: str = "anna", **more: Any
    ) -> Submission:
        """Flatten segments in their order, the later over the earlier, and submit them with values from 1."""
        labels, names = self.flattened(segments)
        return service.submit(image, labels, self.grid, names, reader=reader, **more)

    def draw_regions(self, service: VhiService, image: str = "a_STIR", reader: str = "anna") -> None:
        """Hand in both regions exactly, one after the other: in one map they would cover each other."""
        self.submit(service, (REGION, self.region), image=image, reader=reader)
        self.submit(service, (BONE, self.bone), image=image, reader=reader)


def phantom_truth(seed: int = 4, shape: tuple[int, int, int] = (112, 112, 9)) -> VhiResult:
    """The automatic result of a phantom inside its own regions: large enough that two visits can be laid over each other."""
    made = make_phantom(seed, shape)
    return measure_vhi(made.t1w, made.stir, normal_bone=made.normal_bone, disease_region=made.disease_region)


def finish(service, case_id, reader, reading=1):
    """A reading without a report: nothing here needs one."""
    from lib.readings.store import now, stored_segment
    from lib.readings.submission import Submission

    def write(folder, number):
        path = folder / "inflammation.nii.gz"
        path.write_bytes(b"")
        return Submission(case_id, number, reader, reading, "manual", now(), (stored_segment("inflammation", path, 0),))

    service.readings.append(case_id, reader, write)
    service.leases.of(reader).release(case_id, reader)
