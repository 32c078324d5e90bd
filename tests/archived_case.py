"""The handmade case (`tests/handmade.py`) in an archive, and a service that delivers to it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from archives import Archive, Study, dicomized
from handmade import OfTruth, handmade
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.volume import Volume
from lib.errors import ArchiveError
from lib.pacs import client
from lib.pacs.archive_cases import PacsCases, PacsConfig
from lib.pacs.archive_sync import ArchiveSync
from lib.readings.submission import Submission
from lib.service.service import StudyConfig, VhiService
from lib.studies.dicomize import Labels
from lib.studies.nifti import write_volume
from lib.studies.pairing import Role
from lib.studies.registration import labels_at

TISSUE = CodedConcept("85756007", "SCT", "Tissue")
REGION, BONE, INFLAMMATION, CONSERVATIVE = "disease region", "normal bone", "inflammation", "inflammation (conservative)"


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def client_of(archive: Archive) -> client.Archive:
    """The program's own client, with the archive's password."""
    return client.Archive(archive.url, archive.user or None, archive.password or None, timeout_s=20)


def _truth() -> VhiResult:
    """The handmade scan with whole numbers, ten times as bright, because DICOM stores whole numbers."""
    scan = handmade()
    return measure_vhi(
        Volume(np.rint(scan.t1w.data), scan.t1w.grid, "T1W"),
        Volume(np.rint(10 * scan.stir.data), scan.stir.grid, "STIR"),
        normal_bone=scan.normal_bone,
        disease_region=scan.disease_region.mask,
    )


@dataclass
class ArchivedCase(OfTruth):
    """One case in an archive, of a patient of its own, and a data folder.

    `truth` is the automatic result from `region` and `bone`: lesion 1 of 8 voxels, lesion 2 of 4, 6 mm3 each voxel. Lesion 2 lies
    in a corner of the last slice: every flip moves it to where nothing of it was.
    """

    folder: Path
    archive: Archive
    descending: bool = False
    truth: VhiResult = field(default_factory=_truth)
    files: tuple[Path, Path] | None = None  # T1W and STIR of another `truth`
    pacs_report: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir()
        t1w, stir = self.files or (self.folder / "a_T1W.nii.gz", self.folder / "a_STIR.nii.gz")
        if self.files is None:
            write_volume(t1w, self.truth.t1w)
            write_volume(stir, self.truth.stir)
        self.patient = secrets.token_hex(8)
        self.study: Study = dicomized(self.folder / "dicom", t1w, stir, labels=Labels(self.patient, "20250601", self.descending))
        self.archive.store(self.study.files())
        self.client = client_of(self.archive)

    def exchange(self, logins: Any = None, *, model_dir: Path | None = None, **config: Any) -> ArchiveSync:
        """A server's insides after its start: they send when they are told to."""
        data = self.folder / "data"
        settings = PacsConfig(
            pacs_settle_s=0, pacs_look_s=0, pacs_filter=f"PatientID={self.patient}", pacs_report=self.pacs_report
        )
        cases = PacsCases(self.client, data, config=settings)
        service = VhiService(cases, data=data, model_dir=model_dir or self.folder / "no-model", config=StudyConfig(**config))
        with suppress(ArchiveError):
            while service.cases.look():
                pass
        assert service.cases.refresh().cases, service.cases.index.waiting
        return ArchiveSync(service, cases, lambda: logins, first_wait_s=0.05, longest_wait_s=0.2)

    def service(self, **config: Any) -> VhiService:
        """The service of `exchange`; its submissions are put into `service.delivery.outbox`."""
        return self.exchange(**config)._service

    def submit(
        self, service: VhiService, *segments: tuple[str, np.ndarray], reader: str = "anna", role: Role = "STIR", **more: Any
    ) -> Submission:
        """Flatten segments in their order, the later over the earlier, and submit them."""
        labels, names = self.flattened(segments)
        grid = service.stir_grid(image_of(service))
        return service.submit(image_of(service, role), labels_at(labels, self.grid, grid), grid, names, reader=reader, **more)

    def draw_regions(self, service: VhiService, reader: str = "anna") -> None:
        self.submit(service, (REGION, self.region), reader=reader)
        self.submit(service, (BONE, self.bone), reader=reader)
        service.vhi(image_of(service), reader, {})

    def stored(self, modality: str) -> list[Dataset]:
        """Everything that the archive holds of the study by now, as it hands it out, in no particular order."""
        series = self.client.series(self.study.study_uid, Modality=modality)
        return [one for entry in series for one in self.client.retrieve(self.study.study_uid, entry.series_uid)]

    def of_series(self, objects: list[Dataset], role: str) -> list[Dataset]:
        """Those of some Segmentations that refer to one of the two series."""
        uid = {"T1W": self.study.t1w_uid, "STIR": self.study.stir_uid}[role]
        return [one for one in objects if uid in {ref.SeriesInstanceUID for ref in one.ReferencedSeriesSequence}]


def image_of(service: VhiService, role: Role = "STIR") -> str:
    """The id of a series of the only case."""
    return service.cases.index.cases[0].image_id(role)


def numbers_of(report: Dataset) -> dict[str, dict[str, float]]:
    """The measurements of a structured report by group and name, with the side where a measurement has one."""
    numbers: dict[str, dict[str, float]] = {}
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
                numbers.setdefault(title, {})[name] = float(one.MeasuredValueSequence[0].NumericValue)
    return numbers


def _named(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeMeaning) if names else ""


def seg_of(
    archived_case: ArchivedCase,
    masks: dict[str, np.ndarray],
    *,
    creator: str | None = "anna",
    role: str = "STIR",
    kind: CodedConcept = TISSUE,
    site: CodedConcept | None = None,
    written: str = "20250602 120000",
    **changes: Any,
) -> Dataset:
    """A Segmentation as another program writes it: straight from the files, with plain names and no codes of ours."""
    source = [pydicom.dcmread(path) for path in archived_case.study.files(role)]
    frames = [on_frame(archived_case, header) for header in source]
    pixels = np.stack([np.stack([frame(mask) for frame in frames]) for mask in masks.values()], axis=-1)
    sites = {} if site is None else {"anatomic_regions": [site]}
    algorithm = AlgorithmIdentificationSequence("brush", CodedConcept("123110", "DCM", "Artificial Intelligence"), "1")
    described = [
        SegmentDescription(n, name, TISSUE, kind, "SEMIAUTOMATIC", algorithm, **sites) for n, name in enumerate(masks, start=1)
    ]
    segmentation = Segmentation(
        source, pixels, "BINARY", described, generate_uid(), 99, generate_uid(), 1, "Other", "Viewer", "1", "1",
        content_creator_name=creator, omit_empty_frames=changes.pop("omit_empty_frames", True),
    )  # fmt: skip
    segmentation.ContentDate, segmentation.ContentTime = written.split()
    for keyword, value in changes.items():
        setattr(segmentation, keyword, value)
    return segmentation


def on_frame(archived_case: ArchivedCase, header: Dataset) -> Any:
    """The part of a mask on the case's grid that lies on an image, from its position and directions, by hand."""
    across, down = (np.array(header.ImageOrientationPatient, float).reshape(2, 3)) * np.array([-1, -1, 1])
    first = np.array(header.ImagePositionPatient, float) * np.array([-1, -1, 1])
    rows, columns = np.mgrid[: header.Rows, : header.Columns]
    steps = columns[..., np.newaxis] * across * float(header.PixelSpacing[1])
    world = first + steps + rows[..., np.newaxis] * down * float(header.PixelSpacing[0])
    affine = np.linalg.inv(archived_case.grid.affine)
    i, j, k = np.moveaxis(np.rint(world @ affine[:3, :3].T + affine[:3, 3]).astype(int), -1, 0)
    return lambda mask: mask[i, j, k]


def flipped(seg: Dataset) -> Dataset:
    """The same frames with the positions of the opposite slices, as a viewer in wide use writes them."""
    groups = seg.PerFrameFunctionalGroupsSequence
    positions = [group.PlanePositionSequence for group in groups]
    for group, position in zip(groups, reversed(positions), strict=True):
        group.PlanePositionSequence = position
    return seg
