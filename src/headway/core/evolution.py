"""What a job was right after an event, as far as the event tells.

A watcher that catches up reads old events long after the job has moved on. What it shows beside each of them
is computed here from the state before, so that a replay never shows the future.
"""

from __future__ import annotations

from typing import Any

from headway.core.event import JobEvent
from headway.core.job import JobState

__all__ = ["state_after", "state_before_history"]


def state_before_history(latest: JobState) -> JobState:
    """A job of which only its identity is known, to apply events to that are older than its latest state.

    Args:
        latest: Any later state. Only its status is guessed from: events tell it, ``signalled`` excepted.
    """
    return latest.model_copy(
        update={
            "status": "processing" if latest.ended else latest.status,
            "percent": 0.0,
            "stage": None,
            "message": None,
            "metrics": {},
            "waiting_for": None,
            "cancel_requested_at": None,
            "finished_at": None,
            "error": None,
            "revision": 1,
        }
    )


def state_after(state: JobState, event: JobEvent) -> JobState:
    """The state after the next event.

    Exact in everything that the event tells; ``revision``, ``metrics`` and, between two stages, ``percent``
    and ``message`` stay those of the last state that was received.

    Args:
        state: The state before.
        event: The event with the next ``seq``.
    """
    changes: dict[str, Any] = {
        "seq": event.seq,
        "run": event.run,
        "attempt": event.attempt,
        "updated_at": event.at,
        "status": event.status_after or state.status,
    }
    if event.type == "started":
        changes |= {"error": None, "waiting_for": None}
    elif event.type == "stage_started":
        changes |= {"stage": event.stage, "message": event.message}
        if event.percent is not None:
            changes["percent"] = event.percent
    elif event.type in ("retry_scheduled", "lost"):
        changes |= {"percent": 0.0, "error": event.fault}
    elif event.type == "waiting":
        changes["waiting_for"] = event.waits_for
    elif event.type == "resumed":
        changes |= {"waiting_for": None, "run_at": event.at}
    elif event.type == "cancel_requested":
        changes["cancel_requested_at"] = event.at
    elif event.type == "retried":
        changes |= {
            "percent": 0.0,
            "stage": None,
            "message": None,
            "error": None,
            "cancel_requested_at": None,
            "finished_at": None,
            "run_at": event.at,
        }
    if event.until is not None:
        changes["run_at"] = event.until
    if event.ends:
        changes |= {"finished_at": event.at, "waiting_for": None, "error": event.fault}
    if event.type == "completed":
        changes["percent"] = 100.0
    if event.type == "cancelled" and state.cancel_requested_at is None:
        changes["cancel_requested_at"] = event.at
    return state.model_copy(update=changes)
