"""A worker's figures for Prometheus, in a registry of their own."""

from __future__ import annotations

import platform
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headway.worker.job import JobInfo
from headway.worker.observations import Learnt, Observer, Outcome

if TYPE_CHECKING:
    from headway.link import RealtimeLink
    from headway.worker.service import Condition

__all__ = ["Metrics"]

_JOB_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_REQUEST_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LINK = ("connecting", "proven", "deaf", "stopped")
# Codes are the handlers' choice, and servers': whoever makes a new one for every failure must fill neither
# the memory nor the room of others, so each kind, function and service has its own.
_MOST_CODES = 50


class Metrics(Observer):
    """Counts what the worker tells of itself; docs/operations.md lists the names.

    Args:
        condition: How the worker is, asked at every scrape.
        link: Its Realtime link, if it has one.
        version: Of this package.
        worker: The worker's name.
        kinds: What it runs: their running jobs are 0 rather than absent.
    """

    def __init__(
        self,
        condition: Callable[[], Condition],
        *,
        link: RealtimeLink | None,
        version: str,
        worker: str,
        kinds: Iterable[str],
    ) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        info = Info("headway_worker", "Which worker this is.", registry=registry)
        info.info({"version": version, "worker": worker, "python": platform.python_version()})
        registry.register(_Now(condition, link, tuple(kinds)))
        self._claimed = Counter(
            "headway_jobs_claimed", "Jobs taken, by how the worker learnt of them.",
            ("kind", "queue", "learnt"), registry=registry,
        )  # fmt: skip
        self._ended = Counter(
            "headway_jobs_ended", "Executions that ended, by how.", ("kind", "outcome"), registry=registry
        )
        self._failures = Counter(
            "headway_job_failures", "Executions that failed, by the code of their failure.",
            ("kind", "code"), registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "headway_job_seconds", "How long executions took, until the engine knew of their end.",
            ("kind",), buckets=_JOB_SECONDS, registry=registry,
        )  # fmt: skip
        self._requests = Histogram(
            "headway_request_seconds", "Requests to the engine; heartbeats are function=\"heartbeat\".",
            ("function",), buckets=_REQUEST_SECONDS, registry=registry,
        )  # fmt: skip
        self._request_failures = Counter(
            "headway_request_failures", "Requests to the engine that failed.", ("function", "code"),
            registry=registry,
        )  # fmt: skip
        self._repeats = Counter(
            "headway_request_repeats", "Requests that were sent again.", ("function",), registry=registry
        )
        self._incidents = Counter(
            "headway_incidents", "What somebody should know of; the log says more.", ("incident",),
            registry=registry,
        )  # fmt: skip
        self._link_changes = Counter(
            "headway_link_changes", "Changes of the Realtime link's status.", ("status",), registry=registry
        )
        self._lag = Histogram(
            "headway_event_loop_lag_seconds", "How late timers of the event loop are.",
            buckets=_LAG_SECONDS, registry=registry,
        )  # fmt: skip
        self._scheduled = Counter(
            "headway_schedule_ticks", "Schedules that fired here.", ("outcome",), registry=registry
        )
        self._delivered = Counter(
            "headway_deliveries", "Notifications sent from here.", ("channel", "outcome"), registry=registry
        )
        self._delivery_seconds = Histogram(
            "headway_delivery_seconds", "How long receivers of notifications took.", ("channel",),
            buckets=_REQUEST_SECONDS, registry=registry,
        )  # fmt: skip
        self._removed = Counter(
            "headway_removed", "What retention has removed here; orphans were found.", ("what",),
            registry=registry,
        )  # fmt: skip
        self._service_failures = Counter(
            "headway_service_failures", "Turns of a service that failed.", ("service", "code"),
            registry=registry,
        )  # fmt: skip
        self._codes: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._lock = threading.Lock()

    # What is told -------------------------------------------------------------------------------------------

    def claimed(self, kind: str, queue: str, learnt: Learnt, count: int) -> None:
        self._claimed.labels(kind, queue, learnt).inc(count)

    def ended(self, job: JobInfo, outcome: Outcome, seconds: float, code: str | None) -> None:
        self._ended.labels(job.kind, outcome).inc()
        self._seconds.labels(job.kind).observe(seconds)
        if code is not None:
            self._failures.labels(job.kind, self._bounded(("kind", job.kind), code)).inc()

    def requested(self, function: str, seconds: float, failure: str | None) -> None:
        self._requests.labels(function).observe(seconds)
        if failure is not None:
            self._request_failures.labels(function, self._bounded(("function", function), failure)).inc()

    def repeated(self, function: str) -> None:
        self._repeats.labels(function).inc()

    def incident(self, name: str, job: JobInfo | None) -> None:
        self._incidents.labels(name).inc()

    def link_changed(self, status: str) -> None:
        self._link_changes.labels(status).inc()

    def scheduled(self, submitted: int, skipped: int, failed: int) -> None:
        for outcome, count in (("submitted", submitted), ("skipped", skipped), ("failed", failed)):
            self._scheduled.labels(outcome).inc(count)

    def delivered(self, channel: str, outcome: str, seconds: float) -> None:
        self._delivered.labels(channel, outcome).inc()
        self._delivery_seconds.labels(channel).observe(seconds)

    def removed(self, what: str, count: int) -> None:
        self._removed.labels(what).inc(count)

    def service_failed(self, service: str, code: str) -> None:
        self._service_failures.labels(service, self._bounded(("service", service), code)).inc()

    def lagged(self, seconds: float) -> None:
        self._lag.observe(seconds)

    def _bounded(self, whose: tuple[str, str], code: str) -> str:
        with self._lock:
            codes = self._codes[whose]
            if code in codes:
                return code
            if len(codes) >= _MOST_CODES:
                return "other"
            codes.add(code)
            return code


class _Now(Collector):
    """What is asked at the moment of a scrape."""

    def __init__(
        self, condition: Callable[[], Condition], link: RealtimeLink | None, kinds: tuple[str, ...]
    ) -> None:
        self._condition = condition
        self._link = link
        self._kinds = kinds

    def describe(self) -> Iterable[Metric]:
        # Registered without being asked: at that moment there is no worker yet.
        return []

    def collect(self) -> Iterable[Metric]:
        now = self._condition()
        yield GaugeMetricFamily("headway_live", "Whether the worker works.", value=float(now.live))
        yield GaugeMetricFamily("headway_ready", "Whether it takes jobs.", value=float(now.ready))
        yield GaugeMetricFamily("headway_draining", "Whether it was told to stop.", value=float(now.draining))
        yield GaugeMetricFamily("headway_slots", "How many jobs it may run at once.", value=float(now.slots))
        running = GaugeMetricFamily("headway_jobs_running", "Jobs that it runs.", labels=("kind",))
        for kind in sorted({*self._kinds, *now.running}):
            running.add_metric((kind,), float(now.running.get(kind, 0)))
        yield running
        status = GaugeMetricFamily("headway_link_status", "How the Realtime link is: 1.", labels=("status",))
        for each in _LINK:
            status.add_metric((each,), float(now.link == each))
        yield status
        if self._link is not None:
            yield from self._of_link(self._link)

    @staticmethod
    def _of_link(link: RealtimeLink) -> Iterable[Metric]:
        state = link.state
        yield GaugeMetricFamily("headway_link_connections", "Open sockets.", value=float(state.connections))
        yield CounterMetricFamily(
            "headway_link_reconnects", "Connections that were lost.", value=float(state.reconnects)
        )
        yield CounterMetricFamily(
            "headway_link_replacements", "Connections that were replaced as planned.",
            value=float(state.replacements),
        )  # fmt: skip
        if state.last_proof is not None:
            yield GaugeMetricFamily(
                "headway_link_proof_age_seconds", "Since a connection last proved that it hears.",
                value=time.monotonic() - state.last_proof,
            )  # fmt: skip
