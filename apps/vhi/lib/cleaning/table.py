"""What is learnt from: the lesions of a scan as numbers, and which of them each reader kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from lib.cleaning.features import FEATURES, lesion_features
from lib.core.pipeline import VhiResult
from lib.core.volume import Mask, check_same_grid
from lib.errors import InputError, ModelError

_LIST = "tables.json"


@dataclass(frozen=True, eq=False)
class LesionTable:
    """The lesions of one automatic result, and every reading of them: readers who differ both stay.

    Parameters
    ----------
    case_id, patient : str
        All tables of a patient are learnt or held out together.
    readers : tuple of str
        Who read, one entry per reading.
    features : (lesions, len(FEATURES)) float array
    voxels : (lesions,) int array
    kept : (lesions, readings) bool array
    """

    case_id: str
    patient: str
    readers: tuple[str, ...]
    features: np.ndarray
    voxels: np.ndarray
    kept: np.ndarray

    def __post_init__(self) -> None:
        lesions, readings = len(self.voxels), len(self.readers)
        if self.features.shape != (lesions, len(FEATURES)) or self.kept.shape != (lesions, readings) or not readings:
            raise InputError(
                f"The table of case {self.case_id} has {self.features.shape} features and {self.kept.shape} decisions for "
                f"{lesions} lesions and {readings} readings."
            )

    @property
    def votes(self) -> np.ndarray:
        """Share of the readings that kept each lesion."""
        return np.asarray(self.kept.mean(axis=1))

    @property
    def consensus(self) -> np.ndarray:
        """Kept by half of the readings or more."""
        return np.asarray(2 * self.kept.sum(axis=1) >= len(self.readers))

    @property
    def reader_pairs(self) -> tuple[tuple[int, int], ...]:
        """Indices of every two readings by different readers, both ways round."""
        pairs = permutations(range(len(self.readers)), 2)
        return tuple((a, b) for a, b in pairs if self.readers[a] != self.readers[b])

    @property
    def sha256(self) -> str:
        """Of the decisions on these lesions."""
        parts = (self.voxels.astype("<i8"), self.kept.astype("u1"), self.features.astype("<f4"))
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def table_of(result: VhiResult, readings: Sequence[tuple[str, Mask]], case_id: str, patient: str | None = None) -> LesionTable:
    """Lesions of an automatic result with what readers marked; a lesion of which any voxel is marked was kept.

    Parameters
    ----------
    result : VhiResult
    readings : sequence of (reader, mask)
        At least one.
    patient : str, optional
        The case is a patient when absent.

    Raises
    ------
    GridMismatchError
        A mask lies on another grid than STIR.
    InputError
        There is no reading.
    """
    count = len(result.lesions)
    kept = np.zeros((count, len(readings)), dtype=bool)
    for n, (_, mask) in enumerate(readings):
        check_same_grid(result.stir, mask)
        kept[:, n] = np.bincount(result.lesion_labels[mask.data], minlength=count + 1)[1:] > 0
    voxels = np.array([lesion.voxels for lesion in result.lesions], dtype=np.int64)
    readers = tuple(reader for reader, _ in readings)
    return LesionTable(case_id, patient or case_id, readers, lesion_features(result), voxels, kept)


def tensors_of(tables: Sequence[LesionTable]) -> dict[str, np.ndarray]:
    """Tables as plain arrays, their names as JSON in one of them."""
    about = [{"case_id": one.case_id, "patient": one.patient, "readers": list(one.readers)} for one in tables]
    found = {_LIST: np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}
    for n, one in enumerate(tables):
        found[f"table{n}.features"] = one.features.astype(np.float32)
        found[f"table{n}.voxels"] = one.voxels.astype(np.int64)
        found[f"table{n}.kept"] = one.kept.astype(np.uint8)
    return found


def tables_in(tensors: Mapping[str, np.ndarray]) -> tuple[LesionTable, ...]:
    """What `tensors_of` gave.

    Raises
    ------
    ModelError
        They are damaged.
    """
    try:
        about = json.loads(tensors[_LIST].tobytes())
        return tuple(
            LesionTable(
                str(one["case_id"]),
                str(one["patient"]),
                tuple(one["readers"]),
                tensors[f"table{n}.features"].astype(np.float64),
                tensors[f"table{n}.voxels"],
                tensors[f"table{n}.kept"].astype(bool),
            )
            for n, one in enumerate(about)
        )
    except (KeyError, ValueError, TypeError, InputError) as error:
        raise ModelError(f"What the cleaning model learnt from is damaged ({error}); restore the version.") from error
