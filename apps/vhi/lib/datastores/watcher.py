"""New studies are noticed, and made ready before anyone asks, beside the server's other work."""

from __future__ import annotations

import logging
import threading

from lib.errors import VhiError
from lib.service.service import VhiService

logger = logging.getLogger(__name__)


class StudyWatcher:
    """One thread that looks at the folder of studies and precomputes one case after another.

    Parameters
    ----------
    service : VhiService
    interval_s : float
        Between two looks at the folder, when nothing is left to precompute.
    """

    def __init__(self, service: VhiService, interval_s: float = 5.0) -> None:
        self._service = service
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vhi-studies", daemon=True)

    def start(self) -> None:
        self._thread.start()

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

    def _step(self) -> int:
        """Look, and precompute one case; how many are left."""
        try:
            self._service.refresh()
            return self._service.precompute_pending()
        except VhiError as error:
            # a folder that went away or a full disk: readers go on with what is there, and the next look may find it again
            logger.warning("The studies cannot be looked through: %s", type(error).__name__)
        except Exception as error:  # the thread must outlive a bug; no message, which may name a patient
            logger.error("Precomputing failed: %s", type(error).__name__)
        return 0
