"""Spans: one for an execution, one below it for each step, with what became of them."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from headway.worker.observations import Observations
from headway.worker.tracing import Tracing
from support.service_life import stress_start_and_stop
from support.spans import by_name, spans_of_this_process

from .jobs import job


@pytest.fixture
def spans() -> InMemorySpanExporter:
    kept = spans_of_this_process()
    kept.clear()
    return kept


def test_steps_are_children_of_their_execution(spans: InMemorySpanExporter) -> None:
    observations = Observations([Tracing(version="1", worker="w")])
    each = job()
    with observations.around(each):
        with observations.around_step(each, "extract"):
            trace.get_tracer("app").start_span("a call of the app's own").end()
        with pytest.raises(ValueError, match="broken"), observations.around_step(each, "parse"):
            raise ValueError("broken")
    assert "job cv.parse" not in by_name(spans), "the outcome is not known yet"
    observations.ended(each, "retried", 1.0, "broken_file")

    found = by_name(spans)
    execution = found["job cv.parse"]
    assert execution.attributes is not None
    assert execution.attributes["headway.job"] == str(each.id)
    assert execution.attributes["headway.attempt"] == 2
    assert execution.attributes["headway.outcome"] == "retried"
    assert execution.attributes["error.type"] == "broken_file"
    assert execution.status.status_code is StatusCode.ERROR
    for step in ("step extract", "step parse"):
        assert found[step].parent == execution.context
    assert found["a call of the app's own"].parent == found["step extract"].context
    assert found["step parse"].status.status_code is StatusCode.ERROR
    assert found["step extract"].status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("outcome", ["completed", "snoozed", "waiting", "released", "cancelled"])
def test_what_is_no_failure_is_none(spans: InMemorySpanExporter, outcome: str) -> None:
    observations = Observations([Tracing(version="1", worker="w")])
    each = job()
    with observations.around(each):
        pass
    observations.ended(each, outcome, 1.0, None)  # type: ignore[arg-type]
    assert by_name(spans)["job cv.parse"].status.status_code is StatusCode.UNSET
    observations.ended(each, outcome, 1.0, None)  # type: ignore[arg-type]
    assert len(spans.get_finished_spans()) == 1


async def test_what_never_ends_is_ended_with_the_worker(spans: InMemorySpanExporter) -> None:
    tracing = Tracing(version="1", worker="w")
    with tracing.around(job()):
        pass
    await tracing.stop()
    assert len(spans.get_finished_spans()) == 1


async def test_life(spans: InMemorySpanExporter) -> None:
    await stress_start_and_stop(lambda: Tracing(version="1", worker="w"))
