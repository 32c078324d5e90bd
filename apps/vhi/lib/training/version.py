"""A trained ensemble as a version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.normalise import TRAINING_PIXEL_SPACING_MM
from ..core.plausibility import Reference
from ..core.protocol import Protocol
from ..errors import ModelError
from ..files import sha256_of
from ..nets.cpu import bf16_training
from ..nets.engine_file import publish_networks
from ..nets.weights import pack, pack_onto
from ..versions import Manifest, TrainingCase, Version, read_version
from .reference import kind_reference_of, reference_of
from .run import EnsembleTraining
from .scans import read_t1w
from .training_session import Trained


@dataclass(frozen=True)
class NewVersion:
    """A version before it is published.

    Parameters
    ----------
    version, created, code_version : str
        Its id, the time, and the program that trained it, as its manifest states them.
    parent : str, optional
        Version that the training started from.
    live : bool
        Whether it becomes the live one.
    baseline : mapping, optional
        Another recipe's results in the same folds, kept beside this one's under `metrics`.
    measured : mapping, optional
        Results of folds of this recipe that were trained elsewhere, perhaps fewer or with fewer members, for those missing here.
    """

    version: str
    created: str
    code_version: str
    parent: str | None = None
    live: bool = True
    baseline: dict[str, Any] | None = None
    measured: dict[str, Any] | None = None


def publish_trained(trained: Trained, ensemble: EnsembleTraining, model_dir: Path, new: NewVersion) -> Version:
    """Add a trained ensemble to `model_dir`.

    Raises
    ------
    ModelError
        A version of this id exists.
    OutputError
        The folder cannot be written.
    """
    if ensemble.plan.kind:
        return _publish_kind(trained, ensemble, model_dir, new)
    members = ensemble.members()
    reference = reference_of(ensemble, trained.folds, trained.study)
    before = None if new.parent is None else Reference.from_dict(read_version(model_dir, new.parent).manifest.reference)
    if reference is not None and before is not None and not trained.folds:
        # networks are surer of scans that they learnt: what the parent measured on others still holds
        reference = reference.widened(before, str(new.parent))
    layouts = [network.recipe.layout() for network in members]
    precision = {"precision": "bfloat16" if bf16_training() else "float32"}
    manifest = Manifest(
        version=new.version,
        created=new.created,
        code_version=new.code_version,
        sha256="",
        network=layouts[0] if all(layout == layouts[0] for layout in layouts) else layouts,
        members=len(members),
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM,
        recipes=[network.recipe.as_dict() | precision for network in members],
        seeds=[network.seed for network in members],
        training_cases=[
            TrainingCase(case.case_id, sha256_of(case.disease_region))
            for case in sorted(ensemble.learnt(), key=lambda case: case.case_id)
            if case.disease_region is not None
        ],
        unlabelled_cases=sorted({case.case_id for network in members for case in network.unlabelled}),
        metrics=_metrics(trained, new.measured) | {"baseline": new.baseline},
        parent=new.parent,
        flip=ensemble.plan.flip,
        reference=None if reference is None else reference.as_dict(),
    )
    return publish_networks(model_dir, manifest, pack([network.read() for network in members]), live=new.live)


def _publish_kind(trained: Trained, ensemble: EnsembleTraining, model_dir: Path, new: NewVersion) -> Version:
    """The parent, by default the version that was started from, with these networks for the other scanner's scans beside its own.

    Its networks for all other scans stay bit by bit; those that it had for scans of that protocol give way.
    """
    if ensemble.start is None or ensemble.start.version is None:
        raise ModelError("Networks for a kind of scans stand beside those of a version; start from one.")
    parent = read_version(ensemble.start.model_dir, new.parent or ensemble.start.version)
    old, members = parent.manifest, ensemble.members()
    cross_validation = trained.metrics.get("cross_validation_kind")
    protocols = [Protocol.of(read_t1w(case).grid).as_dict() for case in ensemble.group.other]
    protocol = {name: round(float(np.median([scan[name] for scan in protocols])), 4) for name in protocols[0]}
    alike = [known for known in old.kinds if Protocol.from_dict(known["protocol"]).is_like(Protocol.from_dict(protocol))]
    kind = {
        "name": alike[0]["name"] if alike else f"kind{len(old.kinds) + 1}",
        "protocol": protocol,
        **({"usual": cross_validation["mean_slice_dice"]} if cross_validation else {}),
        "network": [network.recipe.layout() for network in members],
        "members": len(members),
        "pixel_spacing_mm": ensemble.plan.pixel_spacing_mm,
        "flip": ensemble.plan.flip,
        "recipes": [network.recipe.as_dict() for network in members],
        "seeds": [network.seed for network in members],
    }
    reference = kind_reference_of(ensemble)
    if reference is not None:
        kind["reference"] = reference.as_dict()
    gone = {case.case_id for case in ensemble.group.other} if alike else set()
    cases = {case.case_id: case for case in old.training_cases if case.case_id not in gone}
    for case in ensemble.learnt():
        if case.disease_region is not None:
            cases[case.case_id] = TrainingCase(case.case_id, sha256_of(case.disease_region))
    manifest = replace(
        old,
        version=new.version,
        created=new.created,
        code_version=new.code_version,
        training_cases=[cases[case_id] for case_id in sorted(cases)],
        metrics=_with_kind(
            old.metrics or {},
            trained.metrics["budget"]["networks"],
            cross_validation,
            [recipe["name"] for known in alike for recipe in known.get("recipes", ())],
        ),
        parent=ensemble.start.version,
        # the first that a scan is of answers it
        kinds=[kind, *(known for known in old.kinds if known["name"] != kind["name"])],
    )
    weights = pack_onto(parent, [network.read() for network in members], kind["name"])
    return publish_networks(model_dir, manifest, weights, live=new.live)


def _with_kind(
    before: dict[str, Any], costs: dict[str, Any], cross_validation: dict[str, Any] | None, gone: Sequence[str]
) -> dict[str, Any]:
    """The measurements of a version, and of the networks beside its own; nothing of recipes whose networks gave way."""
    budget = before.get("budget") or {}
    networks = {name: cost for name, cost in (budget.get("networks") or {}).items() if name not in gone} | costs
    before = {name: value for name, value in before.items() if name != "cross_validation_kind"}
    return (
        before
        | {"budget": budget | {"networks": networks}}
        | ({"cross_validation_kind": cross_validation} if cross_validation else {})
    )


def _metrics(trained: Trained, measured: dict[str, Any] | None) -> dict[str, Any]:
    if measured is None:
        return trained.metrics
    folds = {name: measured[name] for name in ("cross_validation", "cross_validation_atypical", "dice_against_cpu")}
    members = len(measured["cross_validation"]["member_mean_slice_dice"])
    for entry in (folds["cross_validation"], folds["cross_validation_atypical"]):
        if entry:
            entry["what"] += f" ({len(measured['folds_measured'])} folds of this recipe, {members} member(s) each)"
    return trained.metrics | folds
