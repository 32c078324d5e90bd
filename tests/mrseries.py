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
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate, dataset.PatientSex = "7", patient, "19800101", "F"
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = STUDY_UID, FRAME_OF_REFERENCE_UID
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[series])
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "20250601", "093000", "1", "A1"
    dataset.ReferringPhysicianName = ""
    dataset.Modality, dataset.SeriesDescription, dataset.SeriesNumber = "MR", series, 4
    dataset.Manufacturer, dataset.PositionReferenceIndicator = "Scanner", ""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _pixels(dataset: Dataset, frames: np.ndarray) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.Rows, dataset.Columns = frames.shape[-2:]
    dataset.PixelData = np.rint(frames).astype("<u2").tobytes()


def mr_series(
    volume: Volume, series: str = "STIR", *, ascending: bool = True, patient: str = "Müller^Zoë", **changes: Any
) -> list[Dataset]:
    """Single-frame instances in the order of their InstanceNumber, which rises along K or against it.

    `changes` sets attributes of every instance; None leaves one out.
    """
    grid = volume.grid
    orientation, spacing, positions = _geometry(grid)
    instances = []
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
        instances.append(one)
    return instances


def enhanced_mr(volume: Volume, series: str = "STIR", *, shared_orientation: bool = True) -> Dataset:
    """One multi-frame instance whose frames lie in no particular order."""
    grid = volume.grid
    orientation, spacing, positions = _geometry(grid)
    order = np.random.default_rng(5).permutation(grid.shape[2])
    dataset = _common(series, "Doe^Jane")
    dataset.SOPClassUID, dataset.SOPInstanceUID = EnhancedMRImageStorage, generate_uid(entropy_srcs=[series, "enhanced"])
    dataset.InstanceNumber, dataset.NumberOfFrames = 1, grid.shape[2]
    turned, measures = Dataset(), Dataset()
    turned.ImageOrientationPatient = [round(float(x), 9) for x in orientation]
    measures.PixelSpacing, measures.SliceThickness = [round(float(x), 9) for x in spacing], 3.0
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    if shared_orientation:
        shared.PlaneOrientationSequence = Sequence([turned])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for k in order:
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = positions[k]
        frame.PlanePositionSequence = Sequence([place])
        if not shared_orientation:
            frame.PlaneOrientationSequence = Sequence([turned])
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    _pixels(dataset, np.stack([volume.data[:, ::-1, k].T for k in order]))
    return dataset
