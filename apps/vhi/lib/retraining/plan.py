"""What a session learns and measures on, once the labels were checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..records import read_json, write_json
from ..versions import Manifest
from .entries import Entry
from .folder import RetrainingFolder
from .jobs import Checking, MemberTraining
from .prepare import Session
from .quarantine import USUAL, Check
from .recipes import member_recipes

FILE = "plan.json"
_SEEDS_PER_SESSION = 100


@dataclass(frozen=True)
class Plan:
    """By case id, what is learnt and measured on and what was set aside; and the steps of each member."""

    learn: tuple[str, ...]
    replay: tuple[str, ...]
    holdout: tuple[str, ...]
    held: tuple[str, ...]
    steps: tuple[int, ...]

    @classmethod
    def read(cls, folder: Path) -> Plan | None:
        """The plan of the session in a folder; None before it was made."""
        content = read_json(folder / FILE)
        return None if content is None else cls(**{name: tuple(values) for name, values in content.items()})

    def write(self, folder: Path) -> None:
        write_json(folder / FILE, asdict(self))

    def of(self, session: Session, names: Sequence[str]) -> tuple[Entry, ...]:
        """The entries of some of its cases."""
        return tuple(entry for entry in session.entries if entry.case_id in names)


def checking(folder: RetrainingFolder, session: Session, live: Manifest) -> Checking:
    """The job that checks what was not checked before, or nothing where the site wants no quarantine."""
    asked = (
        entry.case_id
        for entry in session.entries
        if session.config.train_quarantine and not entry.known and _state(folder, entry) not in ("passed", "released")
    )
    return Checking(folder.session, Path(session.model_dir), session.parent, session.entries, frozenset(asked), usual_dice(live))


def usual_dice(live: Manifest) -> float:
    """Dice between a version's regions and right labels of scans that it did not learn, as far as its manifest tells."""
    for name in ("holdout", "cross_validation"):
        found = (live.metrics or {}).get(name)
        if isinstance(found, dict) and isinstance(found.get("mean_slice_dice"), float):
            return float(found["mean_slice_dice"])
    return USUAL


def note_checks(folder: RetrainingFolder, session: Session, found: Mapping[str, tuple[Check, bytes | None]]) -> None:
    """Write down what the checks found; what they object to is in quarantine from here on."""
    for entry in session.entries:
        if entry.case_id not in found:
            continue
        check, picture = found[entry.case_id]
        folder.note_check(
            {
                "case": entry.case_id,
                "submission": entry.submission,
                "reader": entry.reader,
                "created": entry.created,
                "label_id": entry.label_id,
                "state": "held" if check.reasons else "passed",
                "reasons": list(check.reasons),
                "releasable": check.usable,
                "dice": check.dice,
                "version": session.parent,
                "disagreement": entry.disagreement,
                "picture": picture is not None,
            },
            picture,
        )


def make_plan(folder: RetrainingFolder, session: Session, live: Manifest) -> Plan:
    """Who is learnt, now that the checks are written down; `steps` are those of `member_recipes`. `learn` may be empty."""
    quarantine = session.config.train_quarantine
    held = [e for e in session.entries if quarantine and not e.known and _state(folder, e) == "held"]
    usable = [entry for entry in session.entries if entry not in held]
    train = [entry for entry in usable if entry.side == "train"]
    learn = [entry for entry in train if session.options.scratch or not entry.known]
    replay = [entry for entry in train if entry not in learn]
    # what a version learnt before this site began says nothing about it
    seen = {case.case_id for case in live.training_cases}
    holdout = [entry for entry in usable if entry.side == "holdout" and entry.case_id not in seen]
    recipes = member_recipes(live, session.options, n_new=sum(e.slices for e in learn), replays=bool(replay))
    return Plan(
        learn=_ids(learn),
        replay=_ids(replay),
        holdout=_ids(holdout),
        held=_ids(held),
        steps=tuple(recipe.steps for recipe in recipes),
    )


def trainings(folder: Path, session: Session, live: Manifest, plan: Plan) -> tuple[MemberTraining, ...]:
    """One job per member, by the plan."""
    new, replay = plan.of(session, plan.learn), plan.of(session, plan.replay)
    recipes = member_recipes(live, session.options, n_new=sum(entry.slices for entry in new), replays=bool(replay))
    return tuple(
        MemberTraining(
            folder=folder / f"member{n}",
            number=n,
            recipe=replace(recipe, steps=plan.steps[n]),
            seed=session.options.seed * _SEEDS_PER_SESSION + n,
            new=tuple(entry.labelled(folder) for entry in new),
            replay=tuple(entry.labelled(folder) for entry in replay) if recipe.pseudo else (),
            model_dir=Path(session.model_dir),
            parent=session.parent,
            scratch=session.options.scratch,
        )
        for n, recipe in enumerate(recipes)
    )


def _state(folder: RetrainingFolder, entry: Entry) -> str | None:
    """What the last check said of this very label."""
    found = folder.check_of(entry.case_id, entry.submission)
    return None if found is None or found["label_id"] != entry.label_id else str(found["state"])


def _ids(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(entry.case_id for entry in entries)
