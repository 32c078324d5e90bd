"""Findings about a server's studies, records, disk and networks, for its health and its administrators."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.segment_names import DISEASE_REGION
from ..errors import OutputError
from ..files import write_atomically
from ..findings import Finding
from .cases import Cases
from .conduct import Conduct
from .networks import Networks
from .turns import Turns

# below this a submission with its report may not fit
LEAST_FREE_BYTES = 256 * 2**20
PROBED_EVERY_S = 10.0
PROBE_BYTES = 8192


class Disk:
    """Whether files can be written in the data folder and in the folder of temporary files: by writing one, now and then."""

    def __init__(self, data: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._data, self._clock = data, clock
        self._known: tuple[float, tuple[Finding, ...]] | None = None

    def findings(self) -> tuple[Finding, ...]:
        """Findings about either; none where all is well."""
        now = self._clock()
        if self._known is None or now - self._known[0] > PROBED_EVERY_S:
            places = {"the data folder": self._data, "temporary files": Path(tempfile.gettempdir())}
            self._known = now, tuple(finding for words, place in places.items() for finding in _of_place(words, place))
        return self._known[1]


def _of_place(words: str, place: Path) -> Iterator[Finding]:
    probe = place / f".probe-{secrets.token_hex(4)}.partial-"
    try:
        write_atomically(probe, b"\0" * PROBE_BYTES)
        probe.unlink(missing_ok=True)
        free = shutil.disk_usage(place).free
    except (OutputError, OSError):
        yield Finding("disk", f"Nothing can be written where {words} lie: the disk is full, away, or closed to the server.")
        return
    if free < LEAST_FREE_BYTES:
        yield Finding("disk", f"Only {free // 2**20} MiB are free where {words} lie; make room.")


def damaged(cases: Cases) -> Iterator[Finding]:
    """The cases that are set aside because one of their files is damaged."""
    files = tuple(str(error.path.relative_to(cases.readings.root)) for error in cases.damaged)
    if files:
        number = f"{len(files)} case{'s are' if len(files) > 1 else ' is'}"
        sentence = f"{number} set aside, because a file of theirs is damaged; `data check` says which."
        yield Finding("damaged", sentence, files)


def share(cases: Cases) -> Iterator[Finding]:
    """The studies, where they are away."""
    if cases.away is not None:
        yield Finding("share", str(cases.away))


def archive(cases: Cases) -> Iterator[Finding]:
    """The archive of the studies, where it cannot be asked."""
    if getattr(cases.source, "problem", None):
        yield Finding("archive", "The archive of the studies cannot be used now; it is asked again until it can.")


def conduct(cases: Cases, rules: Conduct, turns: Turns) -> Iterator[Finding]:
    """Obstacles to a trial that is conducted as it is set up: calibration cases that nobody can open, patients not known."""
    known, named = {case.case_id for case in cases.index.cases}, rules.calibration
    if missing := sum(case_id not in known for case_id in named):
        sentence = f"{missing} of {len(named)} calibration cases cannot be opened; who has not finished them is offered no other."
        yield Finding("calibration", sentence)
    if turns.problem is not None:
        yield Finding("patients", turns.problem)


def model(networks: Networks) -> Iterator[Finding]:
    """The live version of the networks, where it cannot be used."""
    problem = networks.problem()
    if problem is not None:
        yield Finding("model", f"The networks cannot be used, so that no {DISEASE_REGION} is proposed: {problem}")
