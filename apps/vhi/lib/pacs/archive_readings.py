"""Every finished reading in an archive, for a study's analysis: Segmentations of inflammation and reports of VHI.

A reading is one Segmentation, one structured report, or a report with the Segmentation that it refers to. Its case is the study
in the archive. Of several readings of one reader by one method, the newest counts, as it does on the server, unless their
descriptions number them ("reading 2").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.chain import RecordedChain
from ..core.segment_names import CONSERVATIVE, INFLAMMATION
from ..core.stages import NAMES
from ..core.volume import Grid, Mask
from ..errors import ArchiveError, InputError, VhiError
from ..studies.dicom_seg_reader import SEGMENTATIONS, read_segments
from ..studies.dicom_series import read_series
from ..studies.dicom_sr_reader import read_vhi_report
from ..studies.nifti import write_mask, write_volume
from .authors import named_person, stated_reading, written_at
from .client import Archive, SearchEntry

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UNKNOWN_READER = "unknown"


@dataclass(frozen=True)
class ArchivedReading:
    """One reading. `mask` and `conservative` are NIfTI files on the grid of `stir`; None where only numbers were reported.

    `study_date` is DICOM's, YYYYMMDD; "" where the study has none. `chain` is that of the post-transforms that a report
    names, `settings` are the changed ones that make it another measure; None of a manual reading, and where there is no report.
    `stage` is that of the number, None where it is not stated.
    """

    patient: str
    study_uid: str
    study_date: str
    reader: str
    reading: int
    method: str
    written: str
    mask: Path | None = None
    conservative: Path | None = None
    stir: Path | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    chain: RecordedChain | None = None
    stage: str | None = None
    settings: tuple[str, ...] | None = None

    @property
    def key(self) -> tuple[str, str, int, str]:
        return self.study_uid, self.reader, self.reading, self.method


@dataclass
class ArchiveReadings:
    """The readings in an archive; `passed_over` names objects that no reading was taken from, with the reason."""

    readings: list[ArchivedReading] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)


def fetch_readings(
    archive: Archive, folder: Path, filters: Mapping[str, str] | None = None, accept_uncleaned: bool = False
) -> ArchiveReadings:
    """Look through the studies of an archive.

    Parameters
    ----------
    archive : Archive
    folder : Path
        Receives masks and STIR scans as NIfTI.
    filters : mapping, optional
        DICOM keywords and values that a study must have; all studies when absent.
    accept_uncleaned : bool
        Whether volumes that no reader cleaned are readings too.

    Raises
    ------
    ArchiveError
        The archive cannot be asked. An object that is no good is named in the result.
    """
    readings = ArchiveReadings()
    for study in archive.studies(fields=("PatientID", "StudyDate"), **(filters or {})):
        _Study(archive, study, folder, readings).read()
    if not accept_uncleaned:
        _leave_uncleaned(readings)
    readings.readings = _newest(readings)
    return readings


class _Study:
    """One study of the archive."""

    def __init__(self, archive: Archive, study: SearchEntry, folder: Path, result: ArchiveReadings) -> None:
        self.archive, self.study, self.folder, self.result = archive, study, folder, result
        self.grids: dict[str, tuple[Path, Grid, str]] = {}

    def read(self) -> None:
        segmentations = ((str(seg.SOPInstanceUID), self._of_segmentation(seg)) for seg in self._objects("SEG"))
        by_uid = {uid: reading for uid, reading in segmentations if reading is not None}
        used: set[str] = set()
        for report in self._objects("SR"):
            reported = read_vhi_report(report)
            if reported is None:
                self._leave(report, "it reports no VHI")
                continue
            own = sorted(reported.segmentations & by_uid.keys())
            numbers = {"vhi_mm3": reported.sensitive_mm3}
            stated: dict[str, Any] = {"chain": reported.chain, "stage": reported.stage, "settings": reported.settings}
            if reported.conservative_mm3 is not None:
                numbers["vhi_conservative_mm3"] = reported.conservative_mm3
            if own:
                used |= {*own}
                self.result.readings.append(replace(by_uid[own[0]], numbers=numbers, **stated))
            elif not reported.reader:
                self._leave(report, "no reader: an automatic result")
            else:
                method = "manual" if reported.manual else "semi-automatic"
                reading = self._reading(report, reported.reader, method)
                self.result.readings.append(replace(reading, numbers=numbers, **stated))
        self.result.readings += [reading for uid, reading in by_uid.items() if uid not in used]

    def _objects(self, modality: str) -> Iterator[Dataset]:
        for series in self.archive.series(self.study.study_uid, Modality=modality):
            if series.modality == modality:
                yield from self.archive.retrieve(self.study.study_uid, series.series_uid)

    def _of_segmentation(self, seg: Dataset) -> ArchivedReading | None:
        """Its reading; None, and a line in `passed_over`, where it is none."""
        if str(seg.get("SOPClassUID", "")) not in SEGMENTATIONS:
            self._leave(seg, "no Segmentation")
            return None
        try:
            stir, grid, frame_of_reference = self._drawn_on(seg)
            segments = read_segments(seg, grid, frame_of_reference)
        except ArchiveError:
            raise
        except VhiError as error:
            self._leave(seg, str(error))
            return None
        if INFLAMMATION not in segments and CONSERVATIVE not in segments:
            self._leave(seg, "none of its segments is inflammation")
            return None
        inflamed = [segment for segment in seg.SegmentSequence if INFLAMMATION in str(segment.get("SegmentLabel", "")).casefold()]
        # other viewers' segments may be known by their codes alone
        kinds = {str(segment.get("SegmentAlgorithmType", "")) for segment in inflamed or seg.SegmentSequence}
        if kinds == {"AUTOMATIC"}:
            self._leave(seg, "no reader: an automatic result")
            return None
        method = "manual" if kinds == {"MANUAL"} else "semi-automatic"
        mask, conservative = self._written(seg, segments)
        return replace(self._reading(seg, "", method), stir=stir, mask=mask, conservative=conservative)

    def _written(self, seg: Dataset, segments: dict[str, Mask]) -> tuple[Path, Path | None]:
        """The masks as files: all inflammation, and what of it reaches the conservative threshold."""
        parts = [segments[name] for name in (INFLAMMATION, CONSERVATIVE) if name in segments]
        whole = self.folder / f"{seg.SOPInstanceUID}_mask.nii.gz"
        write_mask(whole, Mask(parts[0].data | parts[-1].data, parts[0].grid, INFLAMMATION))
        if CONSERVATIVE not in segments:
            return whole, None
        conservative = self.folder / f"{seg.SOPInstanceUID}_conservative.nii.gz"
        write_mask(conservative, segments[CONSERVATIVE])
        return whole, conservative

    def _reading(self, dataset: Dataset, reader: str, method: str) -> ArchivedReading:
        return ArchivedReading(
            patient=self.study.text("PatientID") or self.study.study_uid,
            study_uid=self.study.study_uid,
            study_date=self.study.text("StudyDate"),
            reader=reader or " ".join(filter(None, named_person(dataset))) or UNKNOWN_READER,
            reading=stated_reading(dataset) or 1,
            method=method,
            written=written_at(dataset),
            stage=_stated_stage(dataset),
        )

    def _drawn_on(self, seg: Dataset) -> tuple[Path, Grid, str]:
        """The series that a Segmentation refers to, downloaded once."""
        named = [str(series.get("SeriesInstanceUID", "")) for series in seg.get("ReferencedSeriesSequence") or ()]
        if len(named) != 1 or not named[0]:
            raise InputError(f"It refers to {len(named)} series; a reading is drawn on one.")
        uid = named[0]
        if uid not in self.grids:
            files = self.archive.download_series(self.study.study_uid, uid, self.folder / f"series-{uid}")
            volume, info = read_series(files, "STIR")
            path = self.folder / f"{uid}_STIR.nii.gz"
            write_volume(path, volume)
            self.grids[uid] = path, volume.grid, info.frame_of_reference_uid
        return self.grids[uid]

    def _leave(self, dataset: Dataset, why: str) -> None:
        what = f"{dataset.get('Modality', 'object')} {dataset.get('SOPInstanceUID', '')} of study {self.study.study_uid}"
        self.result.passed_over.append((what, why))


def _stated_stage(dataset: Dataset) -> str | None:
    """The stage that a Segmentation of ours names in its description."""
    described = str(dataset.get("ContentDescription") or "")
    return next((stage for stage, name in NAMES.items() if described.startswith(f"{name}: ")), None)


def _leave_uncleaned(result: ArchiveReadings) -> None:
    """Pass over what states that no reader cleaned it."""
    uncleaned = [reading for reading in result.readings if reading.stage not in (None, "cleaned")]
    result.readings = [reading for reading in result.readings if reading not in uncleaned]
    for reading in uncleaned:
        what = f"reading of {reading.reader}, {reading.method}, {reading.written}, of study {reading.study_uid}"
        result.passed_over.append((what, "no reader has cleaned it, so it is no VHI; --accept-uncleaned takes it"))


def _newest(result: ArchiveReadings) -> list[ArchivedReading]:
    """One reading per study, reader, number and method; older ones are passed over."""
    newest: dict[tuple[str, str, int, str], ArchivedReading] = {}
    for reading in sorted(result.readings, key=lambda reading: reading.written):
        older = newest.get(reading.key)
        if older is not None:
            what = f"reading of {older.reader}, {older.method}, {older.written}, of study {older.study_uid}"
            result.passed_over.append((what, "the same reader's newer reading of the study counts"))
        newest[reading.key] = reading
    return list(newest.values())
