"""The figures that a worker offers, and what a strange handler cannot do to them."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from headway.worker.metrics import Metrics
from headway.worker.observations import Observations
from headway.worker.service import Condition

from .jobs import job


def build(condition: Condition | None = None) -> Metrics:
    now = condition or Condition(live=True, ready=True, slots=4, running={"cv.parse": 2}, link="proven")
    return Metrics(lambda: now, link=None, version="1", worker="w", kinds=["cv.parse", "a.b"])


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_what_is_told_is_counted() -> None:
    metrics = build()
    told = Observations([metrics])
    told.claimed("cv.parse", "cv", "broadcast", 3)
    told.claimed("cv.parse", "cv", "poll", 1)
    each = job()
    told.ended(each, "completed", 2.0, None)
    told.ended(each, "failed", 3.0, "file_encrypted")
    told.requested("heartbeat", 0.004, None)
    told.requested("claim", 0.5, "timed_out")
    told.repeated("claim")
    told.incident("loop_blocked", each)
    told.link_changed("deaf")
    told.scheduled(2, 1, 0)
    told.delivered("webhook", "retry", 0.2)
    told.removed("files", 7)
    told.service_failed("notifier", "connect_failed")
    told.lagged(0.02)
    expected = {
        ("headway_jobs_claimed_total", ("kind", "cv.parse"), ("queue", "cv"), ("learnt", "broadcast")): 3,
        ("headway_jobs_claimed_total", ("kind", "cv.parse"), ("queue", "cv"), ("learnt", "poll")): 1,
        ("headway_jobs_ended_total", ("kind", "cv.parse"), ("outcome", "completed")): 1,
        ("headway_jobs_ended_total", ("kind", "cv.parse"), ("outcome", "failed")): 1,
        ("headway_job_failures_total", ("kind", "cv.parse"), ("code", "file_encrypted")): 1,
        ("headway_job_seconds_sum", ("kind", "cv.parse")): 5,
        ("headway_request_seconds_count", ("function", "heartbeat")): 1,
        ("headway_request_failures_total", ("function", "claim"), ("code", "timed_out")): 1,
        ("headway_request_repeats_total", ("function", "claim")): 1,
        ("headway_incidents_total", ("incident", "loop_blocked")): 1,
        ("headway_link_changes_total", ("status", "deaf")): 1,
        ("headway_schedule_ticks_total", ("outcome", "submitted")): 2,
        ("headway_deliveries_total", ("channel", "webhook"), ("outcome", "retry")): 1,
        ("headway_removed_total", ("what", "files")): 7,
        ("headway_service_failures_total", ("service", "notifier"), ("code", "connect_failed")): 1,
        ("headway_event_loop_lag_seconds_count",): 1,
    }
    for (name, *labels), count in expected.items():
        assert value(metrics, name, **dict(labels)) == count, name


def test_how_the_worker_is_now() -> None:
    metrics = build(
        Condition(live=True, ready=False, draining=True, slots=9, running={"old.kind": 1}, link="deaf")
    )
    assert value(metrics, "headway_ready") == 0
    assert value(metrics, "headway_draining") == 1
    assert value(metrics, "headway_slots") == 9
    assert value(metrics, "headway_jobs_running", kind="old.kind") == 1
    assert value(metrics, "headway_jobs_running", kind="cv.parse") == 0
    assert value(metrics, "headway_link_status", status="deaf") == 1
    assert value(metrics, "headway_link_status", status="proven") == 0
    assert (value(metrics, "process_resident_memory_bytes") or 0) > 1e6


def test_two_workers_in_one_process_do_not_share_figures() -> None:
    one, other = build(), build()
    one.repeated("claim")
    assert value(other, "headway_request_repeats_total", function="claim") is None


def test_endless_new_codes_do_not_fill_the_memory() -> None:
    metrics = build()
    each = job()
    for n in range(1000):
        metrics.ended(each, "failed", 1.0, f"code-{n}")
    codes = {
        sample.labels["code"]
        for family in metrics.registry.collect()
        if family.name == "headway_job_failures"
        for sample in family.samples
    }
    assert len(codes) == 51
    assert value(metrics, "headway_job_failures_total", kind="cv.parse", code="other") == 950
    metrics.ended(each, "failed", 1.0, "code-7")
    assert value(metrics, "headway_job_failures_total", kind="cv.parse", code="code-7") == 2


def test_one_kinds_endless_codes_hide_nobody_elses() -> None:
    metrics = build()
    for n in range(1000):
        metrics.ended(job(), "failed", 1.0, f"code-{n}")
    metrics.requested("claim", 0.5, "timed_out")
    metrics.service_failed("notifier", "connect_failed")
    assert value(metrics, "headway_request_failures_total", function="claim", code="timed_out") == 1
    assert value(metrics, "headway_service_failures_total", service="notifier", code="connect_failed") == 1


def test_prometheus_reads_it_and_every_figure_is_explained() -> None:
    metrics = build()
    families = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    assert {family.name for family in families} >= {
        "headway_live",
        "headway_jobs_running",
        "headway_worker_info",
    }
    assert all(family.documentation for family in families)
