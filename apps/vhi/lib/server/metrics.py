"""Numbers for Prometheus: what was asked and how long it took, what waits, what the server stands on. No label names anybody."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..errors import VhiError
from .server_context import ServerContext

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# from a cached answer to an inference that waited [s]
BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
CLOSED = "(closed)"
# names of findings, see `lib.service.findings`
KNOWN_FINDINGS = ("share", "archive", "damaged", "calibration", "patients", "disk", "model", "accounts", "unlogged")
# what this program's temporary files and folders begin with
TEMPORARY = "vhi-*"


class Metrics:
    """Numbers counted while requests are served, and those looked up when somebody asks.

    Parameters
    ----------
    context : ServerContext
    """

    def __init__(self, context: ServerContext) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vhi_requests", "Requests by method, route and status.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "vhi_request_seconds", "Seconds until the answer was sent.", ["route"], buckets=BUCKETS, registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_State(context))

    def note(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request; `route` is the allow-list's template, and None for what is closed."""
        # what is not on the list has any method that a client makes up
        self._requests.labels(method if method in METHODS else "other", route or CLOSED, str(status)).inc()
        self._seconds.labels(route or CLOSED).observe(seconds)

    def text(self) -> bytes:
        """The metrics in the format of Prometheus."""
        return generate_latest(self._registry)


class _State(Collector):
    """Gauges that are looked up when they are asked for; one that cannot be had now is left out."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is looked up while the server is being made

    def collect(self) -> Iterator[Metric]:
        for part in (self._queues, self._work, self._readings, self._disks, self._findings):
            try:
                yield from part()
            except (VhiError, OSError):
                continue

    def _queues(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("vhi_jobs", "Jobs waiting or at work.", labels=["pool"])
        for name in ("infer", "save", "quick", "copies", "password"):
            jobs.add_metric([name], getattr(self._context, name).jobs)
        yield jobs

    def _work(self) -> Iterator[Metric]:
        training = getattr(self._context.app, "training", None)
        if training is not None:
            yield _gauge("vhi_retraining", "Whether the networks are being retrained.", training.is_running())
        archive_sync = getattr(self._context.app, "archive_sync", None)
        if archive_sync is not None:
            outbox = archive_sync.outbox.state()
            yield _gauge("vhi_outbox_waiting", "Submissions that wait to be stored in the archive.", outbox.waiting)
            yield _gauge("vhi_outbox_failing", "Whether the last attempt to store one failed.", outbox.last_error is not None)

    def _readings(self) -> Iterator[Metric]:
        service = self._context.app.service
        index = service.cases.index
        yield _gauge("vhi_cases", "Cases that can be read.", len(index.cases))
        yield _gauge("vhi_cases_waiting", "Scans that cannot be read yet.", len(index.waiting))
        submissions = sum(len(service.readings.of_case(case.case_id)) for case in index.cases)
        yield _gauge("vhi_submissions", "Submissions of the cases that can be read.", submissions)

    def _disks(self) -> Iterator[Metric]:
        places = places_of(self._context)
        free = GaugeMetricFamily("vhi_disk_free_bytes", "Free room.", labels=["place"])
        size = GaugeMetricFamily("vhi_disk_bytes", "Size of the disk.", labels=["place"])
        for name, place in places.items():
            usage = shutil.disk_usage(place)
            free.add_metric([name], usage.free)
            size.add_metric([name], usage.total)
        yield from (free, size)
        temporary = len([*places["temporary"].glob(TEMPORARY)])
        yield _gauge("vhi_temporary_files", "Files and folders of uploads and answers.", temporary)

    def _findings(self) -> Iterator[Metric]:
        wrong = GaugeMetricFamily("vhi_finding", "Whether this is wrong now; /vhi/health has the sentence.", labels=["name"])
        kinds = {finding.name for finding in self._context.findings()}
        for name in KNOWN_FINDINGS:
            wrong.add_metric([name], name in kinds)
        yield wrong


def places_of(context: ServerContext) -> dict[str, Path]:
    """The folders that must have room."""
    return {"data": context.app.service.readings.root, "temporary": Path(tempfile.gettempdir())}


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=float(value))
