"""What is to be seen of some jobs: folded from their updates, ready to be drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import UUID

from headway.core.feed import Update
from headway.core.job import JobStatus
from headway.core.parts import Eta, Fault, Stage
from headway.display.plain_text import one_line, safe_text

__all__ = ["Board", "JobCard", "StageMark"]

StageState: TypeAlias = Literal["done", "now", "todo", "failed"]
_MOST_OUTPUTS = 50


@dataclass(frozen=True, slots=True)
class StageMark:
    """A stage and where the job stands with it."""

    name: str
    label: str
    state: StageState


@dataclass(slots=True)
class JobCard:
    """One job as it is shown.

    Attributes:
        title: What people call it.
        named: Whether somebody has called it so; else its kind is part of its title once it is known.
        outputs: Its latest partial outputs, each on one line.
        produced: How many outputs there were.
        notes: What the handler has logged, the latest.
    """

    id: UUID
    title: str
    named: bool = True
    status: JobStatus = "pending"
    percent: float = 0.0
    message: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    error: Fault | None = None
    ended: bool = False
    attempt: int = 0
    outputs: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_OUTPUTS))
    produced: int = 0
    note: str | None = None
    _stages: list[Stage] = field(default_factory=list)
    _stage: str | None = None
    _began: float | None = None
    _finished: float | None = None
    _eta: tuple[Eta, float] | None = None

    @property
    def stages(self) -> tuple[StageMark, ...]:
        """The stages that are known, in order."""
        names = [stage.name for stage in self._stages]
        place = names.index(self._stage) if self._stage in names else -1
        return tuple(
            StageMark(stage.name, safe_text(stage.label or stage.name), self._state(number, place))
            for number, stage in enumerate(self._stages)
        )

    def _state(self, number: int, place: int) -> StageState:
        if self.status == "completed" or number < place:
            return "done"
        if number > place:
            return "todo"
        return "failed" if self.ended else "now"

    def elapsed(self, now: float) -> float | None:
        """Seconds since work began; ``None`` before."""
        return None if self._began is None else (self._finished or now) - self._began

    def remaining(self, now: float) -> float | None:
        """Seconds until the probable end; ``None`` when nobody knows."""
        if self._eta is None or self.ended or self.status != "processing":
            return None
        eta, known_at = self._eta
        left = eta.seconds - (now - known_at)
        # An estimate that has run out says nothing any more.
        return left if left >= 1 else None

    def take(self, update: Update, now: float) -> None:
        """Take in one update."""
        job, snapshot, event = update.job, update.snapshot, update.event
        if snapshot is not None:
            self._stages = list(snapshot.stages)
            if snapshot.started_at is not None:
                since = ((snapshot.finished_at or snapshot.at) - snapshot.started_at).total_seconds()
                self._began = now - max(since, 0.0)
        if event is not None and event.type == "retried":
            self._began = self._finished = self._eta = None
        if job.status == "processing" and self._began is None:
            self._began = now
        if event is not None and event.type == "emitted":
            if event.name == "log":
                self.note = one_line(event.output)
            else:
                self.produced += 1
                self.outputs.append(f"{safe_text(event.name or '')}: {one_line(event.output)}")
        self.status, self.percent, self.attempt = job.status, job.percent, job.attempt
        self.message = one_line(job.message) if job.message else None
        self.metrics, self.error, self.ended = job.metrics, job.error, update.ended
        self._learn_stage(job.stage)
        if update.eta is None:
            self._eta = None
        elif self._eta is None or self._eta[0] != update.eta:
            # The same estimate comes with every update until the next snapshot.
            self._eta = (update.eta, now)
        if update.ended:
            self._finished = now
            self.percent = 100.0 if job.status == "completed" else job.percent

    def _learn_stage(self, name: str | None) -> None:
        self._stage = name
        if name is not None and all(stage.name != name for stage in self._stages):
            self._stages.append(Stage(name=name))


class Board:
    """Some jobs, in the order in which they were met.

    Args:
        clock: Seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._cards: dict[UUID, JobCard] = {}

    @property
    def cards(self) -> tuple[JobCard, ...]:
        """The jobs."""
        return tuple(self._cards.values())

    def add(self, job_id: UUID, title: str | None, stages: Iterable[Stage] = ()) -> JobCard:
        """A job that will be told of, under a title of its own."""
        called = safe_text(title) if title else f"job {str(job_id)[-6:]}"
        card = self._cards.setdefault(job_id, JobCard(job_id, called, named=title is not None))
        card._stages = list(stages) or card._stages
        return card

    def take(self, update: Update) -> JobCard:
        """Take in an update; a job that nobody has announced is called by its kind."""
        job = update.job
        card = self._cards.get(job.id) or self.add(job.id, None)
        if not card.named:
            card.title, card.named = safe_text(f"{job.kind} {str(job.id)[-6:]}"), True
        card.take(update, self.clock())
        return card
