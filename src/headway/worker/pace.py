"""How often a worker beats, and how often each of its jobs may say something."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from headway.worker.attempt import Attempt

__all__ = ["Pace"]

# Each job's change is one message to its watchers and one to a list.
_MESSAGES_PER_CHANGE = 2
_WATCHED_SHARE = 0.2
_MOST_PER_SECOND = 4.0
_MOST_FLUSHES_PER_SECOND = 4.0
_MOST_URGENT_PER_SECOND = 8.0
# With fewer jobs than this, what is urgent goes at once.
_FEW = 40


class Pace:
    """The rule behind heartbeats and reports.

    A job reports at most 4 times a second, and less often when many run: all of them together stay below what
    the project's plan lets Realtime send. Stages, events and ends go at once, gathered only when there are
    many.

    Args:
        lease_seconds: How long a lease lasts.
        messages_per_second: Realtime messages that this worker's progress may cause.
    """

    def __init__(self, *, lease_seconds: float, messages_per_second: float) -> None:
        self._lease_seconds = lease_seconds
        self._messages = messages_per_second
        self._flushed_at = 0.0
        self.hears_cancels = False
        """Whether requests to cancel are told at once; if not, they are asked for within a second."""

    @property
    def beat_seconds(self) -> float:
        """Seconds between two beats for everybody."""
        calm = self._lease_seconds / 4
        return calm if self.hears_cancels else min(calm, 0.8)

    def weight(self, attempt: Attempt) -> float:
        """How many messages a change of a job causes, about; kinds pushed while watched have few watchers."""
        return _MESSAGES_PER_CHANGE * (_WATCHED_SHARE if attempt.spec.push == "watched" else 1.0)

    def due_at(self, attempt: Attempt, weight: float) -> float:
        """When a job's pending progress may be sent, by ``time.monotonic()``.

        Args:
            attempt: The execution.
            weight: Of all that run.
        """
        interval = max(1 / _MOST_PER_SECOND, weight / self._messages)
        return max(attempt.reported_at + interval, self._flushed_at + 1 / _MOST_FLUSHES_PER_SECOND)

    def urgent_at(self, running: int) -> float:
        """When what is urgent may be sent."""
        return 0.0 if running < _FEW else self._flushed_at + 1 / _MOST_URGENT_PER_SECOND

    def beaten(self, attempts: Iterable[Attempt], frames: Mapping[UUID, Any]) -> None:
        """The engine has taken what some jobs had to say."""
        now = time.monotonic()
        for attempt in attempts:
            if frames[attempt.job.id] is not None:
                attempt.reported_at = now
                self._flushed_at = now
