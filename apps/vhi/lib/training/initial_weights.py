"""The networks that a training goes on from, none of which may have learnt what will measure it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.normalise import TRAINING_PIXEL_SPACING_MM
from ..errors import InputError, ModelError
from ..nets.fit import TrainedNetwork, read_curve, read_trained
from ..nets.recipes import Plan, Recipe
from ..nets.unet import UNet, coarser
from ..nets.weights import load_networks
from ..versions import Version, read_version
from .groups import SHIPPED, Group

RESULT = "cross_validation.json"


@dataclass(frozen=True)
class Start:
    """Where the networks are that a training goes on from.

    Parameters
    ----------
    model_dir, version : Path, str or None
        The version that the ensemble of all labelled scans goes on from, and the folds of networks for another scanner's scans
        alone; None for random weights.
    folds : Path or None
        The working folder of a training with `--folds`; each fold goes on from the networks of its own there.
    """

    model_dir: Path
    version: str | None = None
    folds: Path | None = None

    def networks(self, group: Group, plan: Plan) -> tuple[TrainedNetwork, ...]:
        """One for each member of the plan; none where the group starts from random weights.

        Raises
        ------
        InputError
            They learnt a scan that the group holds out, or are of another layout or number than the plan's.
        """
        if group.name != SHIPPED and not plan.kind:
            return () if self.folds is None else self._of_fold(self.folds, group, plan)
        if self.version is None:
            return ()
        version = read_version(self.model_dir, self.version)
        manifest = version.manifest
        _check_unseen(group, {case.case_id for case in manifest.training_cases}, self.version)
        if plan.kind:
            return tuple(_coarser(version, recipe) for recipe in plan.members)
        wanted = [recipe.layout() for recipe in plan.members]
        if list(manifest.networks[: len(wanted)]) != wanted:
            raise InputError(
                f"The members of {self.version} are laid out unlike those of the recipe {plan.name}; start from another version."
            )
        return load_networks(version)[: len(wanted)]

    def _of_fold(self, work: Path, group: Group, plan: Plan) -> tuple[TrainedNetwork, ...]:
        try:
            learnt = json.loads((work / RESULT).read_text(encoding="utf-8"))["folds"][group.name]["learnt"]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{work} holds no measured {group.name} ({error}); run train with --folds into it first.") from error
        _check_unseen(group, set(learnt), str(work))
        networks = []
        for n, recipe in enumerate(plan.members):
            folder = work / group.name / f"member{n}"
            curve = read_curve(folder)
            if not curve:
                raise InputError(f"{folder} holds no trained network; start from a training with as many members.")
            try:
                networks.append(read_trained(folder, replace(recipe, steps=curve[-1].steps)))
            except (RuntimeError, ModelError) as error:
                raise InputError(
                    f"{folder} cannot be gone on from by {plan.name}: {' '.join(str(error).split())[:200]}"
                ) from error
        return tuple(networks)


def _coarser(version: Version, recipe: Recipe) -> UNet:
    """The network of a version that a recipe of coarser pixels goes on from: its blocks are as large in millimetres."""
    factor = round(recipe.pixel_spacing_mm / TRAINING_PIXEL_SPACING_MM)
    fine = recipe.layout() | {"shuffle": recipe.shuffle * factor}
    for net, layout in zip(load_networks(version), version.manifest.networks, strict=True):
        if layout == fine and isinstance(net, UNet):
            return coarser(net, factor)
    raise InputError(
        f"No member of {version.manifest.version} has the filters {', '.join(map(str, recipe.widths))} and pixel blocks of "
        f"{fine['shuffle']}, from which the recipe {recipe.name} goes on; start from another version."
    )


def _check_unseen(group: Group, learnt: set[str], source: str) -> None:
    seen = sorted({case.case_id for case in (*group.held_out, *group.held_out_other)} & learnt)
    if seen:
        raise InputError(f"The networks of {source} learnt {', '.join(seen)}, which measure {group.name}; start from others.")
