"""OpenTelemetry: a span for every execution, with one below it for every step that is run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from headway.errors import ConfigError
from headway.worker.job import JobInfo
from headway.worker.observations import Observer, Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

__all__ = ["Tracing"]

_FLUSH_SECONDS = 5
_FAILURES = ("failed", "retried", "lost")
# Executions whose end was never told: their spans must not fill the memory.
_MOST_OPEN = 10_000


class Tracing(Observer):
    """Sends spans to wherever the ``OTEL_`` variables say.

    A provider that the program has set up before is used, and left alone; otherwise one is made. A span
    begins with the handler and ends when the engine knows the outcome, which stands in ``headway.outcome``.

    Args:
        version: Of this package.
        worker: The worker's name.

    Raises:
        ConfigError: the extra ``otel`` is not installed.
    """

    name = "traces"

    def __init__(self, *, version: str, worker: str) -> None:
        try:
            from opentelemetry import trace
        except ImportError:
            raise ConfigError(
                "HEADWAY_TRACES: OpenTelemetry is not installed",
                hint="Install headway[otel], or unset HEADWAY_TRACES.",
                code="otel_missing",
            ) from None
        self._version = version
        self._worker = worker
        self._made: TracerProvider | None = None
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            self._made = _provider(version, worker)
            trace.set_tracer_provider(self._made)
        self._tracer: Tracer = trace.get_tracer("headway.worker", version)
        self._open: dict[tuple[UUID, int], Span] = {}
        self._lock = threading.Lock()

    async def start(self) -> None:
        """Nothing to do: spans are sent by threads of the SDK."""

    async def stop(self) -> None:
        """Send what has not been sent, for a few seconds; safe to call twice."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
        for span in left:
            span.end()
        if self._made is not None:
            await asyncio.to_thread(self._made.force_flush, _FLUSH_SECONDS * 1000)

    @contextmanager
    def around(self, job: JobInfo) -> Iterator[None]:
        from opentelemetry import trace

        span = self._tracer.start_span(
            f"job {job.kind}",
            kind=trace.SpanKind.CONSUMER,
            attributes={
                "messaging.system": "headway",
                "messaging.operation.type": "process",
                "messaging.destination.name": job.queue,
                "messaging.message.id": str(job.id),
                "headway.job": str(job.id),
                "headway.kind": job.kind,
                "headway.queue": job.queue,
                "headway.attempt": job.attempt,
                "headway.run": job.run,
                "headway.tenant": str(job.tenant_id),
                "headway.worker": self._worker,
            },
        )
        with self._lock:
            while len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open))).end()
            self._open[job.id, job.attempt] = span
        # What the exception holds is told once, in the step that it came from.
        with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield

    @contextmanager
    def around_step(self, job: JobInfo, step: str) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            f"step {step}", attributes={"headway.job": str(job.id), "headway.step": step}
        ):
            yield

    def ended(self, job: JobInfo, outcome: Outcome, seconds: float, code: str | None) -> None:
        from opentelemetry.trace import Status, StatusCode

        with self._lock:
            span = self._open.pop((job.id, job.attempt), None)
        if span is None:
            return
        span.set_attribute("headway.outcome", outcome)
        if code is not None:
            span.set_attribute("error.type", code)
        if outcome in _FAILURES:
            span.set_status(Status(StatusCode.ERROR, code))
        span.end()


def _provider(version: str, worker: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    facts = {"service.version": version, "service.instance.id": worker}
    resource = Resource.create(facts)
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "headway-worker"}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
