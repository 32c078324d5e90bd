"""MR series as a scanner writes them, from arrays: classic single-frame instances and one enhanced multi-frame instance."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from lib.core.volume import Grid, Volume

LPS = np.array([-1.0, -1.0, 1.0])
STUDY_UID = generate_uid(entropy_srcs=["study"])
FRAME_OF_REFERENCE_UID = generate_uid(entropy_srcs=["frame of reference"])


def _geometry(grid: Grid) -> tuple[np.ndarray, np.ndarray, list[list[float]]]:
    """Orientation, pixel spacing and the position of every slice; columns run along I, rows down against J."""
    i, j = grid.affine[:3, 0], -grid.affine[:3, 1]
    spacing = np.array([np.linalg.norm(j), np.linalg.norm(i)])
    orientation = np.concatenate([i * LPS / spacing[1], j * LPS / spacing[0]])
    first = [grid.world_mm(np.array([0, grid.shape[1] - 1, k])) * LPS for k in range(grid.shape[2])]
    return orientation, spacing, [[round(float(x), 6) for x in one] for one in first]


def _common(series: str, patient: str) -> Dataset:
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 100"
    found.PatientID, found.PatientName, found.PatientBirthDate, found.PatientSex = "7", patient, "19800101", "F"
    found.StudyInstanceUID, found.FrameOfReferenceUID = STUDY_UID, FRAME_OF_REFERENCE_UID
    found.SeriesInstanceUID = generate_uid(entropy_srcs=[series])
    found.StudyDate, found.StudyTime, found.StudyID, found.AccessionNumber = "20250601", "093000", "1", "A1"
    found.ReferringPhysicianName = ""
    found.Modality, found.SeriesDescription, found.SeriesNumber = "MR", series, 4
    found.Manufacturer, found.PositionReferenceIndicator = "Scanner", ""
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return found


def _pixels(found: Dataset, frames: np.ndarray) -> None:
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 16, 15, 0
    found.Rows, found.Columns = frames.shape[-2:]
    found.PixelData = np.rint(frames).astype("<u2").tobytes()


def mr_series(
    volume: Volume, series: str = "STIR", *, ascending: bool = True, patient: str = "Müller^Zoë", **changes: Any
) -> list[Dataset]:
    """Single-frame instances in the order of their InstanceNumber, which rises along K or against it.

    `changes` sets attributes of every instance; None leaves one out.
    """
    grid = volume.grid
    orientation, spacing, positions = _geometry(grid)
    found = []
    slices = range(grid.shape[2]) if ascending else range(grid.shape[2] - 1, -1, -1)
    for number, k in enumerate(slices, start=1):
        one = _common(series, patient)
        one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, generate_uid(entropy_srcs=[series, str(k)])
        one.InstanceNumber, one.ImagePositionPatient = number, positions[k]
        one.ImageOrientationPatient = [round(float(x), 9) for x in orientation]
        one.PixelSpacing, one.SliceThickness = [round(float(x), 9) for x in spacing], 3.0
        _pixels(one, volume.data[:, ::-1, k].T)
        for keyword, value in changes.items():
            if value is None:
                delattr(one, keyword)
            else:
                setattr(one, keyword, value)
        found.append(one)
    return found


def enhanced_mr(volume: Volume, series: str = "STIR", *, shared_orientation: bool = True) -> Dataset:
    """One multi-frame instance whose frames lie in no particular order."""
    grid = volume.grid
    orientation, spacing, positions = _geometry(grid)
    order = np.random.default_rng(5).permutation(grid.shape[2])
    found = _common(series, "Doe^Jane")
    found.SOPClassUID, found.SOPInstanceUID = EnhancedMRImageStorage, generate_uid(entropy_srcs=[series, "enhanced"])
    found.InstanceNumber, found.NumberOfFrames = 1, grid.shape[2]
    turned, measures = Dataset(), Dataset()
    turned.ImageOrientationPatient = [round(float(x), 9) for x in orientation]
    measures.PixelSpacing, measures.SliceThickness = [round(float(x), 9) for x in spacing], 3.0
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    if shared_orientation:
        shared.PlaneOrientationSequence = Sequence([turned])
    found.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for k in order:
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = positions[k]
        frame.PlanePositionSequence = Sequence([place])
        if not shared_orientation:
            frame.PlaneOrientationSequence = Sequence([turned])
        frames.append(frame)
    found.PerFrameFunctionalGroupsSequence = Sequence(frames)
    _pixels(found, np.stack([volume.data[:, ::-1, k].T for k in order]))
    return found
