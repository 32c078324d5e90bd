"""Beginning a session: what is new, who holds out, and everything the training needs, copied into one folder.

From here on a session needs neither the studies nor the archive, and nothing that readers do meanwhile changes it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.protocol import Protocol
from ..errors import ConflictError, InputError, VhiError
from ..files import result_folder
from ..readings.store import ReadingStore
from ..records import read_json, write_json
from ..versions import Manifest
from ..versions.site import adopt_live, own_models
from .candidates import Candidate, find_candidates
from .config import TrainConfig, TrainOptions
from .entries import Entry, LabelUse, write_case
from .holdout import HoldOut, Side
from .patients import StudyCases
from .retraining_folder import CHECKED, HELD, TAKEN_BACK, RetrainingFolder

FILE = "session.json"


@dataclass(frozen=True)
class Session:
    """A session as decided when it began: `session.json`.

    `version` is the id that the candidate gets; `parent` that of the version that was live. `skipped` are cases that could not be
    used, with the reason.
    """

    session_id: str
    version: str
    created: str
    parent: str
    model_dir: str
    code_version: str
    config: TrainConfig
    options: TrainOptions
    entries: tuple[Entry, ...]
    skipped: tuple[dict[str, str], ...]

    @classmethod
    def read(cls, folder: Path) -> Session:
        """The session in a folder.

        Raises
        ------
        InputError
            There is none, or it is damaged.
        """
        content = read_json(folder / FILE)
        if content is None:
            raise InputError(f"{folder} holds no session of training; start one.")
        try:
            read = {
                "config": TrainConfig(**content["config"]),
                "options": TrainOptions(**content["options"]),
                "entries": tuple(Entry(**entry) for entry in content["entries"]),
                "skipped": tuple(content["skipped"]),
            }
            # where the site's versions lie now: a server that starts may have moved them in since
            return cls(**{**content, **read, "model_dir": str(own_models(folder.parents[1]))})
        except (KeyError, TypeError) as error:
            raise InputError(f"{folder / FILE} is damaged ({error}); discard the session and start another.") from error

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class WaitingLabel:
    """A label that no session has taken up yet, or that the live version learnt: see `waiting_labels`.

    `others` are labels of the case that count should the check, which is still to come, set this one aside: best first.
    """

    candidate: Candidate
    side: Side
    known: bool
    held: bool
    others: tuple[Candidate, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether there is something to learn from it."""
        return self.side == "train" and not self.known and not self.held


def waiting_labels(
    store: ReadingStore, live: Manifest, config: TrainConfig, patient_of: Callable[[str], str]
) -> tuple[WaitingLabel, ...]:
    """Of every case that readers labelled the first label that the checks did not set aside, and whether it is new to the live
    version. Reads small files alone.

    Parameters
    ----------
    store : ReadingStore
    live : Manifest
        Of the live version.
    patient_of : callable
        From a case id as in `store` to the id of the patient.

    Raises
    ------
    VhiError
        A file of the data folder is damaged, or a patient's id cannot be had.
    """
    folder = RetrainingFolder(store.root)
    holdout = HoldOut(folder.root, config.train_holdout)
    learnt = {(case.case_id, case.label_sha256) for case in live.training_cases}
    waiting = []
    for labels in find_candidates(store, config.seniors()):
        states = [_state(folder, candidate) for candidate in labels]
        standing = [n for n, state in enumerate(states) if not is_aside(state, config)]
        chosen = standing[0] if standing else 0
        # those after it count only as long as nothing is known of those before them
        last = next((n for n in standing if states[n] in CHECKED or not config.train_quarantine), len(labels))
        candidate = labels[chosen]
        waiting.append(
            WaitingLabel(
                candidate,
                holdout.side(candidate.case_id, patient_of),
                (candidate.case_id, candidate.label_id) in learnt,
                not standing,
                tuple(labels[n] for n in standing if chosen < n <= last),
            )
        )
    return tuple(waiting)


def _state(folder: RetrainingFolder, candidate: Candidate) -> str | None:
    """The state of this very label."""
    check = folder.check_of(candidate.case_id, candidate.submission.submission_id)
    return None if check is None or check["label_id"] != candidate.label_id else str(check["state"])


def is_aside(state: str | None, config: TrainConfig) -> bool:
    """Whether a label in this state is neither learnt nor measured on: an administrator's word counts without quarantine too."""
    return state == TAKEN_BACK or (state == HELD and config.train_quarantine)


def prepare(
    store: ReadingStore,
    studies: StudyCases,
    shipped: Path,
    *,
    code_version: str,
    config: TrainConfig | None = None,
    options: TrainOptions | None = None,
) -> Session:
    """Begin a session: decide what it learns and measures, and copy that into its folder, which appears whole.

    Parameters
    ----------
    store : ReadingStore
        The server's data folder; may be read-only.
    studies : StudyCases
        By the ids that `store` knows them by.
    shipped : Path
        The model folder that the site starts from. Where the site has no versions of its own yet, the live one is copied into
        its data folder, see `lib.versions.site`.
    code_version : str
    config, options

    Raises
    ------
    ConflictError
        A session is under way or waits to be gone on with.
    InputError
        There is nothing new to learn; the sentence says what was found.
    VhiError
        No live version, or the folder cannot be written.
    """
    config, options = config or TrainConfig(), options or TrainOptions()
    folder = RetrainingFolder(store.root)
    with folder.lock():
        folder.remove_leftovers()
        if folder.has_pending_session():
            raise ConflictError("A session of training was begun and has not ended; go on with it, or discard it.")
        live = adopt_live(store.root, shipped)
        labels = waiting_labels(store, live.manifest, config, studies.patient_of)
        _refuse_nothing(labels, options)
        sides = HoldOut(folder.root, config.train_holdout).write_down(
            {label.candidate.case_id: studies.patient_of(label.candidate.case_id) for label in labels}
        )
        now = datetime.now(UTC)
        version = _free_version(live.folder.parent, f"site-{now:%Y%m%d-%H%M%S}")
        with result_folder(folder.session, (), FILE) as staging:
            copying = _Copying(staging, store, studies, sides, live.manifest)
            copying.copy(_counting(_chosen(labels, config, options)))
            copying.copy(_contradicting(store, config, copying.entries))
            entries, skipped = tuple(copying.entries), tuple(copying.skipped)
            if not any(entry.side == "train" and (options.scratch or not entry.known) for entry in entries):
                why = "; ".join(f"{label['case']}: {label['reason']}" for label in skipped)
                raise InputError(f"None of the new labels can be used. {why}")
            session = Session(
                session_id=version.removeprefix("site-"),
                version=version,
                created=now.isoformat(timespec="seconds"),
                parent=live.manifest.version,
                model_dir=str(live.folder.parent.parent),
                code_version=code_version,
                config=config,
                options=options,
                entries=entries,
                skipped=skipped,
            )
            write_json(staging / FILE, session.as_dict())
        return session


def _refuse_nothing(labels: Sequence[WaitingLabel], options: TrainOptions) -> None:
    usable = [label for label in labels if label.is_new or (options.scratch and label.side == "train" and not label.held)]
    if usable:
        return
    held, out = (sum(map(test, labels)) for test in (lambda label: label.held, lambda label: label.side == "holdout"))
    known = sum(label.known for label in labels)
    raise InputError(
        f"There is nothing new to learn: readers labelled {len(labels)} cases, of which the live version learnt {known}, {out} "
        f"belong to the hold-out and {held} are in quarantine. Submit corrected disease regions, or rate them satisfactory."
    )


def _chosen(labels: Sequence[WaitingLabel], config: TrainConfig, options: TrainOptions) -> list[WaitingLabel]:
    """All of the hold-out and all that is new; of what was learnt already some, the same for one seed."""
    usable = [label for label in labels if not label.held]
    known = [label for label in usable if label.known and label.side == "train"]
    if not options.scratch and len(known) > config.train_replay:
        known = random.Random(options.seed).sample(known, config.train_replay)
    return [label for label in usable if label.side == "holdout" or not label.known or label in known]


def _counting(chosen: Sequence[WaitingLabel]) -> list[Candidate]:
    return [label for waiting in chosen for label in (waiting.candidate, *waiting.others)]


def _contradicting(store: ReadingStore, config: TrainConfig, entries: Sequence[Entry]) -> list[Candidate]:
    """Of cases without another label those in quarantine that only contradict the networks, where new labels of such scans came:
    they may be right together, though none of them could be believed alone."""
    folder = RetrainingFolder(store.root)
    new = [Protocol.from_dict(entry.protocol) for entry in entries if not entry.known]
    there = {entry.case_id for entry in entries}

    def contradicts(label: Candidate) -> bool:
        check = folder.check_of(label.case_id, label.submission.submission_id) or {}
        if _state(folder, label) != HELD or not check.get("unlike"):
            return False
        return any(Protocol.from_dict(check["protocol"]).is_like(protocol) for protocol in new)

    by_case = find_candidates(store, config.seniors()) if config.train_quarantine and new else ()
    first = (next(filter(contradicts, labels), None) for labels in by_case if labels[0].case_id not in there)
    return [label for label in first if label is not None]


@dataclass(frozen=True)
class _Copying:
    """Copies labels and their scans into the folder of a session: `entries`; those that could not be had are `skipped`."""

    staging: Path
    store: ReadingStore
    studies: StudyCases
    sides: Mapping[str, Side]
    live: Manifest
    entries: list[Entry] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def copy(self, labels: Sequence[Candidate]) -> None:
        learnt = {(case.case_id, case.label_sha256) for case in self.live.training_cases}
        cases = {case.case_id: case for case in self.studies.cases}
        for label in labels:
            case_id, known = label.case_id, (label.case_id, label.label_id) in learnt
            try:
                if case_id not in cases:
                    raise InputError("Its scans are not among the studies now.")
                use = LabelUse(self.sides[case_id], known, self.studies.patient_of(case_id))
                made = write_case(self.staging, cases[case_id], self.studies.source, self.store, label, use)
                self.entries.append(made)
            except VhiError as error:
                self.skipped.append({"case": case_id, "submission": label.submission.submission_id, "reason": str(error)})


def _free_version(versions: Path, wanted: str) -> str:
    """Two sessions may begin within one second."""
    names = [wanted, *(f"{wanted}-{n}" for n in range(2, 100))]
    return next(name for name in names if not (versions / name).exists())
