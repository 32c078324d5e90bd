"""The handmade case (`tests/handmade.py`) in an archive, and a service that delivers to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from archives import Archive, Study, dicomized
from handmade import handmade
from lib.core.pipeline import VhiResult
from lib.core.volume import Grid
from lib.pacs import client
from lib.pacs.outbox import Outbox
from lib.pacs.results import ArchiveResults
from lib.readings.submission import Submission
from lib.service.service import ServiceConfig, VhiService
from lib.studies.dicomize import Labels
from lib.studies.nifti import write_volume

REGION, BONE, INFLAMMATION, CONSERVATIVE = "disease region", "normal bone", "inflammation", "inflammation (conservative)"


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def client_of(archive: Archive) -> client.Archive:
    """The program's own client, with the archive's password."""
    return client.Archive(archive.url, archive.user or None, archive.password or None, timeout_s=20)


@dataclass
class PacsDesk:
    """One case `a`: its scans as NIfTI for the service, the same as DICOM files of a patient of their own.

    `truth` is the automatic result from `region` and `bone`: lesion 1 of 8 voxels, lesion 2 of 4, 6 mm3 each voxel. Lesion 2 lies
    in a corner of the last slice: every flip moves it to where nothing of it was.
    """

    folder: Path
    archive: Archive
    descending: bool = False
    truth: VhiResult = field(default_factory=handmade)

    def __post_init__(self) -> None:
        studies = self.folder / "studies"
        studies.mkdir(parents=True)
        t1w, stir = studies / "a_T1W.nii.gz", studies / "a_STIR.nii.gz"
        write_volume(t1w, self.truth.t1w)
        write_volume(stir, self.truth.stir)
        labels = Labels(self.folder.name[-40:], "20250601", self.descending)
        self.study: Study = dicomized(self.folder / "dicom", t1w, stir, labels=labels)
        self.client = client_of(self.archive)

    @property
    def grid(self) -> Grid:
        return self.truth.stir.grid

    @property
    def region(self) -> np.ndarray:
        return self.truth.disease_region.mask.data

    @property
    def bone(self) -> np.ndarray:
        return self.truth.normal_bone.data

    @property
    def lesions(self) -> np.ndarray:
        return self.truth.lesion_labels

    def service(self, **config: Any) -> VhiService:
        """A service whose submissions are put into `service.delivery.outbox`, which sends when it is told to."""
        found = VhiService(self.folder / "studies", model_dir=self.folder / "no-model", config=ServiceConfig(**config))
        outbox = Outbox(found.readings.root, self.client.store, first_wait_s=0.05, longest_wait_s=0.2)
        found.delivery = ArchiveResults(found.readings, outbox, lambda case, role: self.study.folder / role, found.public_name)
        found.delivery.post_missing()
        return found

    def submit(
        self, service: VhiService, *segments: tuple[str, np.ndarray], reader: str = "anna", image: str = "", **more: Any
    ) -> Submission:
        """Flatten segments in their order, the later over the earlier, and submit them."""
        labels = np.zeros(self.grid.shape, dtype=np.uint8)
        for value, (_, mask) in enumerate(segments, start=1):
            labels[mask] = value
        names = [(name, value) for value, (name, _) in enumerate(segments, start=1)]
        image = image or service.index.cases[0].image_id("STIR")
        return service.submit(image, labels, self.grid, names, reader=reader, **more)

    def draw_regions(self, service: VhiService, reader: str = "anna") -> None:
        self.submit(service, (REGION, self.region), reader=reader)
        self.submit(service, (BONE, self.bone), reader=reader)
        service.vhi(service.index.cases[0].image_id("STIR"), reader, {})

    def found(self, modality: str) -> list[Dataset]:
        """What the archive holds of the study by now, as it hands it out, in no particular order."""
        series = self.client.series(self.study.study_uid, Modality=modality)
        return [one for entry in series for one in self.client.retrieve(self.study.study_uid, entry.series_uid)]

    def of_series(self, objects: list[Dataset], role: str) -> list[Dataset]:
        """Those of some Segmentations that refer to one of the two series."""
        uid = {"T1W": self.study.t1w_uid, "STIR": self.study.stir_uid}[role]
        return [one for one in objects if uid in {ref.SeriesInstanceUID for ref in one.ReferencedSeriesSequence}]


def numbers_of(report: Dataset) -> dict[str, dict[str, float]]:
    """The measurements of a structured report by group and name, with the side where a measurement has one."""
    found: dict[str, dict[str, float]] = {}
    measurements = next(one for one in report.ContentSequence if _named(one) == "Imaging Measurements")
    for group in measurements.ContentSequence:
        title = next(one.TextValue for one in group.ContentSequence if _named(one) == "Tracking Identifier")
        for one in group.ContentSequence:
            if one.ValueType == "NUM":
                sides = [
                    deepest.ConceptCodeSequence[0].CodeMeaning
                    for site in one.get("ContentSequence", [])
                    for deepest in site.get("ContentSequence", [])
                ]
                name = " ".join([_named(one), *sides])
                found.setdefault(title, {})[name] = float(one.MeasuredValueSequence[0].NumericValue)
    return found


def _named(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeMeaning) if names else ""


def through_a_file(dataset: Dataset, path: Path) -> Dataset:
    dataset.save_as(path, write_like_original=False)
    return pydicom.dcmread(path)
