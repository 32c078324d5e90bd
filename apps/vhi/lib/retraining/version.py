"""The candidate ensemble as a version: published once it is decided, live only when it was accepted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..nets.weights import pack
from ..studies.labelled import Case
from ..training.results import summary
from ..versions import Manifest, TrainingCase, Version, list_versions, make_live, publish, read_live, read_version
from .entries import Entry
from .gate import HOLDOUT, SENTINEL, Decision, Pair
from .jobs import MemberTraining
from .prepare import Session


def pairs_of(measured: Mapping[str, Any]) -> list[Pair]:
    """What `Measuring` found, case by case."""
    return [
        Pair(what, case_id, before["dice"], found["candidate"][case_id]["dice"])
        for what, found in measured.items()
        for case_id, before in found["live"].items()
    ]


def publish_candidate(
    session: Session,
    trainings: Sequence[MemberTraining],
    learnt: Sequence[Entry],
    measured: Mapping[str, Any],
    decision: Decision,
) -> Version:
    """Add the candidate to the site's versions, whatever was decided; what is live stays live. Done already is done.

    Raises
    ------
    ModelError, OutputError
    """
    root = Path(session.model_dir)
    if session.version in list_versions(root):
        return read_version(root, session.version)
    parent = read_version(root, session.parent).manifest
    before = [] if session.options.scratch else list(parent.training_cases)
    cases = {one.case_id: one for one in before} | {one.case_id: TrainingCase(one.case_id, one.label_id) for one in learnt}
    manifest = Manifest(
        version=session.version,
        created=session.created,
        code_version=session.code_version,
        sha256="",
        network=parent.network,
        members=parent.members,
        pixel_spacing_mm=parent.pixel_spacing_mm,
        recipes=[one.recipe.as_dict() for one in trainings],
        seeds=[one.seed for one in trainings],
        training_cases=[cases[case_id] for case_id in sorted(cases)],
        unlabelled_cases=[] if session.options.scratch else parent.unlabelled_cases,
        metrics=_metrics(measured),
        parent=session.parent,
        flip=parent.flip,
        note=None if decision.accepted else "Rejected: " + " ".join(decision.reasons),
        # measured where the parent was: what is unlike the scans that it knew is still worth a warning
        reference=parent.reference,
        gate=decision.as_dict(),
    )
    return publish(root, manifest, pack([one.read() for one in trainings]), live=False)


def go_live(session: Session) -> str | None:
    """Make an accepted candidate the live version, in one step; why not, where another one became live meanwhile.

    Raises
    ------
    ModelError
        Its files are not what was published.
    """
    root = Path(session.model_dir)
    live = read_live(root).manifest.version
    if live not in (session.parent, session.version):
        return f"Version {live} became live meanwhile, and this one was compared with {session.parent}; choose with models use."
    make_live(root, session.version)
    return None


def remove_leftovers(root: Path) -> None:
    """What a process that was killed while it published left half written. Nobody else may be publishing."""
    for path in (root / "versions").glob(".publishing-*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in root.glob(".*.partial-*"):
        path.unlink(missing_ok=True)


def _metrics(measured: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        "holdout": (HOLDOUT, "this version on the site's hold-out, which no version learnt"),
        "sentinel": (SENTINEL, "this version on the phantoms of every site"),
    }
    return {
        name: summary(text, measured[what]["candidate"], [Case(case_id, Path()) for case_id in measured[what]["candidate"]])
        for name, (what, text) in told.items()
    }
