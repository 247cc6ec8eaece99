"""How an execution ended, and how the engine is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from headway.core.parts import Fault
from headway.worker.observations import Outcome
from headway.worker.store import Lease
from headway.worker.suspension import Wait

__all__ = ["LOST", "Ending", "FinishWord"]

FinishWord: TypeAlias = Literal[
    "completed", "failed", "retry", "snooze", "release", "cancelled", "wait", "lost"
]

_OUTCOMES: dict[FinishWord, Outcome] = {
    "completed": "completed",
    "failed": "failed",
    "retry": "retried",
    "snooze": "snoozed",
    "release": "released",
    "cancelled": "cancelled",
    "wait": "waiting",
    "lost": "lost",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of an execution.

    Attributes:
        word: What ``finish`` calls it; ``lost`` is not told, for it would not be heard.
        result: Plain JSON, of a completed one.
        fault: Of a failed one.
        delay: Seconds until it goes on, of a retry or a snooze.
        wait: What it waits for.
        message: The last message for people, if it changes with the end.
        metrics: The last metrics, if they change with the end.
        cause: What was raised, for the worker's log.
    """

    word: FinishWord
    result: Any = None
    fault: Fault | None = None
    delay: float | None = None
    wait: Wait | None = None
    message: str | None = None
    metrics: dict[str, Any] | None = None
    cause: BaseException | None = None

    @property
    def outcome(self) -> Outcome:
        """As the engine's ``attempts`` call it."""
        return _OUTCOMES[self.word]

    def document(self, lease: Lease) -> dict[str, Any]:
        """As ``finish`` takes it."""
        document = lease.fields()
        document["outcome"] = self.word
        if self.word == "completed":
            document["result"] = self.result
        if self.fault is not None:
            document["error"] = self.fault.model_dump(exclude_none=True)
        if self.delay is not None:
            document["delay_seconds"] = round(self.delay, 3)
        if self.wait is not None:
            document["for"] = self.wait.what
            if self.wait.signal is not None:
                document["signal"] = self.wait.signal
            if self.wait.seconds is not None:
                document["timeout_seconds"] = max(1, round(self.wait.seconds, 3))
        if self.message is not None:
            document["message"] = self.message
        if self.metrics is not None:
            document["metrics"] = self.metrics
        return document


LOST = Ending("lost")
