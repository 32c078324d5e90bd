"""The candidate ensemble as a version: published once it is decided, live only when it was accepted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..nets.engine_file import publish_networks
from ..nets.weights import pack_onto
from ..studies.labelled import LabelledCase
from ..training.results import summary
from ..versions import (
    Manifest,
    TrainingCase,
    Version,
    list_versions,
    make_live,
    pinned,
    publish,
    read_live,
    read_version,
    verify,
    verify_engine,
)
from .entries import Entry
from .gate import HOLDOUT, LEFT_OUT, PHANTOMS, Best, Decision, DicePair, sets_of
from .jobs import MemberTraining
from .prepare import Session


def pairs_of(measured: Mapping[str, Any], left_out: Mapping[str, Mapping[str, float]] | None = None) -> list[DicePair]:
    """The results of `VersionMeasurement`, case by case, and those of `LeavingOut`."""
    apart = [DicePair(LEFT_OUT, key, dices["live"], dices["candidate"]) for key, dices in (left_out or {}).items()]
    return apart + [
        DicePair(case_set, case_id, before["dice"], results["candidate"][case_id]["dice"])
        for case_set, results in measured.items()
        for case_id, before in results["live"].items()
    ]


def best_of(measured: Mapping[str, Any], parent: str) -> dict[str, Best]:
    """By set the best of the versions that ever were live, the parent among them."""
    best = {}
    for case_set, results in measured.items():
        versions = {**results["earlier"], parent: {case_id: case["dice"] for case_id, case in results["live"].items()}}
        for name, ids in sets_of(case_set, results["live"]).items():
            dices = {version: {case_id: known[case_id] for case_id in ids} for version, known in versions.items() if known}
            version = max(dices, key=lambda name: np.mean(list(dices[name].values())))
            best[name] = Best(version, dices[version])
    return best


def ever_live(root: Path, but: str, results: Sequence[Mapping[str, Any]] = ()) -> tuple[str, ...]:
    """The versions of a site that a session began from, or that one made live; without one of them.

    Parameters
    ----------
    root : Path
    but : str
    results : sequence of mapping
        See `RetrainingFolder.results`.
    """
    were = {result.get("version") for result in results if result.get("live")}
    versions = list_versions(root)
    manifests = [read_version(root, version).manifest for version in versions]
    were |= {manifest.parent for manifest in manifests if manifest.gate is not None}
    return tuple(version for version in versions if version in were - {but})


def store_candidate(
    session: Session,
    trainings: Sequence[MemberTraining],
    learnt: Sequence[Entry],
    place: Path,
    new_kind: Mapping[str, Any] | None = None,
) -> Version:
    """The candidate as a version in a model folder of its own, as it will be published: what is measured is what is stored.

    Parameters
    ----------
    place : Path
        The model folder; made anew.
    new_kind : mapping, optional
        As a manifest tells it, of a kind of scans that the parent does not know.
    """
    shutil.rmtree(place, ignore_errors=True)
    parent = read_version(Path(session.model_dir), session.parent)
    old = parent.manifest
    before = [] if session.options.scratch else list(old.training_cases)
    cases = {case.case_id: case for case in before} | {case.case_id: TrainingCase(case.case_id, case.label_id) for case in learnt}
    kind, recipes, seeds = (
        trainings[0].kind,
        [training.recipe.as_dict() for training in trainings],
        [training.seed for training in trainings],
    )
    kinds = [*old.kinds, *([dict(new_kind)] if new_kind else [])]
    manifest = Manifest(
        version=session.version,
        created=session.created,
        code_version=session.code_version,
        sha256="",
        network=old.network,
        members=old.members,
        pixel_spacing_mm=old.pixel_spacing_mm,
        # of the networks for all scans, which those of one kind leave as they are
        recipes=old.recipes if kind else recipes,
        seeds=old.seeds if kind else seeds,
        training_cases=[cases[case_id] for case_id in sorted(cases)],
        unlabelled_cases=[] if session.options.scratch else old.unlabelled_cases,
        parent=session.parent,
        flip=old.flip,
        # measured where the parent was: what is unlike the scans that it knew is still worth a warning
        reference=old.reference,
        kinds=[entry | {"recipes": recipes, "seeds": seeds} if entry["name"] == kind else entry for entry in kinds],
    )
    weights = pack_onto(parent, [training.read() for training in trainings], kind)
    return publish_networks(place, manifest, weights, live=False)


def publish_candidate(session: Session, stored: Version, measured: Mapping[str, Any], decision: Decision) -> Version:
    """Add the stored candidate to the site's versions, bit by bit, whatever was decided; what is live stays live. Done already is
    done.

    Raises
    ------
    ModelError, OutputError
    """
    root = Path(session.model_dir)
    if session.version in list_versions(root):
        return read_version(root, session.version)
    manifest = replace(
        stored.manifest,
        metrics=_metrics(measured),
        note=None if decision.accepted else "Rejected: " + " ".join(decision.reasons),
        gate=decision.as_dict(),
    )
    engine = None if stored.manifest.engine is None else verify_engine(stored)
    return publish(root, manifest, verify(stored), engine=engine, live=False)


def go_live(session: Session, set_aside: Sequence[str] = ()) -> str | None:
    """Make an accepted candidate the live version, in one step; why not, where another one became live meanwhile.

    Parameters
    ----------
    session : Session
    set_aside : sequence of str
        The cases of labels that it rests on and that were set aside while it was made: it does not become live then.

    Raises
    ------
    ModelError
        Its files are not what was published.
    """
    root = Path(session.model_dir)
    live = read_live(root).manifest.version
    if live not in (session.parent, session.version):
        return f"Version {live} became live meanwhile, and this one was compared with {session.parent}; choose with models use."
    if set_aside and live != session.version:
        count = len(set(set_aside))
        cases = "1 case" if count == 1 else f"{count} cases"
        return f"Labels that it rests on, of {cases}, were set aside meanwhile, so that it is kept but does not become live."
    pin = pinned(root)
    if pin is not None and pin["version"] != session.version:
        return f"Version {pin['version']} was pinned by {pin['by']}: it stays live until an administrator chooses another one."
    make_live(root, session.version)
    return None


def remove_leftovers(root: Path) -> None:
    """Remove what a process that was killed while publishing left half written. Nobody else may be publishing."""
    for path in (root / "versions").glob(".publishing-*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in root.glob(".*.partial-*"):
        path.unlink(missing_ok=True)


def _metrics(measured: Mapping[str, Any]) -> dict[str, Any]:
    sets = {
        "holdout": (HOLDOUT, "this version on the site's hold-out, which no version learnt"),
        "sentinel": (PHANTOMS, "this version on the phantoms of every site"),
    }
    return {
        name: summary(
            text, measured[case_set]["candidate"], [LabelledCase(case_id, Path()) for case_id in measured[case_set]["candidate"]]
        )
        for name, (case_set, text) in sets.items()
        if case_set in measured
    }
