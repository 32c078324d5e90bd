"""Training that begins by itself: when enough corrected cases wait and nobody works with the server."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass

from ..errors import SettingsError, VhiError
from ..provenance import now
from .training_manager import TrainingManager

INTERVAL_S = 10.0
_QUIET = re.compile(r"(\d{1,6}(?:\.\d+)?)([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
log = logging.getLogger("vhi.training")


@dataclass(frozen=True)
class Schedule:
    """Train once `after` new corrected cases wait and the server was idle for `quiet_s` seconds."""

    after: int
    quiet_s: float

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """The schedule in a text such as `after=5 quiet=30m`; quiet in s, m or h.

        Raises
        ------
        SettingsError
        """
        parts = dict(part.partition("=")[::2] for part in re.split(r"[\s,]+", text.strip()))
        after, quiet = parts.get("after", ""), _QUIET.fullmatch(parts.get("quiet", ""))
        if parts.keys() != {"after", "quiet"} or quiet is None or not after.isdecimal() or not 0 < int(after) < 10**6:
            raise SettingsError(
                f"retrain is {text!r}; write it as after=5 quiet=30m: so many new corrected cases, and how long nobody works "
                "with the server (s, m or h)."
            )
        return cls(int(after), float(quiet[1]) * _SECONDS[quiet[2]])


class ContinuousTraining:
    """A thread that looks now and then whether it is time.

    A session that the end of a server interrupted goes on; one that a person stopped, or that failed, waits for a person. Labels
    of a rejected version count again only together with as many newer ones.

    Parameters
    ----------
    manager : TrainingManager
    schedule : Schedule
    """

    def __init__(self, manager: TrainingManager, schedule: Schedule) -> None:
        self._manager, self._schedule = manager, schedule
        self._tried = ""
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="vhi-retrain", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def look(self) -> bool:
        """Begin or go on with a session where it is time; whether one was begun.

        Raises
        ------
        VhiError
            It cannot begin.
        """
        manager = self._manager
        if manager.is_running() or manager.service.cases.idle_s < self._schedule.quiet_s:
            return False
        if manager.folder.has_pending_session():
            progress = manager.folder.progress()
            due = progress is None or progress["state"] == "interrupted"
        else:
            results = manager.folder.results()
            # a time that has not come yet was written by a clock that was ahead
            times = (self._tried, *(str(result["begun"]) for result in results[-1:]))
            since = max((time for time in times if time <= now()), default="")
            due = manager.new_labels(since) >= self._schedule.after
        if due:
            self._tried = now()
            manager.start({}, "continuous")
        return due

    def _run(self) -> None:
        while not self._stop.wait(min(INTERVAL_S, self._schedule.quiet_s)):
            try:
                self.look()
            except VhiError as error:
                log.warning("training did not begin: %s", type(error).__name__)
            except Exception as error:  # the thread must outlive a bug; no message, which may name a patient
                log.error("training did not begin: %s", type(error).__name__)
