"""OpenTelemetry in this process: one provider is all that it allows, so all tests look into the same one."""

from __future__ import annotations

from functools import cache

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["by_name", "spans_of_this_process"]


@cache
def spans_of_this_process() -> InMemorySpanExporter:
    """What the program's own provider keeps of every span that ends."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """The spans by their names; of several the last."""
    return {span.name: span for span in spans.get_finished_spans()}
