"""What is learnt from: the lesions of a scan as numbers, and which of them each reader kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from ..core.lesions import clear, grade_hyperintensity
from ..core.pipeline import VhiResult, with_grade
from ..core.volume import Mask, check_same_grid
from ..errors import InputError, ModelError
from .context import context_of
from .features import FEATURES, lesion_features

# both thresholds times these: as measured, and as another reader's circle of normal bone might have it
FACTORS = (1.0, 0.95, 1.05)
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
    factor : float
        What the thresholds were multiplied by.
    """

    case_id: str
    patient: str
    readers: tuple[str, ...]
    features: np.ndarray
    voxels: np.ndarray
    kept: np.ndarray
    factor: float = 1.0

    def __post_init__(self) -> None:
        lesions, readings = len(self.voxels), len(self.readers)
        if self.features.shape != (lesions, len(FEATURES)) or self.kept.shape != (lesions, readings) or not readings:
            raise InputError(
                f"The table of case {self.case_id} has {self.features.shape} features and {self.kept.shape} decisions for "
                f"{lesions} lesions and {readings} readings."
            )

    @property
    def as_measured(self) -> bool:
        """Whether these are the lesions that the readers saw; others only teach."""
        return self.factor == 1.0

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


def tables_of(
    result: VhiResult, readings: Sequence[tuple[str, Mask]], case_id: str, patient: str | None = None
) -> tuple[LesionTable, ...]:
    """Lesions of an automatic result with what readers marked; a lesion of which any voxel is marked was kept.

    The first table is of the result itself, the others are of the lesions at slightly other thresholds (`FACTORS`).

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
    for _, mask in readings:
        check_same_grid(result.stir, mask)
    context = context_of(result.t1w, result.disease_region.mask)
    readers = tuple(reader for reader, _ in readings)
    tables = []
    for factor in FACTORS:
        at = result if factor == 1.0 else _at_thresholds(result, factor)
        count = len(at.lesions)
        marked = [np.bincount(at.lesion_labels[mask.data], minlength=count + 1)[1:] > 0 for _, mask in readings]
        kept = np.stack(marked, axis=1) if marked else np.zeros((count, 0), dtype=bool)
        voxels = np.array([lesion.voxels for lesion in at.lesions], dtype=np.int64)
        features = lesion_features(at, context)
        tables.append(LesionTable(case_id, patient or case_id, readers, features, voxels, kept, factor))
    return tuple(tables)


def _at_thresholds(result: VhiResult, factor: float) -> VhiResult:
    """The same measurement, had both thresholds been `factor` times as high."""
    now, region = result.thresholds, result.disease_region.mask
    thresholds = replace(now, sensitive=now.sensitive * factor, conservative=now.conservative * factor)
    raw = grade_hyperintensity(result.stir, region, thresholds.sensitive, thresholds.conservative)
    at = replace(result, thresholds=thresholds)
    return with_grade(at, clear(raw, region, result.settings), int(np.count_nonzero(raw)))


def tensors_of(tables: Sequence[LesionTable]) -> dict[str, np.ndarray]:
    """Tables as plain arrays, their names as JSON in one of them."""
    about = [
        {"case_id": one.case_id, "patient": one.patient, "readers": list(one.readers), "factor": one.factor} for one in tables
    ]
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
                float(one["factor"]),
            )
            for n, one in enumerate(about)
        )
    except (KeyError, ValueError, TypeError, InputError) as error:
        raise ModelError(f"What the cleaning model learnt from is damaged ({error}); restore the version.") from error
