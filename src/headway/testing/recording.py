"""What one execution has said and done."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from headway.core.parts import Fault
from headway.worker.observations import Outcome
from headway.worker.suspension import Wait

__all__ = ["EmittedEvent", "LogLine", "Recording", "SubmittedChild", "Uploaded", "UsageEntry"]


@dataclass(frozen=True, slots=True)
class EmittedEvent:
    """One ``ctx.emit``."""

    name: str
    data: Any


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of ``ctx.log`` that the job's timeline would show."""

    level: str
    message: str


@dataclass(frozen=True, slots=True)
class UsageEntry:
    """One recorded call."""

    provider: str
    cost: Decimal
    quantity: Decimal
    model: str | None
    unit: str
    step: str | None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """One ``ctx.files.upload``."""

    name: str
    bucket: str
    path: str
    content_type: str | None
    content: bytes


@dataclass(frozen=True, slots=True)
class SubmittedChild:
    """One ``ctx.submit_child``."""

    id: UUID
    kind: str
    payload: Any
    fields: dict[str, Any]


@dataclass(slots=True)
class Recording:
    """One execution, as watchers and ledgers would know it.

    Attributes:
        outcome: How it ended.
        result: What the handler has answered, read into the type it declares; ``None`` unless completed.
        document: The same as plain JSON, as it would be stored.
        error: What it failed of, as the job would show it.
        exception: What was raised, if anything was.
        delay: Seconds until it would go on, of a retry or a snooze.
        wait: What it would wait for.
        stages: In the order they began.
        percents: Every percent that was reported; never falls.
        messages: Every message that was reported.
        metrics: As they were last.
        events: What was emitted, logs not among it.
        steps: Results of completed steps, those given beforehand included.
        steps_run: Names of the steps that were run, not remembered, in order.
        step_errors: By step, what it failed of.
        usage: Recorded calls.
        released: Reservations that were given back.
        uploads: By name.
        children: What was submitted.
        logs: What the timeline would show.
    """

    outcome: Outcome = "completed"
    result: Any = None
    document: Any = None
    error: Fault | None = None
    exception: BaseException | None = None
    delay: float | None = None
    wait: Wait | None = None
    message: str | None = None
    stages: list[str] = field(default_factory=list)
    percents: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    events: list[EmittedEvent] = field(default_factory=list)
    steps: dict[str, Any] = field(default_factory=dict)
    steps_run: list[str] = field(default_factory=list)
    step_errors: dict[str, Fault] = field(default_factory=dict)
    usage: list[UsageEntry] = field(default_factory=list)
    released: int = 0
    uploads: dict[str, Uploaded] = field(default_factory=dict)
    children: list[SubmittedChild] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)

    @property
    def cost(self) -> Decimal:
        """What all recorded calls cost."""
        return sum((entry.cost for entry in self.usage), Decimal(0))
