"""A session from copied labels to a decided version; may be killed at any moment and gone on with.

Every step writes what it found before the next begins: the checks, what is learnt (`plan.json`), each member's checkpoints, the
measurements (`measured.json`), the version, the pointer to the live one, the result. A step that is done is not done again, and
the live version changes in a single rename at the very end, or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError, VhiError
from ..nets.fit import Progress
from ..provenance import now
from ..readings.data_folder import make_folder
from ..records import read_json, write_json
from ..training.budget import pace_of
from ..training.process_pool import processes, run_all
from ..versions import Version, read_version
from .candidate_version import best_of, ever_live, go_live, pairs_of, publish_candidate, remove_leftovers, store_candidate
from .gate import Decision, decide
from .jobs import CANDIDATE, MEASURED, MemberTraining, VersionMeasurement
from .kinds import outliers
from .plan import (
    SessionPlan,
    checking,
    left_out,
    make_plan,
    note_checks,
    note_fates,
    set_aside_as_outliers,
    set_aside_since,
    trainings,
)
from .prepare import Session
from .recipes import steps_in
from .retraining_folder import RetrainingFolder

RESULT, LEFT_OUT_FILE = "result.json", "left_out.json"
Report = Callable[[Mapping[str, Any]], None]


class StopRequested(Exception):
    """Somebody asked the session to stop; it can be gone on with."""


def run(data: Path, *, on_progress: Report = lambda progress: None) -> dict[str, Any]:
    """Do what is left of the session in a data folder: check, train, measure, publish.

    Trains in processes of their own; this one waits, looks for a wish to stop, and writes `progress.json`.

    Parameters
    ----------
    data : Path
        The server's data folder, where `prepare` began a session.
    on_progress : callable
        Given what `progress.json` says, whenever that changes.

    Returns
    -------
    dict
        `state` ("accepted", "rejected", "nothing" where no new label passed the checks, "waits" where those that did are too few
        to show what a version is worth, or "stopped": then the session waits),
        and unless it stopped all of `result.json`:
        `session`, `version`, `parent`, `live`, `reasons`, `compared`, `learnt`, `replayed`, `holdout`, `held`, `skipped`,
        `pictures`, `options`, `begun`, `ended`.

    Raises
    ------
    ConflictError
        Another process works in the folder.
    InputError
        There is no session.
    VhiError
        A process died, the disk is full, ...; the session waits and can be gone on with.
    """
    folder = RetrainingFolder(data)
    with folder.lock():
        folder.clear_stop()
        folder.remove_leftovers()
        session = Session.read(folder.session)
        remove_leftovers(Path(session.model_dir))
        work = _Work(folder, session, on_progress)
        try:
            result = work.known_result() or work.published(work.decided())
            folder.end_session()
            return work.record_progress(**result)
        except StopRequested:
            return work.record_progress("stopped", message="It was stopped, and can be gone on with.")
        except VhiError as error:
            work.record_progress("failed", message=str(error))
            raise
        except Exception as error:
            # by its kind alone: its message may name a patient
            work.record_progress("failed", message=f"An unexpected error ended it ({type(error).__name__}); the log says where.")
            raise
        except BaseException:
            work.record_progress("stopped", message="It was interrupted, and can be gone on with.")
            raise


def discard(data: Path) -> None:
    """Give up the session that waits; its copies of scans are removed, versions stay.

    Raises
    ------
    ConflictError
        It is under way.
    """
    folder = RetrainingFolder(data)
    with folder.lock():
        if folder.session.exists():
            folder.end_session()
            folder.write_progress({"state": "stopped", "message": "The session was discarded."})


class _Work:
    """One session, and the process that does it."""

    def __init__(self, folder: RetrainingFolder, session: Session, on_progress: Report) -> None:
        self.folder, self.session, self.on_progress = folder, session, on_progress
        self.live = read_version(Path(session.model_dir), session.parent).manifest
        self.plan = SessionPlan.read(folder.session)
        self.state = "checking"
        self._last_reported: tuple[Any, ...] = ()

    @property
    def place(self) -> Path:
        return self.folder.session

    def trainings(self) -> tuple[MemberTraining, ...]:
        """One per member; none before it is known what they learn."""
        return () if self.plan is None else trainings(self.place, self.session, self.live, self.plan)

    def _plan(self) -> SessionPlan:
        if self.plan is None:
            raise ModelError(f"{self.place} was measured without a plan: it is damaged; discard the session, and start another.")
        return self.plan

    # work ---------------------------------------------------------------------------------------------------------------------

    def decided(self) -> Decision:
        """All but publishing."""
        if not (self.place / MEASURED).exists():
            with processes(self.session.config.train_jobs, "retraining.jobs") as pool:
                plan = self.plan = self.plan or self._planned(pool)
                if set_aside_since(self.folder, self.session, plan):
                    plan = self._plan_anew()
                if plan.waits or not plan.learn:
                    return Decision(False, (plan.waits or _nothing(plan),), {}, ())
                if (refused := self._left_out(pool)) is not None:
                    return refused
                self.state = "training"
                self._done(pool, self.trainings())
                self.state = "measuring"
                self._done(pool, [self._storing()])
                self._done(pool, [self._measuring()])
        measured = read_json(self.place / MEASURED) or {}
        new_kind = self._plan().protocol is not None
        pairs = pairs_of(measured, read_json(self.place / LEFT_OUT_FILE))
        return decide(pairs, self.session.config, best_of(measured, self.session.parent), new_kind=new_kind)

    def _left_out(self, pool: ProcessPoolExecutor) -> Decision | None:
        """Where nobody is held out, patients are left out of short trainings in turn: a decision where those gain too little."""
        plan = self._plan()
        if not plan.folds:
            return None
        if not (self.place / LEFT_OUT_FILE).exists():
            self.state = "validating"
            jobs = left_out(self.place, self.session, self.live, plan)
            dices = {key: dice for part in self._done(pool, jobs) for key, dice in part.items()}
            write_json(self.place / LEFT_OUT_FILE, dices)
        dices = read_json(self.place / LEFT_OUT_FILE) or {}
        outlying = outliers({key: dice["candidate"] for key, dice in dices.items()}) if plan.protocol else []
        if outlying:
            set_aside_as_outliers(self.folder, plan.of(self.session, outlying))
            anew = self._plan_anew()
            if anew.waits:
                return Decision(False, (anew.waits,), {}, ())
            return self._left_out(pool)
        decision = decide(pairs_of({}, dices), self.session.config, new_kind=plan.protocol is not None)
        return None if decision.accepted else decision

    def _storing(self) -> Callable[[], Version]:
        plan = self._plan()
        new_kind = None
        if plan.protocol is not None:
            left_out_dices = read_json(self.place / LEFT_OUT_FILE) or {}
            dices = [dice["candidate"] for dice in left_out_dices.values()]
            new_kind = {"name": plan.kind, "protocol": plan.protocol} | ({"usual": float(np.mean(dices))} if dices else {})
        learnt = plan.of(self.session, plan.learn)
        return partial(store_candidate, self.session, self.trainings(), learnt, self.place / CANDIDATE, new_kind)

    def _measuring(self) -> VersionMeasurement:
        plan, models = self._plan(), Path(self.session.model_dir)
        earlier = ever_live(models, self.session.parent, self.folder.results())
        return VersionMeasurement(
            self.place, models, self.session.parent, self.session.version, earlier, plan.of(self.session, plan.holdout)
        )

    def _planned(self, pool: ProcessPoolExecutor) -> SessionPlan:
        (checks,) = self._done(pool, [checking(self.folder, self.session, self.live)])
        note_checks(self.folder, self.session, checks)
        plan = make_plan(self.folder, self.session, self.live)
        if self.session.options.minutes is not None and plan.learn:
            plan = replace(plan, steps=self._affordable(pool, plan, self.session.options.minutes))
        plan.write(self.place)
        return plan

    def _plan_anew(self) -> SessionPlan:
        """Without labels that were set aside since the plan was made; nothing that was trained with them stays."""
        plan = make_plan(self.folder, self.session, self.live)
        if self.session.options.minutes is not None:
            plan = replace(plan, steps=self._plan().steps)  # those that were found affordable
        (self.place / LEFT_OUT_FILE).unlink(missing_ok=True)
        for trained in (*self.place.glob("without*"), *self.place.glob("member*")):
            shutil.rmtree(trained, ignore_errors=True)
        plan.write(self.place)
        self.plan = plan
        return plan

    def _affordable(self, pool: ProcessPoolExecutor, plan: SessionPlan, minutes: float) -> tuple[int, ...]:
        """The same steps for all members, by trying some of each one's with all processes busy."""
        jobs = self.session.config.train_jobs
        planned = trainings(self.place, self.session, self.live, plan)
        tried = [pace_of(training.recipe, training.new[:1], pool, jobs) for training in planned]
        return (steps_in(minutes, float(np.mean(tried)), len(tried), jobs),) * len(tried)

    def _done(self, pool: ProcessPoolExecutor, jobs: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of jobs, in their order; looks for a wish to stop while they work."""
        self.report_progress()
        return run_all(pool, jobs, self.report_progress)

    @property
    def _history(self) -> Path:
        return self.folder.history / self.session.session_id

    def known_result(self) -> dict[str, Any] | None:
        """The result of the session, where that is written down: then only its folder is left to remove."""
        return read_json(self._history / RESULT)

    def published(self, decision: Decision) -> dict[str, Any]:
        """Publish, switch, and write down what became of it; each of these once."""
        self.state = "publishing"
        self.report_progress()
        place = self._history
        plan, measured = self._plan(), read_json(self.place / MEASURED)
        if measured is not None:
            publish_candidate(self.session, read_version(self.place / CANDIDATE, self.session.version), measured, decision)
        set_aside = [entry.case_id for entry in set_aside_since(self.folder, self.session, plan)]
        obstacle = go_live(self.session, set_aside) if decision.accepted else None
        note_fates(self.folder, self.session, plan, decision, self.live, is_live=obstacle is None)
        make_folder(place)
        pictures = sorted((self.place / "pictures").glob("*.png")) if not decision.accepted else []
        for picture in pictures:
            shutil.copyfile(picture, place / picture.name)
        result = {
            "state": _state(decision, plan, measured is not None),
            "session": self.session.session_id,
            "version": self.session.version if measured is not None else None,
            "parent": self.session.parent,
            "live": decision.accepted and obstacle is None,
            "reasons": [*decision.reasons, *([obstacle] if obstacle else [])],
            "told": [*decision.for_readers, *([obstacle] if obstacle else [])],
            "message": " ".join((*decision.for_readers, *decision.findings)),
            "compared": decision.compared,
            "findings": list(decision.findings),
            "learnt": self._cases(plan.learn if measured is not None else ()),
            "replayed": self._cases(plan.replay),
            "holdout": self._cases(plan.holdout),
            "held": self._cases(plan.held),
            "later": self._cases(plan.later if measured is not None else (*plan.learn, *plan.later)),
            "kind": plan.kind,
            "skipped": list(self.session.skipped),
            "pictures": [picture.name for picture in pictures],
            "options": self.session.as_dict()["options"],
            "steps": list(plan.steps),
            "begun": self.session.created,
            "ended": now(),
        }
        write_json(place / RESULT, result)
        return result

    def _cases(self, keys: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(entry.case_id for entry in self._plan().of(self.session, keys)))

    # progress -----------------------------------------------------------------------------------------------------------------

    def report_progress(self) -> None:
        """Tell how far it is, where that changed.

        Raises
        ------
        StopRequested
        """
        if self.folder.stop_requested():
            raise StopRequested
        points = {training.name: training.progress() for training in self.trainings()}
        position = (self.state, *(point.step for point in points.values() if point))
        if position != self._last_reported:
            self._last_reported = position
            self.record_progress(self.state, **_progress(self.trainings(), points, self.session.config.train_jobs))

    def record_progress(self, state: str, **facts: Any) -> dict[str, Any]:
        progress = {"session": self.session.session_id, "version": self.session.version, **facts, "state": state}
        self.folder.write_progress(progress)
        self.on_progress(progress)
        return progress


def _nothing(plan: SessionPlan) -> str:
    return f"All {len(plan.held)} new labels were set aside; see the quarantine."


def _state(decision: Decision, plan: SessionPlan, was_measured: bool) -> str:
    if decision.accepted:
        return "accepted"
    if was_measured:
        return "rejected"
    return "waits" if plan.waits or plan.learn else "nothing"


def _progress(jobs: Sequence[MemberTraining], points: Mapping[str, Progress | None], side_by_side: int) -> dict[str, Any]:
    """Of each member how far it is, and the seconds left of all: those of members that have not begun by the others' pace."""
    members = []
    paces = [point.elapsed_s / point.step for point in points.values() if point]
    left_s: float | None = 0.0 if paces else None
    for job in jobs:
        point = points[job.name]
        step = point.step if point else 0
        if left_s is not None:
            left_s += (job.recipe.steps - step) * float(np.mean(paces)) / side_by_side
        members.append(
            {
                "name": job.name,
                "step": step,
                "steps": job.recipe.steps,
                "epoch": round(point.epoch, 2) if point else 0.0,
                "loss": round(point.loss, 4) if point else None,
                "dice": round(point.soft_dice, 4) if point else None,
            }
        )
    return {"members": members, "left_s": None if left_s is None else round(left_s, 1)}
