"""A job's events: append-only facts, numbered 1, 2, 3 … within the job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, model_validator

from headway.core.job import ENDS, JobStatus
from headway.core.parts import Fault
from headway.core.validation import Answer

__all__ = ["EVENT_TYPES", "EventType", "JobEvent"]

EventType: TypeAlias = Literal[
    "submitted",
    "replaced",
    "started",
    "stage_started",
    "step_started",
    "step_completed",
    "step_failed",
    "emitted",
    "file_added",
    "retry_scheduled",
    "snoozed",
    "released",
    "lost",
    "waiting",
    "signalled",
    "resumed",
    "cancel_requested",
    "retried",
    "completed",
    "failed",
    "cancelled",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
"""Every type there is; the engine's contract version rises when one is added."""

_STATUS_AFTER: dict[EventType, JobStatus | None] = {
    "submitted": "pending",
    "replaced": "pending",
    "started": "processing",
    "stage_started": "processing",
    "step_started": "processing",
    "step_completed": "processing",
    "step_failed": "processing",
    "emitted": "processing",
    "file_added": "processing",
    "retry_scheduled": "pending",
    "snoozed": "pending",
    "released": "pending",
    "lost": "pending",
    "waiting": "pending",
    "signalled": None,
    "resumed": "pending",
    "cancel_requested": "processing",
    "retried": "pending",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
_FAULTY = frozenset({"retry_scheduled", "lost", "failed", "step_failed"})
_FIELDS = frozenset({"seq", "type", "run", "attempt", "at", "data", "data_omitted", "job_id"})


class JobEvent(Answer):
    """One fact about a job.

    Attributes:
        seq: Its number; there are no holes.
        run: 1, plus one for every retry by a person.
        attempt: The attempt that it belongs to; 0 before the first.
        data: What the engine stored with it; the attributes below are read from it, for the types that have
            them, and ``None`` otherwise.
        data_omitted: It was too large for the message (16 kB): read ``events_after``.
        stage: ``stage_started``: the stage.
        percent: ``stage_started``: the job's percent at that moment.
        message: ``stage_started``: the job's message at that moment.
        step: ``step_…``: the step.
        result: ``step_completed``, ``completed``: what the step or the job has answered.
        result_omitted: That was too large for an event: read ``job_steps`` or ``job_outputs``.
        name: ``emitted``, ``signalled``: its name.
        output: ``emitted``: the partial output.
        until: ``retry_scheduled``, ``lost``, ``snoozed``, ``released``, ``waiting``: when the job goes on.
        waits_for: ``waiting``: for ``children`` or a ``signal``.
        fault: ``retry_scheduled``, ``lost``, ``failed``, ``step_failed``: what went wrong.
        reason: ``cancel_requested``, ``cancelled``: why.
    """

    seq: int = Field(ge=1)
    type: EventType
    run: int = Field(ge=1)
    attempt: int = Field(ge=0)
    at: datetime
    data: dict[str, Any] = Field(default_factory=dict)
    data_omitted: bool = False
    job_id: UUID | None = None

    stage: str | None = None
    percent: float | None = None
    message: str | None = None
    step: str | None = None
    result: Any = None
    result_omitted: bool = False
    name: str | None = None
    output: Any = None
    until: datetime | None = None
    waits_for: Literal["children", "signal"] | None = None
    fault: Fault | None = None
    reason: str | None = None

    @property
    def ends(self) -> bool:
        """Whether the run ends with it: ``completed``, ``failed`` or ``cancelled``."""
        return self.type in ENDS

    @property
    def has_result(self) -> bool:
        """Whether a ``completed`` tells what the job has answered, which it does up to 8 kB."""
        return self.type == "completed" and "result" in self.data

    @property
    def status_after(self) -> JobStatus | None:
        """The job's status from here on; ``None`` when this type leaves it as it was."""
        return _STATUS_AFTER[self.type]

    @model_validator(mode="before")
    @classmethod
    def _read_data(cls, document: Any) -> Any:
        if not isinstance(document, Mapping):
            return document
        event = {name: value for name, value in document.items() if name in _FIELDS}
        data = event.get("data")
        if isinstance(data, Mapping):
            event |= _typed(event.get("type"), data)
        return event


def _typed(event_type: object, data: Mapping[str, Any]) -> dict[str, Any]:
    typed: dict[str, Any] = {}
    if event_type == "stage_started":
        typed = {name: data.get(name) for name in ("stage", "percent", "message")}
    elif event_type in ("step_started", "step_completed", "step_failed"):
        typed = {"step": data.get("step"), "result": data.get("result")}
        typed["result_omitted"] = data.get("result_omitted", False)
    elif event_type == "emitted":
        typed = {"name": data.get("name"), "output": data.get("data")}
    elif event_type == "completed":
        typed = {"result": data.get("result"), "result_omitted": data.get("result_omitted", False)}
    elif event_type == "signalled":
        typed = {"name": data.get("name")}
    elif event_type in ("snoozed", "released", "waiting"):
        typed = {"until": data.get("until"), "waits_for": data.get("for")}
    elif event_type in ("cancel_requested", "cancelled"):
        typed = {"reason": data.get("reason")}
    if event_type in _FAULTY:
        typed["until"] = data.get("retry_at")
        if data.get("code") is not None:
            typed["fault"] = {"message": "", **{name: data[name] for name in _FAULT_PARTS if name in data}}
    return typed


_FAULT_PARTS = ("code", "message", "hint", "step")
