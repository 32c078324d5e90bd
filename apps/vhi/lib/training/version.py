"""A trained ensemble as a version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.normalise import TRAINING_PIXEL_SPACING_MM
from ..files import sha256_of
from ..nets.cpu import bf16_matrix_units
from ..nets.weights import pack
from ..versions import Manifest, TrainingCase, Version, publish
from .reference import reference_of
from .run import Ensemble
from .session import Trained


def publish_trained(
    trained: Trained,
    ensemble: Ensemble,
    model_dir: Path,
    *,
    version: str,
    created: str,
    code_version: str,
    parent: str | None = None,
    live: bool = True,
    baseline: dict[str, Any] | None = None,
) -> Version:
    """Add a trained ensemble to `model_dir`; it becomes the live one unless `live` is False.

    `baseline` are another recipe's results in the same folds, kept beside this one's under `metrics`.

    Raises
    ------
    ModelError
        A version of this id exists.
    OutputError
        The folder cannot be written.
    """
    members = ensemble.members()
    reference = reference_of(ensemble, trained.folds, trained.study)
    layouts = [network.recipe.layout() for network in members]
    precision = {"precision": "bfloat16" if bf16_matrix_units() else "float32"}
    manifest = Manifest(
        version=version,
        created=created,
        code_version=code_version,
        sha256="",
        network=layouts[0] if all(layout == layouts[0] for layout in layouts) else layouts,
        members=len(members),
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM,
        recipes=[network.recipe.as_dict() | precision for network in members],
        seeds=[network.seed for network in members],
        training_cases=[
            TrainingCase(case.case_id, sha256_of(case.disease_region))
            for case in sorted(ensemble.group.cases, key=lambda case: case.case_id)
            if case.disease_region is not None
        ],
        unlabelled_cases=sorted({case.case_id for network in members for case in network.unlabelled}),
        metrics=trained.metrics | {"baseline": baseline},
        parent=parent,
        flip=ensemble.plan.flip,
        reference=None if reference is None else reference.as_dict(),
    )
    return publish(model_dir, manifest, pack([network.read() for network in members]), live=live)
