"""Starting, watching and stopping the training of a server, and what its administrators may do about the versions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from ..errors import ConflictError, InputError, ModelError, VhiError
from ..reports.models import SCRIPT, models_html
from ..retraining.administrator_decisions import AdministratorDecisions
from ..retraining.comparison import FOLDER as COMPARISONS
from ..retraining.comparison import comparisons
from ..retraining.config import TrainConfig, TrainOptions
from ..retraining.effort_history import effort_sentence, reading_efforts
from ..retraining.gate import HOLDOUT, PHANTOMS
from ..retraining.history import CROSS_VALIDATION, dice_of, version_history
from ..retraining.patients import StudyCases, patients_of
from ..retraining.prepare import Session, prepare, waiting_labels
from ..retraining.retraining_folder import ASIDE, ENDED, RetrainingFolder
from ..service.service import VhiService
from ..versions import pinned
from ..versions.site import own_models
from .comparing import Comparing
from .process import TrainerProcess
from .training_options import options_from
from .training_status import WHY_IS_HIDDEN, stats_of, task_of, text_of, without_cases

# a client waits so long for the copies of the scans, to be told what hinders them; they go on behind it
ANSWER_WITHIN_S = 20.0
STOP_WITHIN_S = 5.0


class TrainingManager:
    """The one training session of a server.

    Parameters
    ----------
    service : VhiService
    config : TrainConfig
    code_version : str
    """

    def __init__(self, service: VhiService, config: TrainConfig, code_version: str) -> None:
        self.service, self.config = service, config
        self.data: Path = service.readings.root
        self.folder = RetrainingFolder(self.data)
        self._code_version = code_version
        self._lock = threading.Lock()
        self._preparing: Future[None] | None = None
        self._unwanted = threading.Event()
        self._process: TrainerProcess | None = None
        self._threads = ThreadPoolExecutor(1, "vhi-training")
        self.comparing = Comparing(service, config, self.folder)

    # the session --------------------------------------------------------------------------------------------------------------

    def start(self, given: Mapping[str, Any], by: str | None) -> dict[str, Any] | None:
        """Begin a session, or go on with the one that waits; None where one is under way.

        Raises
        ------
        RequestError
            An unknown option, or a value that is none.
        VhiError
            There is nothing new to learn, no model, no room.
        """
        options, go_on = options_from(given)
        with self._lock:
            if self.is_running():
                return None
            self._unwanted.clear()
            self._preparing = preparing = self._threads.submit(self._begin, options, go_on)
        wait([preparing], ANSWER_WITHIN_S)
        if preparing.done() and (error := preparing.exception()) is not None:
            self._preparing = None  # reported here
            raise error
        self.service.audit.append("training started", reader=by or "local")
        return self.status()

    def _begin(self, options: TrainOptions, go_on: bool) -> None:
        if self.folder.has_pending_session() and not (go_on and self._session()):
            # one that is damaged cannot be gone on with
            from ..retraining.retraining_session import discard  # brings torch

            discard(self.data)
        if self.folder.has_pending_session():
            from ..retraining.resuming import resume_with  # brings torch

            resume_with(self.data, options)
        else:
            prepare(
                self.service.readings,
                StudyCases.of(self.data, self.service.cases.source, self.service.cases.index.cases),
                self.service.networks.shipped,
                code_version=self._code_version,
                config=self.config,
                options=options,
            )
        if not self._unwanted.is_set():
            self._process = TrainerProcess(self.data, self.folder.root / "log.txt")

    def _patient_of(self) -> Callable[[str], str]:
        return patients_of(self.data, self.service.cases.source, self.service.cases.index.cases)

    def is_running(self) -> bool:
        """Whether a session is being prepared or done, by this server or by another process."""
        preparing = self._preparing is not None and not self._preparing.done()
        return preparing or (self._process is not None and self._process.exit_code is None) or self.folder.running()

    def status(self) -> dict[str, Any] | None:
        """The session as MONAI Label tells of a task; None before the first."""
        session = self._session()
        asked = session.as_dict() if session else None
        last_words = self._last_words()
        if last_words and self.service.config.blinded:
            last_words = [WHY_IS_HIDDEN]
        return task_of(
            self._visible_progress(), asked, running=self.is_running(), last_words=last_words, live=self._live_version()
        )

    def _session(self) -> Session | None:
        """The one that waits or runs."""
        try:
            return Session.read(self.folder.session)
        except InputError:
            return None  # none, or it has just ended

    def _last_words(self) -> list[str]:
        """Of a session of this server that could not begin, or whose process failed."""
        began = self._preparing
        if began is not None and began.done() and (error := began.exception()) is not None:
            return [str(error) if isinstance(error, VhiError) else type(error).__name__]
        process = self._process
        # one that was stopped and had to be ended from here, as it found no time to end by itself, has not failed
        if process is None or process.exit_code in (None, 0) or self._unwanted.is_set():
            return []
        return [process.why_it_ended()]

    def _progress(self) -> dict[str, Any] | None:
        """As written; where a session has begun that nothing was said of yet, that it is being prepared."""
        progress = self.folder.progress()
        if self.is_running() and (progress is None or progress["state"] in (*ENDED, "interrupted")):
            return {"state": "preparing"}
        return progress

    def _visible_progress(self) -> dict[str, Any] | None:
        """The progress of the session as readers may see it."""
        progress = self._progress()
        return without_cases(progress) if progress is not None and self.service.config.blinded else progress

    def stop(self, by: str | None) -> dict[str, Any] | None:
        """Stop the session; it waits to be gone on with. None where none runs."""
        if not self.is_running():
            return None
        self._unwanted.set()
        self.folder.request_stop()
        if self._preparing is not None:
            wait([self._preparing], STOP_WITHIN_S)
        process = self._process
        if process is not None and not process.wait(STOP_WITHIN_S):
            process.kill()  # every step is on disk whole or not at all
        session = None if self.is_running() else self._session()
        if session is not None:
            # that a person stopped it, also where its own process had no time to say so: it does not go on by itself
            self.folder.clear_stop()
            progress = self.folder.progress() or {}
            progress = progress if progress.get("session") == session.session_id else {"session": session.session_id}
            self.folder.write_progress({**progress, "state": "stopped", "message": "It was stopped, and can be gone on with."})
        self.service.audit.append("training stopped", reader=by or "local")
        return self.status()

    def stats(self) -> dict[str, Any]:
        """Numbers for the progress bars of viewers."""
        running, live = self.is_running(), self._live_version()
        gain = "" if running or live is None else effort_sentence(reading_efforts(self.service.readings), live)
        return stats_of(self._visible_progress(), running=running, dice=self._live_dice(), live=live, gain=gain)

    def _live_version(self) -> str | None:
        try:
            return self.service.networks.manifest().version
        except ModelError:
            return None

    def _live_dice(self) -> float | None:
        try:
            dices = dice_of(self.service.networks.manifest())
        except ModelError:
            return None
        return next((dices[case_set]["version"] for case_set in (HOLDOUT, CROSS_VALIDATION, PHANTOMS) if case_set in dices), None)

    def new_labels(self, since: str = "") -> int:
        """Cases with a label that the live version did not learn and that was handed in after a time (ISO 8601, UTC).

        Raises
        ------
        VhiError
        """
        labels = waiting_labels(self.service.readings, self.service.networks.manifest(), self.config, self._patient_of())
        return sum(label.is_new and label.candidate.submission.created > since for label in labels)

    # versions -----------------------------------------------------------------------------------------------------------------

    def models(self) -> dict[str, Any]:
        """Versions, sessions, labels in quarantine, how far the session is; ready for JSON.

        Raises
        ------
        ModelError
            There is no live version.
        """
        efforts = reading_efforts(self.service.readings)
        progress, models, live = self._progress(), self.service.networks.folder, self.service.networks.manifest().version
        return {
            "live": live,
            "waiting": self.new_labels(),
            "progress": {**progress, "text": " ".join([text_of(progress, live), *self._last_words()])} if progress else None,
            "pinned": pinned(models) if models == own_models(self.data) else None,
            "versions": version_history(models, live),
            "sessions": [{**result, "id": result["session"], "text": text_of(result, live)} for result in self.folder.results()],
            "quarantine": [dict(entry) for entry in self.folder.held()],
            "trusted": [dict(check) for check in self.folder.checks() if check["state"] not in ASIDE],
            "efforts": [effort.as_dict() for effort in efforts],
            "gain": effort_sentence(efforts, live),
            "comparing": self.comparing.text(),
            "comparisons": list(comparisons(self.folder)),
        }

    def models_page(self, address: str, csrf_cookie: str) -> tuple[str, str]:
        """The same as HTML, and the script in it.

        Parameters
        ----------
        address : path of the page, as its reader's browser asks for it
        csrf_cookie : name of the cookie with the session's mark

        Raises
        ------
        ModelError
        """
        content = self.models()
        pictures = {session["id"]: _files(self.folder.history / session["id"], "*.png") for session in content["sessions"]}
        for entry in content["quarantine"]:
            name = f"{entry['case']}--{entry['submission']}"
            pictures[name] = _files(self.folder.root / "labels", f"{name}.png")
        for comparison in content["comparisons"]:
            place = self.folder.root / COMPARISONS / comparison["folder"]
            drawn = ((n, place / f"{n}.png") for n in range(1, len(comparison["cases"]) + 1))
            pictures |= {f"{comparison['folder']}/{n}": [path.read_bytes()] for n, path in drawn if path.is_file()}
        return models_html(content, pictures, address, csrf_cookie), SCRIPT

    def decisions(self, by: str | None) -> AdministratorDecisions:
        """The decisions about labels and versions, in that person's name."""
        return AdministratorDecisions(self.service.readings, self.service.audit, self.service.networks.shipped, by or "local")

    def make_live(self, version: str, by: str | None) -> dict[str, str]:
        """Go back to an earlier version; see `AdministratorDecisions.make_live`.

        Raises
        ------
        ConflictError, RequestError, ModelError
        """
        if self.is_running():
            raise ConflictError("A training session is under way, and is compared with the live version; stop it first.")
        return self.decisions(by).make_live(version)


def _files(folder: Path, pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob(pattern))] if folder.is_dir() else []
