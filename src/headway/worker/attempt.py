"""One execution of a job in this process: its lease, what it has said, and its reasons to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from headway.core.json_limits import storable
from headway.core.lease import Claimed
from headway.core.parts import FileRef
from headway.core.stages import StageProgress
from headway.errors import InvalidRequest
from headway.worker.job import JobInfo
from headway.worker.json_text import dump
from headway.worker.registry import JobSpec
from headway.worker.reports import Reports
from headway.worker.store import Lease

__all__ = ["Attempt", "StopReason", "plain_text"]

StopReason: TypeAlias = Literal["cancelled", "lost", "timeout", "released"]

_LARGEST_METRICS = 4096
_LONGEST_MESSAGE = 1000


@dataclass(slots=True)
class Printed:
    """What one execution has printed.

    Attributes:
        characters: How many were taken.
        rest: The last line, while it is not ended.
        cut: Whether it was too much.
    """

    characters: int = 0
    rest: str = ""
    cut: bool = False


class Attempt:
    """One execution.

    Args:
        spec: How its kind is run here.
        claimed: What the engine has handed out.
        started: When it was asked for, by ``clock``.
        clock: A monotonic clock.

    Attributes:
        stop_reason: Why it is to stop at once, once it is.
        stop_message: What was said of that.
        told_to_stop: Whether it was asked to finish up.
        ended: Whether its outcome is decided.
        printed: What it has printed.
        made: Files that it has stored.
        on_stop: Called once, from the thread that decides, when it is to stop at once.
    """

    def __init__(
        self,
        spec: JobSpec,
        claimed: Claimed,
        *,
        started: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec = spec
        self.claimed = claimed
        self.job = JobInfo.of(claimed)
        self.lease = Lease(claimed.job_id, claimed.attempt, claimed.lease_token)
        self.reports = Reports()
        self.started = clock() if started is None else started
        self.stop_reason: StopReason | None = None
        self.stop_message: str | None = None
        self.told_to_stop = False
        self.ended = False
        self.on_stop: Callable[[], object] | None = None
        self.reported_at = 0.0
        self.printed = Printed()
        self.made: list[FileRef] = []
        self._clock = clock
        self._progress = StageProgress(spec.plan)
        self._metrics: dict[str, Any] = {}

    @property
    def stopping(self) -> bool:
        """Whether it is to stop at once."""
        return self.stop_reason is not None

    @property
    def lost(self) -> bool:
        """Whether another worker owns the job, so that nothing more can be written."""
        return self.stop_reason == "lost"

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self._clock() - self.started

    @property
    def time_left(self) -> float:
        """Seconds until its hard timeout."""
        return max(0.0, self.spec.timeout - self.elapsed)

    @property
    def stage(self) -> str | None:
        """The current stage."""
        return self._progress.stage

    def stop(self, reason: StopReason, message: str | None = None) -> bool:
        """It is to stop at once; whether this is news. A lost lease overrides every other reason."""
        if self.ended or self.stop_reason == "lost" or (self.stop_reason is not None and reason != "lost"):
            return False
        first = self.stop_reason is None
        self.stop_reason, self.stop_message, self.told_to_stop = reason, message, True
        if first and self.on_stop is not None:
            self.on_stop()
        return True

    def enter_stage(self, name: str, message: str | None) -> None:
        """A stage begins; raises ``InvalidRequest`` when the kind has none of that name."""
        if self._progress.stage == name and message is None:
            return
        again = self._progress.stage == name
        percent = self._progress.enter(name)
        text = plain_text(message)
        if again:
            self.reports.progress(percent, text)
        else:
            self.reports.stage(name, percent, text)

    def advance(self, done: float, total: float, message: str | None) -> None:
        """So much of the stage is done; raises ``InvalidRequest`` for impossible numbers."""
        before = self._progress.percent
        percent = self._progress.advance(done, total)
        if percent != before or message is not None:
            self.reports.progress(percent, plain_text(message))

    def add_metrics(self, figures: Mapping[str, Any]) -> None:
        """Merge figures into the metrics; raises ``InvalidRequest`` when the engine could not store them."""
        merged = self._metrics | {str(name): value for name, value in figures.items()}
        plain = storable({name: v for name, v in merged.items() if v is not None}, "metrics")
        # As Postgres writes it out: with a space after each colon and comma.
        if len(dump(plain)) * 1.1 > _LARGEST_METRICS:
            raise InvalidRequest(
                f"metrics: have more than {_LARGEST_METRICS} bytes",
                hint="Keep figures there; emit larger things, or store them as a step's result or a file.",
                code="HW104",
                details="metrics",
            )
        if plain != self._metrics:
            self._metrics = plain
            self.reports.metrics(plain)

    def log_fields(self) -> dict[str, object]:
        """The fixed keys of structured logs."""
        return {
            "job": str(self.job.id),
            "kind": self.job.kind,
            "queue": self.job.queue,
            "attempt": self.job.attempt,
        }


def plain_text(text: object, longest: int = _LONGEST_MESSAGE) -> str | None:
    """A text as Postgres can store it: without NUL and half surrogate pairs, and not too long."""
    if text is None:
        return None
    return str(text)[:longest].replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
