"""The engine's documents, as PostgREST and Realtime deliver them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

JOB = UUID("6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b")
OTHER = UUID("00000000-0000-4000-8000-000000000001")
TENANT = "9a5e0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b"


def moment(seconds: int) -> str:
    """So many seconds after a beginning, as Postgres writes it into JSON."""
    return f"2026-11-22T10:{seconds // 60 % 60:02}:{seconds % 60:02}.123456+00:00"


def brief(**fields: Any) -> dict[str, Any]:
    """A job in a list's message."""
    return {
        "id": str(JOB),
        "kind": "cv.parse",
        "status": "processing",
        "percent": 12.5,
        "stage": "parse",
        "message": "Reading",
        "attempt": 1,
        "run": 1,
        "seq": 3,
        "revision": 4,
        "batch_id": None,
        "parent_id": None,
        "updated_at": moment(3),
    } | fields


def state(**fields: Any) -> dict[str, Any]:
    """A job in its own messages, with the id that realtime.send gives the message beside it."""
    document = brief() | {
        "metrics": {"pages": 2},
        "run_at": moment(0),
        "waiting_for": None,
        "cancel_requested_at": None,
        "finished_at": None,
        "error": None,
    }
    document["job_id"] = document["id"]
    document["id"] = "11111111-2222-4333-8444-555555555555"
    return document | fields


def message(*events: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The payload of a ``job`` broadcast."""
    return state(**fields) | {"events": list(events)}


def event(seq: int, kind: str = "emitted", **fields: Any) -> dict[str, Any]:
    """An event as messages carry it."""
    document = {"seq": seq, "type": kind, "run": 1, "attempt": 1, "at": moment(seq), "data": {}}
    return document | fields


def row(seq: int, kind: str = "emitted", **fields: Any) -> dict[str, Any]:
    """An event as events_after answers it."""
    return event(seq, kind) | {"job_id": str(JOB)} | fields


def job_row(**fields: Any) -> dict[str, Any]:
    """A row of headway.jobs."""
    return (
        brief()
        | {
            "queue": "default",
            "priority": 5,
            "ready_order": None,
            "run_at": moment(0),
            "waiting_for": None,
            "waiting_on": None,
            "failures": 0,
            "max_attempts": 5,
            "stage_started_at": moment(2),
            "metrics": {"pages": 2},
            "error_code": None,
            "error_message": None,
            "error_hint": None,
            "error_step": None,
            "cancel_requested_at": None,
            "cancel_reason": None,
            "tenant_id": TENANT,
            "owner_id": TENANT,
            "organization_id": None,
            "project_id": None,
            "depth": 0,
            "tags": ["a", "b"],
            "retention": "7 days",
            "created_at": moment(0),
            "started_at": moment(1),
            "finished_at": None,
            "delete_after": None,
        }
        | fields
    )


def snapshot(**fields: Any) -> dict[str, Any]:
    """What headway.snapshot answers."""
    document = job_row()
    for hidden in ("ready_order", "error_code", "error_message", "error_hint", "error_step"):
        del document[hidden]
    return (
        document
        | {
            "error": None,
            "steps": [],
            "files": [],
            "attempts": [],
            "children": {},
            "batch": None,
            "cost": None,
            "eta": None,
            "stages": [{"name": "parse", "label": "Parsing", "weight": 1}],
            "push": "always",
            "result": None,
            "at": moment(9),
        }
        | fields
    )
