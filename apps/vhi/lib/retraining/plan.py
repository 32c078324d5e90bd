"""The plan of a session: the labels that it learns and measures on, once the labels were checked; what waits, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..core.protocol import STUDY, Protocol, is_of_kind
from ..nets.recipes import Recipe
from ..records import read_json, write_json
from ..versions import Manifest
from .entries import Entry
from .fate import Fate, State, note_fate
from .gate import Decision
from .jobs import Checking, LeavingOut, MemberTraining
from .kinds import PATIENTS as FEWEST_NEW_KIND
from .kinds import kind_of
from .prepare import Session, is_aside
from .quarantine import USUAL, Check
from .recipes import SHORT_STEPS, member_recipes, rate_of_other_steps
from .retraining_folder import TAKEN_BACK, RetrainingFolder

FILE = "plan.json"
# patients whose labels are enough to try a version where nobody is held out, and groups of them that are left out in turn
FEWEST, FOLDS = 4, 5
_SEEDS_PER_SESSION = 100


@dataclass(frozen=True)
class SessionPlan:
    """By the keys of labels, what is learnt and measured on and what was set aside; and each member's steps and learning rate.

    Parameters
    ----------
    kind : str or None
        Of the scans that are learnt: None where they are answered by the networks for all scans.
    protocol : dict or None
        Of a kind that the live version does not know yet.
    folds : tuple of tuple of str
        Where nobody of that kind is held out: the labels that are left out in turn.
    waits : str
        Why nothing is learnt now; empty where something is.
    """

    learn: tuple[str, ...]
    replay: tuple[str, ...]
    holdout: tuple[str, ...]
    held: tuple[str, ...]
    later: tuple[str, ...]
    steps: tuple[int, ...]
    kind: str | None = None
    protocol: dict[str, float] | None = None
    folds: tuple[tuple[str, ...], ...] = ()
    waits: str = ""
    rates: tuple[float, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> SessionPlan | None:
        """The plan of the session in a folder; None before it was made."""
        content = read_json(folder / FILE)
        if content is None:
            return None
        content["folds"] = tuple(tuple(fold) for fold in content["folds"])
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
        return cls(**values)

    def write(self, folder: Path) -> None:
        write_json(folder / FILE, asdict(self))

    def of(self, session: Session, keys: Sequence[str]) -> tuple[Entry, ...]:
        """The entries of some of its labels."""
        return tuple(entry for entry in session.entries if entry.key in keys)


def checking(folder: RetrainingFolder, session: Session, live: Manifest) -> Checking:
    """The job that checks what was not checked before, or nothing where the site wants no quarantine."""
    asked = (
        entry.key for entry in session.entries if session.config.train_quarantine and not entry.known and _is_asked(folder, entry)
    )
    usual = {None: usual_dice(live)} | {kind["name"]: float(kind.get("usual", usual_dice(live))) for kind in live.kinds}
    by_label = {entry.key: usual[kind_of(live, entry)] for entry in session.entries}
    return Checking(folder.session, Path(session.model_dir), session.parent, session.entries, frozenset(asked), by_label)


def _is_asked(folder: RetrainingFolder, entry: Entry) -> bool:
    """Whether a check is to look at a label: also again, where it passed by the word of other labels, which it speaks for too."""
    state = _state(folder, entry)
    if state == "passed":
        return bool((folder.check_of(entry.case_id, entry.submission) or {}).get("other_scanner"))
    return state not in ("released", TAKEN_BACK)


def usual_dice(live: Manifest) -> float:
    """Dice between a version's regions and right labels of scans that it did not learn, as far as its manifest tells."""
    for name in ("holdout", "cross_validation"):
        measured = (live.metrics or {}).get(name)
        if isinstance(measured, dict) and isinstance(measured.get("mean_slice_dice"), float):
            return float(measured["mean_slice_dice"])
    return USUAL


def note_checks(folder: RetrainingFolder, session: Session, checks: Mapping[str, tuple[Check, bytes | None]]) -> None:
    """Write down what the checks found; what they object to is in quarantine from here on.

    What an administrator decided while they ran stands.
    """
    for entry in session.entries:
        if entry.key not in checks or _state(folder, entry) in ("released", TAKEN_BACK):
            continue
        check, picture = checks[entry.key]
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
                "fits_case": check.fits_case,
                "version": session.parent,
                "disagreement": entry.disagreement,
                "picture": picture is not None,
                "other_scanner": check.placement is not None and not check.reasons,
                "unlike": check.unlike,
                "protocol": entry.protocol,
            },
            picture,
        )


def set_aside_as_outliers(folder: RetrainingFolder, entries: Sequence[Entry]) -> None:
    """Set labels aside that networks which learnt the other labels of such scans do not confirm."""
    for entry in entries:
        check = folder.check_of(entry.case_id, entry.submission) or {}
        if check.get("state") == TAKEN_BACK:
            continue  # an administrator was faster
        reason = "Networks that learnt the other labels of this kind of scan find something else here, though not on the others."
        folder.note_check({**check, "state": "held", "reasons": [reason]})


def note_fates(
    folder: RetrainingFolder, session: Session, plan: SessionPlan, decision: Decision, live: Manifest, *, is_live: bool
) -> None:
    """Tell every label's reader what became of it.

    Parameters
    ----------
    live : Manifest
        Of the version that the session began from.
    is_live : bool
        Whether the new version, where it was accepted, is the live one now.
    """
    version = session.version if decision.accepted else None
    fates: dict[str, tuple[State, str | None, str]] = {}
    why = " ".join(decision.for_readers)
    for entry in session.entries:
        fates[entry.key] = ("waits", None, "Another label of this case counts more, or was newer.")
        if entry.known:
            fates[entry.key] = ("learnt", session.parent, f"Version {session.parent} has learnt it.")
    fates |= _held_out(session, plan, live)
    fates |= dict.fromkeys(
        plan.later, ("waits", None, why or "The next session takes it up: this one learnt another kind of scan.")
    )
    learnt: tuple[State, str | None, str] = ("learnt", version, f"Version {version} learnt it.")
    if version and not is_live:
        learnt = ("waits", None, f"Version {version} learnt it, but did not become the live one; the next session takes it up.")
    fates |= dict.fromkeys(plan.learn, learnt if version else ("waits", None, why))
    for entry in session.entries:
        if entry.key not in plan.held:
            note_fate(folder, Fate(entry.case_id, entry.submission, *fates[entry.key]), entry.label_id)


def _held_out(session: Session, plan: SessionPlan, live: Manifest) -> dict[str, tuple[State, str | None, str]]:
    """The fate of the labels of patients whom no version learns, of each case the one that counts."""
    learnt_cases = {case.case_id for case in live.training_cases}
    labels = {entry.case_id: entry for entry in reversed(session.entries) if entry.key not in plan.held}
    fates: dict[str, tuple[State, str | None, str]] = {}
    for entry in (entry for entry in labels.values() if entry.side == "holdout"):
        reason = "Versions are compared on it; none learns it."
        if entry.case_id in learnt_cases:
            reason = "No version learns it here, and none is compared on it: the live version learnt this case elsewhere."
        elif entry.key not in plan.holdout:
            reason = (
                "No version learns it. Versions that learn scans of its kind are compared on it: this one learnt another kind."
            )
        fates[entry.key] = ("hold-out", None, reason)
    return fates


def set_aside_since(folder: RetrainingFolder, session: Session, plan: SessionPlan) -> tuple[Entry, ...]:
    """The labels that a plan learns or measures on, and that were set aside after it was made."""
    used = plan.of(session, (*plan.learn, *plan.replay, *plan.holdout))
    return tuple(entry for entry in used if _is_held(folder, session, entry))


def make_plan(folder: RetrainingFolder, session: Session, live: Manifest) -> SessionPlan:
    """Who is learnt, now that the checks are written down; `steps` are those of `member_recipes`.

    Of each case the first label counts that was not set aside. One kind of scans is learnt in a session, that with most patients.
    """
    held = [entry for entry in session.entries if _is_held(folder, session, entry)]
    labels = {entry.case_id: entry for entry in reversed(session.entries) if entry not in held}
    chosen = [entry for entry in session.entries if labels.get(entry.case_id) is entry]
    kinds = _Kinds(folder, live)
    train = [entry for entry in chosen if entry.side == "train"]
    new = [entry for entry in train if session.options.scratch or not entry.known]
    kind, protocol = kinds.learnt_now(new)
    own = [entry for entry in chosen if kinds.of(entry) == kind]
    learn = [entry for entry in new if entry in own]
    replay = [entry for entry in train if entry in own and entry not in learn]
    # what a version learnt before this site began says nothing about it
    learnt_cases = {case.case_id for case in live.training_cases}
    holdout = [entry for entry in own if entry.side == "holdout" and entry.case_id not in learnt_cases]
    waits, folds = _evidence(learn, holdout, new_kind=protocol is not None, scratch=session.options.scratch)
    recipes = _recipes(session, live, learn, bool(replay), kind, new_kind=protocol is not None)
    return SessionPlan(
        learn=() if waits else _keys(learn),
        replay=_keys(replay),
        holdout=_keys(holdout),
        held=_keys(held),
        later=_keys(learn if waits else [entry for entry in new if entry not in learn]),
        steps=tuple(recipe.steps for recipe in recipes),
        kind=kind,
        protocol=protocol,
        folds=folds,
        waits=waits,
        rates=tuple(recipe.learning_rate for recipe in recipes),
    )


class _Kinds:
    """Which scans are of one kind: those that the live version knows, and one that the checks found."""

    def __init__(self, folder: RetrainingFolder, live: Manifest) -> None:
        self._folder, self._live = folder, live
        self._next = f"kind{len(live.kinds) + 1}"
        self._new_protocol: Protocol | None = None

    def learnt_now(self, new: Sequence[Entry]) -> tuple[str | None, dict[str, float] | None]:
        """The kind of most patients among new labels, and its protocol where the live version does not know it."""
        unknown = [entry for entry in new if kind_of(self._live, entry) is None and self._is_of_other_scanner(entry)]
        self._new_protocol = Protocol.from_dict(unknown[0].protocol) if unknown else None
        patients: dict[str | None, set[str]] = {}
        for entry in new:
            patients.setdefault(self.of(entry), set()).add(entry.patient)
        kind = max(patients, key=lambda name: (len(patients[name]), name is None), default=None)
        return kind, self._new_protocol.as_dict() if self._new_protocol is not None and kind == self._next else None

    def of(self, entry: Entry) -> str | None:
        known = kind_of(self._live, entry)
        if known is not None or self._new_protocol is None:
            return known
        return self._next if is_of_kind(self._new_protocol, Protocol.from_dict(entry.protocol)) else None

    def _is_of_other_scanner(self, entry: Entry) -> bool:
        """By the word of other labels, or of the administrator who released one that the networks contradict."""
        check = self._folder.check_of(entry.case_id, entry.submission) or {}
        released = check.get("state") == "released" and check.get("unlike")
        return bool(check.get("other_scanner") or (released and not Protocol.from_dict(entry.protocol).is_like(STUDY)))


def _evidence(
    learn: Sequence[Entry], holdout: Sequence[Entry], *, new_kind: bool, scratch: bool
) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """The labels that a session waits for, in a sentence; or else the labels left out in turn, where nobody is held out."""
    patients = sorted({entry.patient for entry in learn})
    if not patients or holdout:
        return "", ()
    if scratch:
        return "Training from random weights waits for a patient who is held out: nothing else could show what it is worth.", ()
    needed = FEWEST_NEW_KIND if new_kind else FEWEST
    if len(patients) < needed:
        return (
            f"The labels of {_counted(len(patients))} wait: nobody is held out here yet, so that nothing would show whether a "
            f"version that learnt them is better. A version is tried with those of {needed} patients, or as soon as one is held "
            "out.",
            (),
        )
    groups = [patients[n::FOLDS] for n in range(min(FOLDS, len(patients)))]
    return "", tuple(tuple(entry.key for entry in learn if entry.patient in group) for group in groups)


def _counted(patients: int) -> str:
    return "1 patient" if patients == 1 else f"{patients} patients"


def _recipes(
    session: Session, live: Manifest, learn: Sequence[Entry], replays: bool, kind: str | None, *, new_kind: bool
) -> tuple[Recipe, ...]:
    n_new = sum(entry.slices for entry in learn)
    return member_recipes(live, session.options, n_new=n_new, replays=replays, kind=kind, new_kind=new_kind)


def trainings(folder: Path, session: Session, live: Manifest, plan: SessionPlan) -> tuple[MemberTraining, ...]:
    """One job per member, by the plan."""
    new, replay = plan.of(session, plan.learn), plan.of(session, plan.replay)
    recipes = _recipes(session, live, new, bool(replay), plan.kind, new_kind=plan.protocol is not None)
    return tuple(
        MemberTraining(
            folder=folder / f"member{n}",
            number=n,
            # a plan without rates is of a program that knew no others
            recipe=replace(
                recipe,
                steps=plan.steps[n],
                learning_rate=plan.rates[n] if plan.rates else rate_of_other_steps(recipe, session.options),
            ),
            seed=session.options.seed * _SEEDS_PER_SESSION + n,
            new=tuple(entry.labelled(folder) for entry in new),
            replay=tuple(entry.labelled(folder) for entry in replay) if recipe.pseudo else (),
            model_dir=Path(session.model_dir),
            parent=session.parent,
            scratch=session.options.scratch,
            kind=plan.kind,
        )
        for n, recipe in enumerate(recipes)
    )


def left_out(folder: Path, session: Session, live: Manifest, plan: SessionPlan) -> tuple[LeavingOut, ...]:
    """One short training of the first member for each group of labels that is left out."""
    if not plan.folds:
        return ()
    first = trainings(folder, session, live, plan)[0]
    entries = plan.of(session, plan.learn)
    return tuple(
        LeavingOut(
            replace(
                first,
                folder=folder / f"without{n}",
                recipe=replace(
                    first.recipe,
                    steps=min(SHORT_STEPS, first.recipe.steps),
                    learning_rate=rate_of_other_steps(first.recipe, session.options),
                ),
                new=tuple(entry.labelled(folder) for entry in entries if entry.key not in fold),
            ),
            tuple(entry for entry in entries if entry.key in fold),
        )
        for n, fold in enumerate(plan.folds)
    )


def _is_held(folder: RetrainingFolder, session: Session, entry: Entry) -> bool:
    state = _state(folder, entry)
    return is_aside(state, session.config) and (not entry.known or state == TAKEN_BACK)


def _state(folder: RetrainingFolder, entry: Entry) -> str | None:
    """The result of the last check of this very label."""
    check = folder.check_of(entry.case_id, entry.submission)
    return None if check is None or check["label_id"] != entry.label_id else str(check["state"])


def _keys(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(entry.key for entry in entries)
