"""The examples that a model learns from: the lesions of a scan as numbers, and which of them each reader kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ..core.anatomy import anatomy_of
from ..core.pipeline import VhiResult, at_thresholds
from ..core.volume import Mask, check_same_grid
from ..errors import InputError, ModelError
from .features import FEATURES, above_l4_5, lesion_features
from .rule import weight_of

# both thresholds times these: as measured, and as another normal bone might have it
FACTORS = (1.0, 0.9, 0.95, 1.05, 1.1)
SHARE = 0.25  # of a lesion at other thresholds that readers kept as they saw it: then they would keep it there
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
    left_out : (lesions,) bool array, optional
        Lesions that the method removes whatever they look like (`lib.cleaning.rule`); none when absent.
    """

    case_id: str
    patient: str
    readers: tuple[str, ...]
    features: np.ndarray
    voxels: np.ndarray
    kept: np.ndarray
    factor: float = 1.0
    left_out: np.ndarray | None = None

    def __post_init__(self) -> None:
        lesions, readings = len(self.voxels), len(self.readers)
        shapes = (self.features.shape, self.kept.shape, (lesions,) if self.left_out is None else self.left_out.shape)
        if shapes != ((lesions, len(FEATURES)), (lesions, readings), (lesions,)) or not readings:
            raise InputError(
                f"The table of case {self.case_id} has {self.features.shape} features and {self.kept.shape} decisions for "
                f"{lesions} lesions and {readings} readings."
            )

    @property
    def as_measured(self) -> bool:
        """Whether these are the lesions that the readers saw; others only teach."""
        return self.factor == 1.0

    @property
    def weight(self) -> np.ndarray:
        """`(lesions,)` float: the weight of each lesion where it is decided on, see `lib.cleaning.rule`."""
        return weight_of(self.features, self.voxels)

    @property
    def votes(self) -> np.ndarray:
        """`(lesions,)` float: share of the readings that kept each lesion, 0 to 1."""
        return np.asarray(self.kept.mean(axis=1))

    @property
    def consensus(self) -> np.ndarray:
        """`(lesions,)` bool: kept by half of the readings or more."""
        return np.asarray(2 * self.kept.sum(axis=1) >= len(self.readers))

    @property
    def reader_pairs(self) -> tuple[tuple[int, int], ...]:
        """Indices of every two readings by different readers, both ways round."""
        pairs = permutations(range(len(self.readers)), 2)
        return tuple((a, b) for a, b in pairs if self.readers[a] != self.readers[b])

    @property
    def sha256(self) -> str:
        """Checksum of the decisions on these lesions."""
        parts = (self.voxels.astype("<i8"), self.kept.astype("u1"), self.features.astype("<f4"))
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def tables_of(
    result: VhiResult, readings: Sequence[tuple[str, Mask]], case_id: str, patient: str | None = None
) -> tuple[LesionTable, ...]:
    """Lesions of an automatic result with what readers marked; a lesion of which any voxel is marked was kept.

    The first table is of the result itself, the others are of the lesions at other thresholds (`FACTORS`). There a lesion was
    kept where lesions that were kept in the first hold a quarter of it (`SHARE`): at a lower threshold lesions grow together, and
    what readers kept must not drag with it what is more than three times as large.

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
    anatomy = result.anatomy or anatomy_of(result.t1w, result.disease_region.mask)
    readers = tuple(reader for reader, _ in readings)
    marked = [share_of(result, mask.data) > 0 for _, mask in readings]
    of_kept = [np.concatenate([[False], kept])[result.lesion_labels] for kept in marked]
    tables = []
    for factor in FACTORS:
        now = result.thresholds
        at = result if factor == 1.0 else at_thresholds(result, now.sensitive * factor, now.conservative * factor)
        decided = marked if at is result else [share_of(at, kept) >= SHARE for kept in of_kept]
        kept = np.stack(decided, axis=1) if decided else np.zeros((len(at.lesions), 0), dtype=bool)
        voxels = np.array([lesion.voxels for lesion in at.lesions], dtype=np.int64)
        features, left_out = lesion_features(at, anatomy.context), above_l4_5(at, anatomy)
        tables.append(LesionTable(case_id, patient or case_id, readers, features, voxels, kept, factor, left_out))
    return tuple(tables)


def share_of(result: VhiResult, marked: np.ndarray) -> np.ndarray:
    """Share of the voxels of each lesion that an `(I, J, K)` bool array holds; `(lesions,)`."""
    held = np.bincount(result.lesion_labels[marked], minlength=len(result.lesions) + 1)[1:]
    return np.asarray(held / np.array([lesion.voxels for lesion in result.lesions], dtype=np.float64))


def tensors_of(tables: Sequence[LesionTable]) -> dict[str, np.ndarray]:
    """Tables as plain arrays by name, shapes as in `LesionTable`; in `(n,)` uint8 bytes, as JSON, whose lesions they are."""
    about = [
        {"case_id": table.case_id, "patient": table.patient, "readers": list(table.readers), "factor": table.factor}
        for table in tables
    ]
    tensors = {_LIST: np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}
    for n, table in enumerate(tables):
        tensors[f"table{n}.features"] = table.features.astype(np.float32)
        tensors[f"table{n}.voxels"] = table.voxels.astype(np.int64)
        tensors[f"table{n}.kept"] = table.kept.astype(np.uint8)
        if table.left_out is not None:
            tensors[f"table{n}.left_out"] = table.left_out.astype(np.uint8)
    return tensors


def tables_in(tensors: Mapping[str, np.ndarray]) -> tuple[LesionTable, ...]:
    """The tables whose arrays `tensors_of` gave, shapes and types as in `LesionTable`.

    Raises
    ------
    ModelError
        They are damaged.
    """
    try:
        about = json.loads(tensors[_LIST].tobytes())
        return tuple(
            LesionTable(
                str(entry["case_id"]),
                str(entry["patient"]),
                tuple(entry["readers"]),
                tensors[f"table{n}.features"].astype(np.float64),
                tensors[f"table{n}.voxels"],
                tensors[f"table{n}.kept"].astype(bool),
                float(entry["factor"]),
                tensors[f"table{n}.left_out"].astype(bool) if f"table{n}.left_out" in tensors else None,  # older versions: none
            )
            for n, entry in enumerate(about)
        )
    except (KeyError, ValueError, TypeError, InputError) as error:
        raise ModelError(f"What the cleaning model learnt from is damaged ({error}); restore the version.") from error
