"""Documents of the engine become values, or an error that names the field and keeps secrets."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from headway.core.answers import (
    BatchSnapshot,
    Cancelled,
    Retried,
    Signalled,
    Submitted,
    SubmittedMany,
    Watching,
)
from headway.core.event import EVENT_TYPES, JobEvent
from headway.core.job import ENDS, STATUSES, JobRecord, JobState, Snapshot
from headway.core.lease import Beaten, Claimed, Finished
from headway.core.message import (
    BatchesMessage,
    JobMessage,
    JobsMessage,
    job_topic,
    organization_topic,
    project_topic,
    user_topic,
)
from headway.core.validation import Answer, field_path, read_answer, read_answers
from headway.errors import SchemaMismatch

from .documents import JOB, TENANT, brief, event, job_row, message, moment, row, snapshot, state


def test_a_message_is_of_the_job_and_not_of_the_id_that_realtime_adds() -> None:
    told = read_answer(JobMessage, message(event(3)), "message")
    assert told.id == JOB
    assert [fact.seq for fact in told.events] == [3]


def test_a_row_spreads_its_error_over_columns() -> None:
    record = read_answer(
        JobRecord, job_row(error_code="boom", error_message="No", error_hint=None, error_step="parse"), "row"
    )
    assert record.error is not None
    assert (record.error.code, record.error.message, record.error.step) == ("boom", "No", "parse")
    assert read_answer(JobRecord, job_row(), "row").error is None


def test_a_snapshot_with_all_its_parts() -> None:
    shown = read_answer(
        Snapshot,
        snapshot(
            steps=[
                {"name": "a", "status": "completed", "attempt": 1, "started_at": moment(1), "result": [1]},
                {
                    "name": "b",
                    "status": "completed",
                    "attempt": 1,
                    "started_at": moment(1),
                    "result_omitted": True,
                },
            ],
            files=[{"direction": "input", "name": "cv", "bucket": "cvs", "path": "u/cv.pdf", "bytes": 9}],
            attempts=[
                {"attempt": 1, "run": 1, "outcome": "lost", "started_at": moment(1), "ended_at": moment(2)}
            ],
            children={"completed": 2, "pending": 1},
            batch={"id": TENANT, "name": None, "total": 5, "completed": 2, "failed": 1, "cancelled": 0},
            cost=json.loads('{"spent": 0.1, "reserved": 0, "budget": 1.000000000001, "calls": 3}'),
            eta={"seconds": 4.5, "at": moment(8), "runs": 12},
            result={"ok": True},
        ),
        "snapshot",
    )
    assert [step.result_omitted for step in shown.steps] == [False, True]
    assert shown.files[0].bytes == 9
    assert shown.attempts[0].outcome == "lost"
    assert shown.children == {"completed": 2, "pending": 1}
    assert shown.batch is not None
    assert shown.batch.open == 2
    assert shown.cost is not None
    # Exactly what was written, not the nearest binary fraction.
    assert (shown.cost.spent, shown.cost.budget) == (Decimal("0.1"), Decimal("1.000000000001"))
    assert shown.eta is not None
    assert shown.eta.runs == 12
    assert shown.stages[0].label == "Parsing"
    assert shown.result == {"ok": True}
    assert shown.tags == ("a", "b")


def test_fields_that_a_newer_engine_adds_are_no_fault() -> None:
    newer = snapshot(colour="red")
    newer["stages"][0]["icon"] = "x"
    assert read_answer(Snapshot, newer, "snapshot").id == JOB
    assert read_answer(JobMessage, message(event(3, colour="red"), shape=4), "message").seq == 3


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (snapshot(status="on fire"), "status"),
        (snapshot(percent=101), "percent"),
        (snapshot(percent=float("nan")), "percent"),
        (snapshot(seq=0), "seq"),
        (snapshot(updated_at="yesterday"), "updated_at"),
        (snapshot(id="hush-secret"), "id"),
        ({name: value for name, value in snapshot().items() if name != "kind"}, "kind"),
        (
            snapshot(
                steps=[
                    {
                        "name": "a",
                        "status": "hush-secret",
                        "attempt": 1,
                        "started_at": moment(1),
                        "result": "hush-secret",
                    }
                ]
            ),
            "steps[0].status",
        ),
        (snapshot(cost={"spent": "hush-secret", "reserved": 0, "calls": 0}), "cost.spent"),
        ("hush-secret", ""),
        (None, ""),
    ],
)
def test_a_malformed_answer_names_the_field_and_not_its_content(document: Any, field: str) -> None:
    with pytest.raises(SchemaMismatch) as raised:
        read_answer(Snapshot, document, "snapshot")
    assert raised.value.details == field
    assert field in raised.value.message
    assert raised.value.hint is not None
    assert "hush-secret" not in f"{raised.value} {raised.value.details} {raised.value.__cause__}"
    assert raised.value.__suppress_context__


def test_a_malformed_entry_of_a_list_is_named_by_its_place() -> None:
    with pytest.raises(SchemaMismatch, match=r"\[1\]\.type"):
        read_answers(JobEvent, [row(1), row(2, "exploded")], "events")
    with pytest.raises(SchemaMismatch):
        read_answers(JobEvent, {"message": "no list"}, "events")
    assert field_path(("a", 3, "b")) == "a[3].b"


def test_values_cannot_be_changed() -> None:
    job = read_answer(JobState, state(), "state")
    with pytest.raises(ValidationError):
        job.percent = 3  # type: ignore[misc]


def test_ends_are_statuses_and_events() -> None:
    assert set(STATUSES) > ENDS
    assert set(EVENT_TYPES) > ENDS
    assert [name for name in EVENT_TYPES if read_answer(JobEvent, event(1, name), "event").ends] == sorted(
        ENDS, key=["completed", "failed", "cancelled"].index
    )


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (
            "stage_started",
            {"stage": "parse", "percent": 30, "message": None},
            {"stage": "parse", "percent": 30.0},
        ),
        ("step_started", {"step": "a"}, {"step": "a"}),
        ("step_completed", {"step": "a", "result": {"n": 1}}, {"step": "a", "result": {"n": 1}}),
        ("step_completed", {"step": "a", "result_omitted": True}, {"result_omitted": True, "result": None}),
        ("emitted", {"name": "slide", "data": {"text": "x"}}, {"name": "slide", "output": {"text": "x"}}),
        ("signalled", {"name": "approve"}, {"name": "approve"}),
        ("waiting", {"for": "signal", "on": "approve", "until": moment(5)}, {"waits_for": "signal"}),
        ("cancelled", {"reason": "enough"}, {"reason": "enough", "fault": None}),
    ],
)
def test_an_events_data_is_typed(kind: str, data: dict[str, Any], expected: dict[str, Any]) -> None:
    fact = read_answer(JobEvent, event(2, kind, data=data), "event")
    assert {name: getattr(fact, name) for name in expected} == expected
    assert fact.data == data


def test_a_failure_tells_what_and_until_when() -> None:
    data = {"code": "busy", "message": "Later", "failures": 1, "max_attempts": 5, "retry_at": moment(30)}
    fact = read_answer(JobEvent, event(4, "retry_scheduled", data=data), "event")
    assert fact.fault is not None
    assert (fact.fault.code, fact.fault.message) == ("busy", "Later")
    assert fact.until is not None
    assert fact.until.second == 30


def test_an_event_cannot_pretend_by_fields_beside_its_data() -> None:
    fact = read_answer(JobEvent, event(4, "started", stage="forged", output=1, fault={"code": "x"}), "event")
    assert (fact.stage, fact.output, fact.fault) == (None, None, None)


def test_a_malformed_date_in_an_events_data_is_named() -> None:
    with pytest.raises(SchemaMismatch, match="until"):
        read_answer(JobEvent, event(4, "snoozed", data={"until": "soon"}), "event")


def test_every_type_but_a_signal_tells_the_status() -> None:
    silent = [n for n in EVENT_TYPES if read_answer(JobEvent, event(1, n), "event").status_after is None]
    assert silent == ["signalled"]


def test_list_messages_and_topics() -> None:
    told = read_answer(JobsMessage, {"jobs": [brief()], "count": 30, "truncated": True}, "message")
    assert told.truncated
    batch = {
        "id": TENANT,
        "name": "b",
        "total": 2,
        "completed": 1,
        "failed": 0,
        "cancelled": 0,
        "finished_at": None,
    }
    assert read_answer(BatchesMessage, {"batches": [batch], "id": TENANT}, "message").batches[0].open == 1
    assert job_topic(JOB) == f"job:{JOB}"
    assert user_topic(JOB) == f"user:{JOB}:jobs"
    assert organization_topic(JOB) == f"org:{JOB}:jobs"
    assert project_topic(JOB) == f"project:{JOB}:jobs"


def claimed(**fields: Any) -> dict[str, Any]:
    names = ("kind", "queue", "priority", "run", "failures", "max_attempts", "tags", "tenant_id", "owner_id")
    common = {name: job_row()[name] for name in (*names, "created_at")}
    return (
        common
        | {
            "job_id": str(JOB),
            "attempt": 1,
            "lease_token": TENANT,
            "lease_expires_at": moment(30),
            "deadline_at": moment(59),
            "timeout_seconds": 900,
            "payload": {"password": "hush-secret"},
            "steps": {"a": 1},
            "signals": {},
            "files": [],
            "organization_id": None,
            "project_id": None,
            "parent_id": None,
            "batch_id": None,
            "cost_budget": 0.1,
            "cost_spent": 0,
            "cancel_requested": False,
        }
        | fields
    )


def test_a_claim_does_not_show_its_token_or_payload() -> None:
    lease = read_answer(Claimed, claimed(), "claim")
    assert lease.cost_budget == Decimal("0.1")
    assert TENANT not in repr(lease).replace(f"tenant_id=UUID('{TENANT}')", "").replace(
        f"owner_id=UUID('{TENANT}')", ""
    )
    assert "hush-secret" not in repr(lease)


ANSWERS: list[tuple[type[Answer], dict[str, Any]]] = [
    (
        Submitted,
        {
            "id": str(JOB),
            "status": "pending",
            "created": False,
            "merged": "unique_key",
            "kind": "a",
            "queue": "q",
            "seq": 1,
            "run_at": moment(1),
            "created_at": moment(1),
        },
    ),
    (SubmittedMany, {"jobs": [], "batch_id": None}),
    (
        Cancelled,
        {"id": str(JOB), "status": "cancelled", "changed": True, "jobs": 1, "cancel_requested_at": moment(1)},
    ),
    (Retried, {"id": str(JOB), "status": "pending", "changed": True, "run": 2}),
    (Signalled, {"state": "delivered"}),
    (Watching, {"topics": ["job:x"], "expires_at": moment(1)}),
    (
        Beaten,
        {"job_id": str(JOB), "attempt": 1, "state": "cancel", "cancel_reason": "x", "lease_expires_at": None},
    ),
    (
        Finished,
        {"job_id": str(JOB), "attempt": 1, "state": "lost", "status": None, "code": "HW001", "reason": "x"},
    ),
    (
        BatchSnapshot,
        {
            "id": TENANT,
            "total": 1,
            "completed": 0,
            "failed": 0,
            "cancelled": 0,
            "percent": 5,
            "open": 1,
            "at": moment(1),
        },
    ),
]


@pytest.mark.parametrize(("model", "document"), ANSWERS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_answer_is_read_and_a_lacking_field_is_named(
    model: type[Answer], document: dict[str, Any]
) -> None:
    assert read_answer(model, document, "answer")
    required = [name for name, info in model.model_fields.items() if info.is_required()]
    for name in required:
        with pytest.raises(SchemaMismatch, match=name):
            read_answer(model, {k: v for k, v in document.items() if k != name}, "answer")
