"""New versions of the cleaning model: fitted, held against the live one on patients that neither learnt, published or refused."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.normalise import TRAINING_PIXEL_SPACING_MM
from ..errors import InputError, ModelError
from ..versions import Manifest, TrainingCase, Version, list_versions, publish, read_live, read_version
from .evaluation import agreement, brier
from .features import FEATURES
from .fitting import ASKED, LEAF, SEED, fit_forest, keep_limit
from .model import CleaningModel, model_of
from .table import LesionTable

log = logging.getLogger("vhi.cleaning")
# what is compared, in words, and by how much the candidate may be worse
MEASURES = {
    "brier": ("mean squared distance from the readers' decisions", 0.005),
    "volume_error": ("mean log error of the volumes", 0.05),
}
# held-out patients: one alone says little, whatever it says
FEWEST = 3


@dataclass(frozen=True)
class PublishingDecision:
    """Whether a candidate is published.

    Parameters
    ----------
    reasons : tuple of str
        Why not; empty where it is.
    compared : mapping
        What both versions reach on the held-out cases, and the best version that ever was live on each measure.
    findings : tuple of str
        What was measured, in sentences.
    """

    accepted: bool
    reasons: tuple[str, ...]
    compared: Mapping[str, Any]
    findings: tuple[str, ...] = ()


def fit(tables: Sequence[LesionTable], version: str) -> CleaningModel:
    """A model of all tables.

    Raises
    ------
    InputError
        There is nothing to tell apart in them.
    """
    return CleaningModel(version, fit_forest(tables), keep_limit(tables), tuple(tables))


def publish_model(
    model: CleaningModel, root: Path, *, created: str, code_version: str, metrics: Mapping[str, Any] | None = None
) -> Version:
    """Add a version that has no parent to a model folder; it is live.

    Raises
    ------
    ModelError
        A version of this id exists.
    OutputError
    """
    return publish(root, _manifest_of(model, created, code_version, metrics), model.as_bytes())


def _manifest_of(model: CleaningModel, created: str, code_version: str, metrics: Mapping[str, Any] | None) -> Manifest:
    return Manifest(
        version=model.version,
        created=created,
        code_version=code_version,
        sha256="",
        network={"kind": "random forest", "trees": int(model.forest.roots.size), "features": list(FEATURES)},
        members=1,
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM,
        recipes=[{"least_per_leaf": LEAF, "features_asked": ASKED, "limit": model.limit}],
        seeds=[SEED],
        training_cases=[TrainingCase(table.case_id, table.sha256) for table in model.tables if table.as_measured],
        metrics=None if metrics is None else dict(metrics),
        parent=None,
        flip=False,
        note="Cleaning proposal. Its training data, lesions as numbers with every reader's decisions, lie in the same file.",
    )


def learn(
    root: Path, tables: Sequence[LesionTable], held_out: Collection[str], *, version: str, created: str, code_version: str
) -> tuple[PublishingDecision, Version | None]:
    """Learn from new readings beside what the live version learnt; the result is published where the gate allows it.

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
    verdict : PublishingDecision
    version : Version or None
        None where it was refused.

    Raises
    ------
    InputError
        There is no reading to learn from.
    ModelError, OutputError
    """
    live = model_of(read_live(root))
    fresh = [table for table in tables if table.case_id not in held_out]
    if not fresh:
        raise InputError("There is no submitted cleaning to learn from; submit inflammation of more cases first.")
    own = {(table.case_id, table.readers) for table in fresh}
    before = [table for table in live.tables if (table.case_id, table.readers) not in own and table.case_id not in held_out]
    candidate = fit([*before, *fresh], version)
    # every version here went live when it was published; the live one comes first, so that it is the best among equals
    older, damaged = _older(root, live.version)
    verdict = compare([live, *older], candidate, [table for table in tables if table.case_id in held_out and table.as_measured])
    verdict = replace(verdict, findings=(*verdict.findings, *damaged))
    if not verdict.accepted:
        return verdict, None
    manifest = _manifest_of(candidate, created, code_version, {"hold-out": dict(verdict.compared)})
    manifest = replace(manifest, parent=live.version, gate=asdict(verdict))
    return verdict, publish(root, manifest, candidate.as_bytes())


def _older(root: Path, live: str) -> tuple[list[CleaningModel], list[str]]:
    """All versions but the live one, and a sentence for each that cannot be read."""
    models, damaged = [], []
    for name in list_versions(root):
        if name != live:
            try:
                models.append(model_of(read_version(root, name)))
            except ModelError as error:
                log.warning("%s It is not compared with.", error)
                damaged.append(f"Version {name} cannot be read, and was not compared with.")
    return models, damaged


def compare(ever_live: Sequence[CleaningModel], candidate: CleaningModel, held_out: Sequence[LesionTable]) -> PublishingDecision:
    """The gate, as that of the networks: on patients that no version learns the candidate may be worse by a margin alone, neither
    than the live version nor than the best one that ever was live here.

    Parameters
    ----------
    ever_live : sequence of CleaningModel
        The live version first.
    held_out : sequence of LesionTable
        Of three patients at least, or the labels wait.
    """
    patients = len({table.patient for table in held_out})
    if patients < FEWEST:
        there = {0: "None", 1: "1 held-out patient"}.get(patients, f"{patients} held-out patients")
        verb = "is" if patients < 2 else "are"
        return PublishingDecision(
            False,
            (
                f"Readings of {FEWEST} held-out patients are needed to compare the versions on; {there} {verb} there. "
                "The readings wait until more cases were read.",
            ),
            {},
        )
    reached = {model.version: _on(model, held_out) for model in ever_live}
    new, cases = _on(candidate, held_out), "1 case" if len(held_out) == 1 else f"{len(held_out)} cases"
    reasons, findings, bests = [], [], {}
    for name, (what, margin) in MEASURES.items():
        worse = new[name] - reached[ever_live[0].version][name]
        best = bests[name] = min(reached, key=lambda version, name=name: reached[version][name])  # type: ignore[misc]
        findings.append(f"On the hold-out ({cases}) its {what} is {_standing(worse, margin)}.")
        if worse > margin:
            reasons.append(f"On the hold-out its {what} is {worse:.4f} above that of the live version; {margin:g} is allowed.")
        elif (behind := new[name] - reached[best][name]) > margin:
            reasons.append(
                f"On the hold-out its {what} is {behind:.4f} above that of {best}, the best version that was live here; "
                f"{margin:g} is allowed."
            )
    facts = {"cases": len(held_out), "patients": patients, "live": reached[ever_live[0].version], "candidate": new, "best": bests}
    return PublishingDecision(not reasons, tuple(reasons), facts, tuple(findings))


def _standing(worse: float, margin: float) -> str:
    if worse == 0:
        return "that of the live version"
    if worse < 0:
        return f"{-worse:.4f} below that of the live version"
    return f"{worse:.4f} above that of the live version, {'within' if worse <= margin else 'beyond'} the margin of {margin:g}"


def _on(model: CleaningModel, tables: Sequence[LesionTable]) -> dict[str, float]:
    decisions = [(table, *model.decided(table.features, table.voxels, table.left_out)) for table in tables]
    ratios = [agreement(table.voxels, p >= limits, table.consensus).log_ratio for table, p, limits in decisions]
    known = np.abs([ratio for ratio in ratios if np.isfinite(ratio)])
    return {
        "brier": round(float(np.mean([brier(table, p) for table, p, _ in decisions])), 5),
        "volume_error": round(float(known.mean()), 5) if known.size else 0.0,
    }
