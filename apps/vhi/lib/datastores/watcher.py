"""New studies are noticed, and made ready before anyone asks, beside the server's other work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..errors import UnavailableError, VhiError
from ..readings.holding import keep_temporary
from ..service.service import VhiService

logger = logging.getLogger(__name__)


class StudyWatcher:
    """One thread that looks for studies, and one that precomputes one case after another.

    Parameters
    ----------
    service : VhiService
    interval_s : float
        Between two looks at the studies, when nothing is left to precompute.
    after_look : callable, optional
        What else to ask the archive after each look at it; may raise VhiError.
    """

    def __init__(self, service: VhiService, interval_s: float = 5.0, after_look: Callable[[], object] | None = None) -> None:
        self._service = service
        self._interval_s = interval_s
        self._after_look = after_look
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vhi-studies", daemon=True)
        self._archive_failed = False

    def start(self) -> None:
        self._thread.start()
        threading.Thread(target=self._look, name="vhi-archive", daemon=True).start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ask the thread to end after the case at hand, and wait a while for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        before = 0
        while not self._stop.is_set():
            left = self._step()
            if not 0 < left < before:  # nothing to do, or a case that cannot be done: no use to hurry
                self._stop.wait(self._interval_s if left == 0 or before else 0)
            before = left

    def _look(self) -> None:
        """Have an archive asked again and again; a folder needs none of it."""
        while not self._stop.is_set():
            left = 0
            try:
                left = self._service.cases.look()
                self._service.cases.refresh()  # who waits for a study gets it now
                if self._after_look is not None:
                    self._after_look()
                if self._archive_failed:
                    logger.warning("The archive answers again.")
                self._archive_failed = False
            except VhiError as error:
                if not self._archive_failed:  # once, however long it lasts
                    logger.warning("%s", error)
                self._archive_failed = True
            except Exception as error:
                logger.error("Looking through the archive failed: %s", type(error).__name__)
            self._stop.wait(0 if left else min(self._interval_s, 1.0))

    def _step(self) -> int:
        """Look, and precompute one case; how many are left."""
        try:
            keep_temporary()
            self._service.catch_up()
            self._service.cases.refresh()
            return self._service.precomputing.one_case()
        except UnavailableError:
            pass  # logged once where it was noticed
        except VhiError as error:
            # a folder that went away or a full disk: readers go on with what is there, and the next look may find it again
            logger.warning("The studies cannot be looked through: %s", type(error).__name__)
        except Exception as error:  # the thread must outlive a bug; no message, which may name a patient
            logger.error("Precomputing failed: %s", type(error).__name__)
        return 0
