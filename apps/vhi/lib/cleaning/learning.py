"""New versions of the cleaning model: fitted, held against the live one on patients that neither learnt, published or refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.normalise import TRAINING_PIXEL_SPACING_MM
from ..errors import InputError
from ..versions import Manifest, TrainingCase, Version, publish, read_live
from .evaluation import agreement, brier
from .features import FEATURES
from .fitting import ASKED, LEAF, SEED, fit_forest, keep_limit
from .model import CleaningModel, model_of
from .rule import keeps
from .table import LesionTable

# by how much the candidate may be worse than the live version: mean squared distance from the readers' decisions, and mean
# absolute logarithm of proposed over read volume
BRIER_MARGIN, VOLUME_MARGIN = 0.005, 0.05


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate is published, and why not; `compared` holds what both reach on the held-out cases."""

    accepted: bool
    reasons: tuple[str, ...]
    compared: Mapping[str, Any]


def fit(tables: Sequence[LesionTable], version: str) -> CleaningModel:
    """A model of all tables.

    Raises
    ------
    InputError
        There is nothing to tell apart in them.
    """
    return CleaningModel(version, fit_forest(tables), keep_limit(tables), tuple(tables))


def publish_model(
    model: CleaningModel,
    root: Path,
    *,
    created: str,
    code_version: str,
    parent: str | None = None,
    metrics: Mapping[str, Any] | None = None,
    gate: Verdict | None = None,
    live: bool = True,
) -> Version:
    """Add a version to a model folder.

    Raises
    ------
    ModelError
        A version of this id exists.
    OutputError
    """
    manifest = Manifest(
        version=model.version,
        created=created,
        code_version=code_version,
        sha256="",
        network={"kind": "random forest", "trees": int(model.forest.roots.size), "features": list(FEATURES)},
        members=1,
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM,
        recipes=[{"least_per_leaf": LEAF, "features_asked": ASKED, "limit": model.limit}],
        seeds=[SEED],
        training_cases=[TrainingCase(one.case_id, one.sha256) for one in model.tables if one.as_measured],
        metrics=None if metrics is None else dict(metrics),
        parent=parent,
        flip=False,
        note="Cleaning proposal. Its training data, lesions as numbers with every reader's decisions, lie in the same file.",
        gate=None if gate is None else asdict(gate),
    )
    return publish(root, manifest, model.as_bytes(), live=live)


def learn(
    root: Path, tables: Sequence[LesionTable], held_out: Collection[str], *, version: str, created: str, code_version: str
) -> tuple[Verdict, Version | None]:
    """Learn from new readings beside what the live version learnt; the result is published where it is no worse.

    Parameters
    ----------
    root : Path
        Model folder with a live version.
    tables : sequence of LesionTable
        One that the live version holds already, by case and readers, takes the older one's place.
    held_out : collection of str
        Cases of `tables` that no version learns: the candidate is compared on them.

    Returns
    -------
    verdict : Verdict
    version : Version or None
        None where it was refused.

    Raises
    ------
    InputError
        There is no reading to learn from.
    ModelError, OutputError
    """
    live = model_of(read_live(root))
    fresh = [one for one in tables if one.case_id not in held_out]
    if not fresh:
        raise InputError("There is no submitted cleaning to learn from; submit inflammation of more cases first.")
    own = {(one.case_id, one.readers) for one in fresh}
    before = [one for one in live.tables if (one.case_id, one.readers) not in own and one.case_id not in held_out]
    candidate = fit([*before, *fresh], version)
    verdict = compare(live, candidate, [one for one in tables if one.case_id in held_out and one.as_measured])
    if not verdict.accepted:
        return verdict, None
    metrics = {"hold-out": dict(verdict.compared)}
    made = publish_model(
        candidate, root, created=created, code_version=code_version, parent=live.version, metrics=metrics, gate=verdict
    )
    return verdict, made


def compare(live: CleaningModel, candidate: CleaningModel, held_out: Sequence[LesionTable]) -> Verdict:
    """The gate: on patients that neither learnt, the candidate may not be worse than the live version."""
    if not held_out:
        return Verdict(False, ("No reading of a held-out patient is there yet to compare the versions on.",), {})
    numbers = {name: _on(model, held_out) for name, model in (("live", live), ("candidate", candidate))}
    old, new = numbers["live"], numbers["candidate"]
    reasons = []
    if new["brier"] > old["brier"] + BRIER_MARGIN:
        reasons.append(
            f"Its probabilities lie {new['brier']:.4f} from the readers' decisions, those of the live version "
            f"{old['brier']:.4f}; {BRIER_MARGIN:g} more is allowed."
        )
    if new["volume_error"] > old["volume_error"] + VOLUME_MARGIN:
        reasons.append(
            f"Its volumes are off by a factor of {np.exp(new['volume_error']):.2f}, those of the live version by "
            f"{np.exp(old['volume_error']):.2f}."
        )
    return Verdict(not reasons, tuple(reasons), {"cases": len(held_out), **numbers})


def _on(model: CleaningModel, tables: Sequence[LesionTable]) -> dict[str, float]:
    found = [(one, model.forest.probability(one.features)) for one in tables]
    ratios = [agreement(one.voxels, keeps(p, one.voxels, model.limit), one.consensus).log_ratio for one, p in found]
    known = np.abs([ratio for ratio in ratios if np.isfinite(ratio)])
    return {
        "brier": round(float(np.mean([brier(one, p) for one, p in found])), 5),
        "volume_error": round(float(known.mean()), 5) if known.size else 0.0,
    }
