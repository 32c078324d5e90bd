"""Comparing two versions while the server runs: one comparison at a time, behind what readers ask for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import chain

from ..core.volume import Mask, Volume
from ..errors import ConflictError, RequestError, VhiError
from ..retraining.challenger import Measured, holdout_cases, phantom_cases
from ..retraining.comparison import Compared, compare_versions, region_or_none
from ..retraining.config import TrainConfig
from ..retraining.patients import patients_of
from ..retraining.retraining_folder import RetrainingFolder
from ..service.service import VhiService
from ..versions import Version, read_version

log = logging.getLogger("vhi.training")


class Comparing:
    """The comparison that is under way.

    Parameters
    ----------
    service : VhiService
        Its networks measure, as readers get them; a case at a time, so that readers wait for one at most.
    config : TrainConfig
    folder : RetrainingFolder
    """

    def __init__(self, service: VhiService, config: TrainConfig, folder: RetrainingFolder) -> None:
        self._service, self._config, self._folder = service, config, folder
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._text = ""

    def text(self) -> str:
        """How far the last one is, or why it ended; empty where nothing is to be said."""
        return self._text

    def start(self, a: str, b: str, by: str | None) -> dict[str, str]:
        """Begin; the page shows the result when it has ended.

        Raises
        ------
        RequestError
            The two are one version.
        ConflictError
            Another comparison is under way.
        ModelError
            There is no such version.
        """
        if a == b:
            raise RequestError(f"Version {a} cannot be compared with itself; choose two versions.")
        versions = read_version(self._service.networks.folder, a), read_version(self._service.networks.folder, b)
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                raise ConflictError(f"Another comparison is under way. {self._text}")
            self._text = f"{a} and {b} are compared."
            self._thread = threading.Thread(target=self._run, args=versions, name="vhi-compare", daemon=True)
            self._thread.start()
        self._service.audit.append("models compared", reader=by or "local", versions=[a, b])
        return {"a": a, "b": b, "state": "started"}

    def _run(self, a: Version, b: Version) -> None:
        names = a.manifest.version, b.manifest.version

        def note_case(case: Compared) -> None:
            self._text = f"{names[0]} and {names[1]} are compared: {case.what}, case {case.case}, is measured."

        try:
            compare_versions(self._folder, names, (self._segment(a), self._segment(b)), self._cases(a, b), note_case)
            self._text = ""
        except VhiError as error:
            self._text = f"{names[0]} and {names[1]} could not be compared: {error}"
        except Exception as error:  # by its kind alone: its message may name a patient
            log.error("a comparison failed: %s", type(error).__name__)
            self._text = f"{names[0]} and {names[1]} could not be compared; the server's log says why."

    def _segment(self, version: Version) -> Callable[[Volume], Mask]:
        return region_or_none(lambda t1w: self._service.networks.segment(t1w, version.manifest).mask)

    def _cases(self, a: Version, b: Version) -> Iterator[Measured]:
        cases = self._service.cases
        patient_of = patients_of(self._service.readings.root, cases.source, cases.index.cases)
        own = holdout_cases(self._service.readings, cases.source, cases.index.cases, a, patient_of, self._config, b)
        return chain(own, phantom_cases())
