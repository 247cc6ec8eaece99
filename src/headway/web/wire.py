"""The form in which browsers receive updates.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html. The ``id`` of an event is the job's
``seq``, so that a browser's ``Last-Event-ID`` says what it has seen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from headway.core.answers import BatchSnapshot
from headway.core.feed import Update
from headway.core.listing import JobUpdate
from headway.errors import HeadwayError, InvalidRequest
from headway.web.problems import problem

__all__ = [
    "HEADERS",
    "HEARTBEAT",
    "Told",
    "WireEvent",
    "encode",
    "has_ended",
    "problem_event",
    "read_last_event_id",
    "wire_event",
]

Told = Update | JobUpdate | BatchSnapshot
"""What a watch of one job, of a list, or of a batch yields."""

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Neither caches nor proxies may hold the stream back."""
HEARTBEAT = b": \n\n"
"""A comment, which browsers ignore and proxies take for life."""


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One server-sent event.

    Attributes:
        data: JSON on one line.
        id: What a browser sends as ``Last-Event-ID`` when it comes back; ``None`` where nothing is resumed.
        name: ``message`` is the default, which browsers hand to ``onmessage``.
    """

    data: str
    id: str | None = None
    name: str | None = None


def wire_event(told: Told) -> WireEvent:
    """An update as an event.

    Its data, for a job: ``seq``, ``status``, ``percent``, ``stage``, ``message``, ``metrics``, ``run``,
    ``attempt``, ``run_at``, ``error``, ``eta`` (seconds left, and the moment), ``event`` (``type``, ``at``,
    ``data``; null when only the progress has changed), ``ended``. For a list: ``job``, ``appeared``,
    ``ended``. For a batch: its counts.
    """
    if isinstance(told, JobUpdate):
        document = {"job": told.job.model_dump(mode="json"), "appeared": told.appeared, "ended": told.ended}
        return WireEvent(_json(document))
    if isinstance(told, BatchSnapshot):
        # The end alone has an id: whoever comes back with it need not be told again.
        end = told.finished_at.isoformat() if told.finished_at is not None else None
        return WireEvent(_json(told.model_dump(mode="json") | {"ended": end is not None}), id=end)
    job = told.job
    state = job.model_dump(
        mode="json",
        include={"status", "percent", "stage", "message", "metrics", "run", "attempt", "run_at", "error"},
    )
    event = told.event
    document = {
        "id": str(job.id),
        "kind": job.kind,
        "seq": told.seq,
        **state,
        "eta": told.eta.model_dump(mode="json", include={"seconds", "at"}) if told.eta else None,
        "event": event.model_dump(mode="json", include={"type", "at", "data"}) if event else None,
        "ended": told.ended,
    }
    return WireEvent(_json(document), id=str(told.seq))


def has_ended(told: Told) -> bool:
    """Whether this is an end as it is found, rather than one that has just come about."""
    if isinstance(told, BatchSnapshot):
        return told.finished_at is not None
    return isinstance(told, Update) and told.ended and told.event is None


def problem_event(error: HeadwayError) -> WireEvent:
    """What ended a stream before the job did, under the name ``problem``; as little as ``problem`` tells."""
    _, _, body = problem(error)
    return WireEvent(_json({name: body[name] for name in ("code", "message", "hint")}), name="problem")


def encode(event: WireEvent) -> bytes:
    """An event as it is sent."""
    lines = [f"event: {event.name}"] if event.name else []
    lines += [f"id: {event.id}"] if event.id else []
    return ("\n".join([*lines, f"data: {event.data}"]) + "\n\n").encode()


def read_last_event_id(text: str | None) -> int | None:
    """The ``seq`` that a browser has seen.

    Args:
        text: The header ``Last-Event-ID``; ``None`` or empty when the browser comes for the first time.

    Raises:
        InvalidRequest: it is none of ours.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidRequest(
            "Last-Event-ID: is no whole number",
            hint="Send the id of the last event that was received, or leave it out.",
            code="HW103",
            details="Last-Event-ID",
            status=400,
        )
    return int(text)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
