"""Learning what readers keep: a random forest on the numbers of lesions, and the probability from which one is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .forest import Forest
from .rule import keeps, probability_of
from .table import LesionTable

TREES = 160
SEED = 1
# one lesion more or less of a patient must not make a leaf; a lesion comes at five thresholds
LEAF = 8
ASKED = 0.4  # share of the features that a node may choose from
USUAL = 1 / 3  # where too few patients are there to choose: a lesion wrongly removed costs twice as much as one wrongly kept
FEWEST_PATIENTS = 3
LIMITS = np.round(np.arange(0.1, 0.6025, 0.005), 3)


def fit_forest(tables: Sequence[LesionTable], trees: int = TREES, seed: int = SEED) -> Forest:
    """Grow a forest on every reading of every lesion.

    A lesion that half of the readers kept counts half as kept and half as removed. Lesions weigh by the cube root of their
    volume, patients alike.

    Parameters
    ----------
    tables : sequence of LesionTable
        With at least one lesion that was kept and one that was removed.

    Raises
    ------
    InputError
        There is nothing to tell apart.
    """
    from sklearn.ensemble import RandomForestClassifier

    features = np.concatenate([table.features for table in tables]) if tables else np.zeros((0, 1))
    votes = np.concatenate([table.votes for table in tables]) if tables else np.zeros(0)
    if not (votes > 0).any() or not (votes < 1).any():
        raise InputError("The readings keep all lesions, or none; readings that keep some and remove some are needed to learn.")
    weight = np.concatenate(_weights(tables))
    kept = np.repeat([1, 0], len(votes))
    both = np.concatenate([weight * votes, weight * (1 - votes)])
    counts = both > 0
    grown = RandomForestClassifier(trees, min_samples_leaf=LEAF, max_features=ASKED, random_state=seed, n_jobs=1)
    grown.fit(np.concatenate([features, features])[counts], kept[counts], sample_weight=both[counts])
    return _as_arrays([tree.tree_ for tree in grown.estimators_])


def _weights(tables: Sequence[LesionTable]) -> list[np.ndarray]:
    per_lesion = [np.cbrt(table.voxels.astype(np.float64)) for table in tables]
    of_patient: dict[str, float] = {}
    for table, weight in zip(tables, per_lesion, strict=True):
        of_patient[table.patient] = of_patient.get(table.patient, 0.0) + float(weight.sum())
    return [weight / max(of_patient[table.patient], 1e-9) for table, weight in zip(tables, per_lesion, strict=True)]


def _as_arrays(trees: Sequence[object]) -> Forest:
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("feature", "limit", "left", "right", "value")}
    roots, nodes = [], 0
    for tree in trees:
        leaf = tree.children_left < 0  # type: ignore[attr-defined]
        own = np.arange(leaf.size)
        roots.append(nodes)
        parts["feature"].append(np.where(leaf, -1, tree.feature))  # type: ignore[attr-defined]
        parts["limit"].append(tree.threshold)  # type: ignore[attr-defined]
        parts["left"].append(nodes + np.where(leaf, own, tree.children_left))  # type: ignore[attr-defined]
        parts["right"].append(nodes + np.where(leaf, own, tree.children_right))  # type: ignore[attr-defined]
        shares = tree.value[:, 0, :]  # type: ignore[attr-defined]
        parts["value"].append(shares[:, 1] / shares.sum(axis=1))
        nodes += leaf.size
    joined = {name: np.concatenate(part) for name, part in parts.items()}
    whole = {name: joined[name].astype(np.int32) for name in ("feature", "left", "right")}
    return Forest(np.array(roots, dtype=np.int32), limit=joined["limit"], value=joined["value"].astype(np.float32), **whole)


def keep_limit(tables: Sequence[LesionTable], trees: int = TREES, seed: int = SEED) -> float:
    """The limit of `lib.cleaning.rule`: as low as it may be without more false keeps than readers have.

    Each patient in turn is left out, and the false keeps in the tables, at every threshold, are counted against the consensus;
    readers are counted each against those of another.
    """
    pairs = [false for table in tables for false in false_keeps_of_readers(table)]
    patients = sorted({table.patient for table in tables})
    if len(patients) < FEWEST_PATIENTS or not pairs:
        return USUAL
    left_out = []
    for patient in patients:
        try:
            forest = fit_forest([table for table in tables if table.patient != patient], trees, seed)
        except InputError:
            continue
        left_out += [
            (table, probability_of(forest, table.features, table.left_out)) for table in tables if table.patient == patient
        ]
    for limit in LIMITS:
        false = [np.count_nonzero(keeps(p, table.weight, limit) & ~table.consensus) for table, p in left_out]
        if left_out and np.mean(false) <= np.mean(pairs):
            return float(limit)
    return USUAL


def false_keeps_of_readers(table: LesionTable) -> list[int]:
    """Lesions that one reading kept and another reader's did not, for each such pair."""
    return [int(np.count_nonzero(table.kept[:, a] & ~table.kept[:, b])) for a, b in table.reader_pairs]


def read_voxels(table: LesionTable) -> float:
    """Voxels that the readings kept: their geometric mean, as volumes differ by factors; 0 where one of them kept none."""
    each = table.kept.T @ table.voxels
    return float(np.exp(np.log(each).mean())) if each.all() else 0.0
