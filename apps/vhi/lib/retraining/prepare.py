"""Beginning a session: what is new, who holds out, and everything the training needs, copied into one folder.

From here on a session needs neither the studies nor the archive, and nothing that readers do meanwhile changes it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import ConflictError, InputError, VhiError
from ..files import result_folder
from ..readings.store import ReadingStore
from ..records import read_json, write_json
from ..studies.pairing import Case, CaseSource
from ..versions import Manifest
from ..versions.site import adopt_live
from .candidates import Candidate, find_candidates
from .config import TrainConfig, TrainOptions
from .entries import Entry, write_case
from .folder import RetrainingFolder
from .holdout import HoldOut, Side

FILE = "session.json"


@dataclass(frozen=True)
class Session:
    """What was decided when a session began: `session.json`.

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
                "entries": tuple(Entry(**one) for one in content["entries"]),
                "skipped": tuple(content["skipped"]),
            }
            return cls(**{**content, **read})
        except (KeyError, TypeError) as error:
            raise InputError(f"{folder / FILE} is damaged ({error}); discard the session and start another.") from error

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Waiting:
    """A label that no session has taken up yet, or that the live version learnt: see `waiting_labels`."""

    candidate: Candidate
    side: Side
    known: bool
    held: bool

    @property
    def is_new(self) -> bool:
        """Whether there is something to learn from it."""
        return self.side == "train" and not self.known and not self.held


def waiting_labels(
    store: ReadingStore, live: Manifest, config: TrainConfig, patient_of: Callable[[str], str]
) -> tuple[Waiting, ...]:
    """Every label that readers gave, one per case, and whether it is new to the live version. Reads small files alone.

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
    found = []
    for candidate in find_candidates(store, config.seniors()):
        made = candidate.submission
        check = folder.check_of(candidate.case_id, made.submission_id)
        held = check is not None and check["state"] == "held" and config.train_quarantine
        side = holdout.side(candidate.case_id, patient_of)
        found.append(Waiting(candidate, side, (candidate.case_id, candidate.label_id) in learnt, held))
    return tuple(found)


def prepare(
    store: ReadingStore,
    source: CaseSource,
    cases: Sequence[Case],
    shipped: Path,
    *,
    patient_of: Callable[[str], str],
    code_version: str,
    config: TrainConfig | None = None,
    options: TrainOptions | None = None,
) -> Session:
    """Begin a session: decide what it learns and measures, and copy that into its folder, which appears whole.

    Parameters
    ----------
    store : ReadingStore
        The server's data folder; may be read-only.
    source : CaseSource
        Has the scans fetched.
    cases : sequence of Case
        By the ids that `store` knows them by.
    shipped : Path
        The model folder that the site starts from. Where the site has no versions of its own yet, the live one is copied into
        its data folder, see `lib.versions.site`.
    patient_of : callable
        From a case id to the id of the patient.
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
    with folder.alone():
        folder.remove_leftovers()
        if folder.waits():
            raise ConflictError("A session of training was begun and has not ended; go on with it, or discard it.")
        live = adopt_live(store.root, shipped)
        labels = waiting_labels(store, live.manifest, config, patient_of)
        _refuse_nothing(labels, options)
        sides = HoldOut(folder.root, config.train_holdout).write_down(
            {one.candidate.case_id: patient_of(one.candidate.case_id) for one in labels}
        )
        now = datetime.now(UTC)
        version = _free_version(live.folder.parent, f"site-{now:%Y%m%d-%H%M%S}")
        with result_folder(folder.session, (), FILE) as staging:
            entries, skipped = _copied(staging, store, source, cases, _chosen(labels, config, options), sides)
            if not any(entry.side == "train" and (options.scratch or not entry.known) for entry in entries):
                why = "; ".join(f"{one['case']}: {one['reason']}" for one in skipped)
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


def _refuse_nothing(labels: Sequence[Waiting], options: TrainOptions) -> None:
    usable = [one for one in labels if one.is_new or (options.scratch and one.side == "train" and not one.held)]
    if usable:
        return
    held, out = (sum(map(test, labels)) for test in (lambda one: one.held, lambda one: one.side == "holdout"))
    known = sum(one.known for one in labels)
    raise InputError(
        f"There is nothing new to learn: readers labelled {len(labels)} cases, of which the live version learnt {known}, {out} "
        f"belong to the hold-out and {held} are in quarantine. Submit corrected disease regions, or rate them satisfactory."
    )


def _chosen(labels: Sequence[Waiting], config: TrainConfig, options: TrainOptions) -> list[Waiting]:
    """All of the hold-out and all that is new; of what was learnt already some, the same for one seed."""
    usable = [one for one in labels if not one.held]
    known = [one for one in usable if one.known and one.side == "train"]
    if not options.scratch and len(known) > config.train_replay:
        known = random.Random(options.seed).sample(known, config.train_replay)
    return [one for one in usable if one.side == "holdout" or not one.known or one in known]


def _copied(
    staging: Path,
    store: ReadingStore,
    source: CaseSource,
    cases: Sequence[Case],
    chosen: Sequence[Waiting],
    sides: dict[str, Side],
) -> tuple[tuple[Entry, ...], tuple[dict[str, str], ...]]:
    by_id = {case.case_id: case for case in cases}
    entries: list[Entry] = []
    skipped: list[dict[str, str]] = []
    for one in chosen:
        case_id = one.candidate.case_id
        try:
            if case_id not in by_id:
                raise InputError("Its scans are not among the studies now.")
            entries.append(write_case(staging, by_id[case_id], source, store, one.candidate, sides[case_id], one.known))
        except VhiError as error:
            skipped.append({"case": case_id, "submission": one.candidate.submission.submission_id, "reason": str(error)})
    return tuple(entries), tuple(skipped)


def _free_version(versions: Path, wanted: str) -> str:
    """Two sessions may begin within one second."""
    names = [wanted, *(f"{wanted}-{n}" for n in range(2, 100))]
    return next(name for name in names if not (versions / name).exists())
