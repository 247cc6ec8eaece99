"""The fold of one watcher: whatever arrives, in any order, becomes every event once and in order.

A watcher joins ``job:<id>``, waits until the server listens, reads the snapshot, and hands everything it gets
to a ``Feed``. The feed answers with the updates that are due, and says what it lacks:

* ``needs_snapshot``: read ``headway.snapshot`` (also the way to poll while no message can come);
* ``needs_events_after``: there is a hole, or data was left out of a message: read ``headway.events_after``.

Messages may come twice, late, early or never. A state with a greater ``seq`` than the events at hand reveals
what is missing, so it is enough that *any* later message or snapshot arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from headway.core.event import JobEvent
from headway.core.evolution import state_after, state_before_history
from headway.core.job import JobState, JobStatus, Snapshot
from headway.core.message import JobMessage
from headway.core.parts import Eta, Fault
from headway.core.validation import read_answer, read_answers
from headway.errors import InvalidRequest

__all__ = ["Feed", "Update"]

# Events beyond a hole that are kept; whatever is dropped is read again with the hole.
_MOST_WAITING = 1000
# An estimate is told by itself when it has moved by more than this, and by more than a share of what is left.
_WORTH_TELLING_S = 2.0
_WORTH_TELLING = 0.1


@dataclass(frozen=True, slots=True)
class Update:
    """One thing that a watcher is told.

    Attributes:
        job: The job as it was right after this: never from the future, also while catching up.
        event: The event, exactly once each; ``None`` when only the progress or the estimate has changed, and
            for the start.
        snapshot: The start of a watch that began with what was, rather than with a saved ``seq``.
        eta: When the job will probably end, by the last snapshot of this attempt.
    """

    job: JobState
    event: JobEvent | None = None
    snapshot: Snapshot | None = None
    eta: Eta | None = None

    @property
    def seq(self) -> int:
        """Save this to go on later: a feed that starts after it misses nothing."""
        return self.job.seq

    @property
    def ended(self) -> bool:
        """Whether the run has ended with this."""
        return self.event.ends if self.event is not None else self.job.ended

    @property
    def status(self) -> JobStatus:
        """``pending``, ``processing``, ``completed``, ``failed`` or ``cancelled``."""
        return self.job.status

    @property
    def percent(self) -> float:
        """0 to 100; within an attempt it never falls."""
        return self.job.percent

    @property
    def stage(self) -> str | None:
        """What is being done."""
        return self.job.stage

    @property
    def message(self) -> str | None:
        """What the handler says of it."""
        return self.job.message

    @property
    def metrics(self) -> dict[str, Any]:
        """Free figures of the handler."""
        return self.job.metrics

    @property
    def error(self) -> Fault | None:
        """What the latest attempt failed of, until the next one starts."""
        return self.job.error

    @property
    def output(self) -> Any:
        """Partial output that came with this: what was emitted, or a step's result; ``None`` without."""
        if self.event is None:
            return None
        return self.event.output if self.event.type == "emitted" else self.event.result


class Feed:
    """Every event of one job after a point, exactly once and in order, until the end.

    The feed ends with the first end after its start: ``completed``, ``failed`` or ``cancelled``. A person's
    retry opens a new run after that end; it is another story, told by a feed that starts after the ``seq`` of
    the end, or by one that follows retries. So what a feed tells does not depend on how fast the watcher or
    the person was. A feed that starts after an end ends at once if nobody has retried the job when its
    snapshot is read.

    Every method that takes something in either raises and leaves the feed as it was, or returns the updates
    that are due, oldest first. What belongs to another job is ignored.

    Args:
        job_id: The job.
        after_seq: The last ``seq`` that the watcher has seen, 0 for the whole story; ``None`` begins with a
            snapshot of what is, and tells what comes after it.
        follow_retries: Go on after an end; such a feed never ends by itself.
    """

    def __init__(self, job_id: UUID, after_seq: int | None = None, *, follow_retries: bool = False) -> None:
        if after_seq is not None and (isinstance(after_seq, bool) or after_seq < 0):
            raise InvalidRequest(
                f"after_seq: must be 0 or more, not {after_seq}",
                hint="Send the seq of the last update that was seen, or leave it out.",
                code="HW103",
                details="after_seq",
            )
        self.job_id = job_id
        self._follow_retries = follow_retries
        self._seq = after_seq
        self._highest = after_seq or 0
        self._waiting: dict[int, JobEvent] = {}
        self._latest: JobState | None = None
        self._told: JobState | None = None
        self._told_revision = 0
        self._snapshot: Snapshot | None = None
        self._told_eta: Eta | None = None
        self._ended = False

    @property
    def seq(self) -> int | None:
        """The ``seq`` up to which everything was told; ``None`` before the first snapshot."""
        return self._seq

    @property
    def ended(self) -> bool:
        """Whether the end was told; nothing will follow."""
        return self._ended

    @property
    def snapshot(self) -> Snapshot | None:
        """The latest snapshot that was taken in."""
        return self._snapshot

    @property
    def attempt(self) -> tuple[int, int] | None:
        """Run and attempt that are under way, as far as is known; ``None`` while none is."""
        latest = self._latest
        if latest is None or self._ended or latest.status != "processing":
            return None
        return latest.run, latest.attempt

    @property
    def needs_snapshot(self) -> bool:
        """Whether nothing can be told before a snapshot is read."""
        if self._ended:
            return False
        return self._latest is None or self._seq is None or self._is_hearsay(self._latest)

    @property
    def needs_events_after(self) -> int | None:
        """The ``seq`` after which events must be read, because later ones are known of; ``None`` without any.

        Read and hand in batch after batch until it is ``None``. Should a batch bring nothing, wait a moment
        before reading again.
        """
        if self._ended or self._latest is None or self._seq is None or self._highest <= self._seq:
            return None
        return self._seq

    def take_snapshot(self, document: Snapshot | Mapping[str, Any]) -> list[Update]:
        """Take in what ``headway.snapshot`` has answered, the first or any later one.

        Raises:
            SchemaMismatch: it is no such thing.
            InvalidRequest: the job has not come as far as ``after_seq``, which is therefore not of this job.
        """
        snapshot = document if isinstance(document, Snapshot) else read_answer(Snapshot, document, "snapshot")
        if snapshot.id != self.job_id or self._ended:
            return []
        self._refuse_foreign_seq(snapshot)
        if self._snapshot is None or snapshot.revision >= self._snapshot.revision:
            self._snapshot = snapshot
        state = _plain(snapshot)
        self._learn(state)
        if self._seq is not None:
            return self._advance() or self._tell_estimate()
        self._seq = state.seq
        self._waiting = {seq: event for seq, event in self._waiting.items() if seq > state.seq}
        self._told, self._told_revision = state, state.revision
        first = self._update(state, snapshot=snapshot)
        if state.ended and not self._follow_retries:
            self._end()
            return [first]
        return [first, *self._advance()]

    def take_message(self, document: JobMessage | Mapping[str, Any]) -> list[Update]:
        """Take in the payload of a ``job`` broadcast on ``job:<id>``.

        Raises:
            SchemaMismatch: it is no such thing.
        """
        message = (
            document if isinstance(document, JobMessage) else read_answer(JobMessage, document, "message")
        )
        if message.id != self.job_id or self._ended:
            return []
        self._keep(message.events)
        self._learn(_plain(message))
        return self._advance()

    def take_events(self, rows: Sequence[JobEvent] | Sequence[Mapping[str, Any]]) -> list[Update]:
        """Take in what ``headway.events_after`` has answered, whole or in part.

        Raises:
            SchemaMismatch: it is no such thing.
        """
        events = read_answers(JobEvent, rows, "events")
        if self._ended:
            return []
        self._keep(event for event in events if event.job_id in (None, self.job_id))
        return self._advance()

    def _refuse_foreign_seq(self, snapshot: Snapshot) -> None:
        # Only at the start: later, a snapshot may simply be older than what has been told.
        if self._latest is None and self._seq is not None and snapshot.seq < self._seq == self._highest:
            raise InvalidRequest(
                f"after_seq: is {self._seq}, but the job's last event is {snapshot.seq}",
                hint="Start after the seq of an update of this very job, or leave it out.",
                code="HW103",
                details="after_seq",
            )

    def _keep(self, events: Any) -> None:
        for event in events:
            self._highest = max(self._highest, event.seq)
            if not event.data_omitted and (self._seq is None or event.seq > self._seq):
                self._waiting[event.seq] = event

    def _learn(self, state: JobState) -> None:
        self._highest = max(self._highest, state.seq)
        if self._latest is None or state.revision > self._latest.revision:
            self._latest = state

    def _advance(self) -> list[Update]:
        updates: list[Update] = []
        if self._latest is not None and self._seq is not None:
            while not self._ended and (event := self._waiting.pop(self._seq + 1, None)) is not None:
                updates.append(self._tell(event, self._latest))
            if not self._ended and self._latest.seq == self._seq:
                updates += self._tell_progress(self._latest)
        while len(self._waiting) > _MOST_WAITING:
            del self._waiting[max(self._waiting)]
        return updates

    def _tell(self, event: JobEvent, latest: JobState) -> Update:
        self._seq = event.seq
        if latest.seq == event.seq:
            self._told, self._told_revision = latest, latest.revision
        else:
            self._told = state_after(self._told or state_before_history(latest), event)
        if event.ends and not self._follow_retries:
            self._end()
        return self._update(self._told, event)

    def _tell_progress(self, latest: JobState) -> list[Update]:
        if latest.revision <= self._told_revision or self._is_hearsay(latest):
            return []
        self._told, self._told_revision = latest, latest.revision
        if latest.ended and not self._follow_retries:
            self._end()
        return [self._update(latest)]

    def _tell_estimate(self) -> list[Update]:
        """When the job will end, if that is news; what else there is to tell would have told it."""
        told, latest = self._told, self._latest
        if self.attempt is None or told is None or latest is None or latest.revision != self._told_revision:
            return []
        eta, before = self._eta(told), self._told_eta
        if eta is None or eta.runs is None:
            # What is reckoned from the percent alone goes with the next percent.
            return []
        if before is not None:
            moved = abs((eta.at - before.at).total_seconds())
            if moved <= max(_WORTH_TELLING_S, eta.seconds * _WORTH_TELLING):
                return []
        return [self._update(told)]

    def _update(
        self, state: JobState, event: JobEvent | None = None, *, snapshot: Snapshot | None = None
    ) -> Update:
        self._told_eta = self._eta(state)
        return Update(state, event, snapshot, self._told_eta)

    def _is_hearsay(self, latest: JobState) -> bool:
        # A watch that starts after an end may hear a late message from that time. Only a snapshot, read
        # since, says that nobody has retried the job and that there is nothing to wait for.
        if self._follow_retries or not latest.ended or latest.seq != self._seq:
            return False
        return self._snapshot is None or self._snapshot.revision < latest.revision

    def _end(self) -> None:
        self._ended = True
        self._waiting.clear()

    def _eta(self, state: JobState) -> Eta | None:
        last = self._snapshot
        if last is None or state.ended or (last.run, last.attempt) != (state.run, state.attempt):
            return None
        return last.eta


def _plain(state: JobState) -> JobState:
    return JobState.model_construct(**{name: getattr(state, name) for name in JobState.model_fields})
