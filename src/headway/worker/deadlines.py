"""How long a job waits in all, over executions and whatever the workers' clocks say."""

from __future__ import annotations

from datetime import datetime, timedelta

from headway.worker.attempt import Attempt
from headway.worker.store import Store

__all__ = ["server_now", "wait_deadline"]

LONGEST_WAIT = 2_592_000.0


def server_now(attempt: Attempt) -> datetime:
    """The present moment by the server's clock, as the claim has told it."""
    claimed = attempt.claimed
    began = claimed.deadline_at - timedelta(seconds=claimed.timeout_seconds)
    return began + timedelta(seconds=attempt.elapsed)


async def wait_deadline(attempt: Attempt, store: Store, name: str, seconds: float | None) -> float:
    """Seconds left of a wait; 0 or less when it is over.

    The first execution that waits stores the moment as a step, so that later ones know how long was waited.

    Args:
        attempt: The execution.
        store: Where steps are kept.
        name: Of the step.
        seconds: How long to wait in all; 30 days when ``None``.
    """
    stored = attempt.claimed.steps.get(name)
    if stored is None:
        until = server_now(attempt) + timedelta(seconds=LONGEST_WAIT if seconds is None else seconds)
        answer = await store.checkpoint(attempt.lease, name, "completed", result={"until": until.isoformat()})
        stored = answer.result if answer.state == "repeated" else {"until": until.isoformat()}
    return (datetime.fromisoformat(stored["until"]) - server_now(attempt)).total_seconds()
