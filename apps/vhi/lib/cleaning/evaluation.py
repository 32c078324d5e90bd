"""How near proposals come to what readers did, beside how near readers come to each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .fitting import SEED, TREES, fit_forest, keep_limit, read_voxels
from .rule import keeps, probability_of
from .table import LesionTable

CLOSE = 0.05  # of the readers' volume: what may be left wrong when a reader stops


@dataclass(frozen=True)
class Agreement:
    """Decisions on the lesions of one scan against others taken for right.

    `sensitivity` is by volume; `false_keeps` and `wrong` count lesions; `log_ratio` is of the kept volumes (nan where one is 0);
    `clicks` is how many decisions must change, the largest lesions first, until no more than 5% of the right volume is wrong.
    """

    sensitivity: float
    false_keeps: int
    wrong: int
    log_ratio: float
    clicks: int


def agreement(voxels: np.ndarray, decided: np.ndarray, right: np.ndarray) -> Agreement:
    """Compare two decisions on every lesion of a scan.

    Parameters
    ----------
    voxels : (lesions,) int array
        Size of each lesion.
    decided, right : (lesions,) bool arrays
        Whether each lesion is kept: as decided, and as is taken for right.
    """
    kept, ours = int(voxels[right].sum()), int(voxels[decided].sum())
    wrong = np.sort(voxels[decided != right])[::-1]
    left_wrong = wrong.sum() - np.cumsum(np.concatenate([[0], wrong]))
    return Agreement(
        sensitivity=float(voxels[decided & right].sum() / kept) if kept else float("nan"),
        false_keeps=int(np.count_nonzero(decided & ~right)),
        wrong=wrong.size,
        log_ratio=float(np.log(ours / kept)) if ours and kept else float("nan"),
        clicks=int(np.argmax(left_wrong <= CLOSE * max(kept, 1))),
    )


def between_readers(table: LesionTable) -> list[Agreement]:
    """Every reading against every reading of another reader, both ways round."""
    return [agreement(table.voxels, table.kept[:, a], table.kept[:, b]) for a, b in table.reader_pairs]


@dataclass(frozen=True, eq=False)
class LeftOutPatient:
    """A patient's table, and the judgement of a model that did not learn from that patient.

    `probability`, `(lesions,)` float, is that of readers keeping each lesion, 0 to 1; `limit` see `lib.cleaning.rule.limits_of`.
    """

    table: LesionTable
    probability: np.ndarray
    limit: float

    @property
    def keep(self) -> np.ndarray:
        """`(lesions,)` bool: whether the model keeps each lesion."""
        return keeps(self.probability, self.table.weight, self.limit)

    @property
    def proposed(self) -> Agreement:
        """The proposal against the readers' consensus."""
        return agreement(self.table.voxels, self.keep, self.table.consensus)


def leave_one_patient_out(
    tables: Sequence[LesionTable], trees: int = TREES, seed: int = SEED, on_patient: Callable[[str], None] = lambda _: None
) -> tuple[LeftOutPatient, ...]:
    """Each patient, at every threshold, by a model of the others; the limit too is chosen among the others alone."""
    patients = []
    for patient in dict.fromkeys(table.patient for table in tables):
        others = [table for table in tables if table.patient != patient]
        forest, limit = fit_forest(others, trees, seed), keep_limit(others, trees, seed)
        patients += [
            LeftOutPatient(table, probability_of(forest, table.features, table.left_out), limit)
            for table in tables
            if table.patient == patient
        ]
        on_patient(patient)
    return tuple(patients)


def metrics_of(left_out: Sequence[LeftOutPatient]) -> dict[str, Any]:
    """The metrics of a manifest: per case and over all, proposal and readers; at other thresholds the volumes."""
    every, left_out = left_out, [patient for patient in left_out if patient.table.as_measured]
    cases: dict[str, dict[str, Any]] = {
        patient.table.case_id: {
            "lesions": len(patient.table.voxels),
            "proposal": _rounded(patient.proposed),
            "readers": _mean([_rounded(pair) for pair in between_readers(patient.table)]),
            "limit": patient.limit,
        }
        for patient in left_out
    }
    return {
        "leave_one_patient_out": {
            "what": "proposal of a model of the other patients against the consensus of the readings; readers: each against "
            "those of another reader",
            "proposal": _mean([case["proposal"] for case in cases.values()]),
            "readers": _mean([case["readers"] for case in cases.values() if case["readers"]]),
            "brier": round(float(np.mean([brier(patient.table, patient.probability) for patient in left_out])), 4),
            "cases": cases,
            "volume_ratios": {
                f"{factor:g}": {
                    patient.table.case_id: round(volume_ratio(patient), 3) for patient in every if patient.table.factor == factor
                }
                for factor in sorted({patient.table.factor for patient in every})
            },
        }
    }


def volume_ratio(left_out: LeftOutPatient) -> float:
    """Proposed over read volume of the lesions of one table; nan where a reading kept none."""
    read = read_voxels(left_out.table)
    return float(left_out.table.voxels[left_out.keep].sum() / read) if read else float("nan")


def brier(table: LesionTable, probability: np.ndarray) -> float:
    """Mean squared distance of the `(lesions,)` probability from each reader's decision, weighted by the cube root of volume."""
    if not len(table.voxels):
        return 0.0
    weight = np.cbrt(table.voxels.astype(np.float64))
    squared = ((probability[:, np.newaxis] - table.kept) ** 2).mean(axis=1)
    return float(np.average(squared, weights=weight))


def _rounded(agreement: Agreement) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in asdict(agreement).items()}


def _mean(by_patient: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Over those where there is a value."""
    names = by_patient[0] if by_patient else {}
    known = {
        name: [measures[name] for measures in by_patient if measures[name] is not None and np.isfinite(measures[name])]
        for name in names
    }
    return {name: round(float(np.mean(values)), 4) if values else None for name, values in known.items()}
