"""The engine as far as one execution meets it, in memory and with the same refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from headway.core.answers import Signalled, Submitted, SubmittedMany
from headway.core.job import Snapshot
from headway.core.lease import Beaten, Claimed, Finished
from headway.core.parts import Fault
from headway.errors import BudgetExceeded, NotFound
from headway.testing.recording import Recording, SubmittedChild, UsageEntry
from headway.worker.store import (
    CallInfo,
    Checkpoint,
    ChildRow,
    CostState,
    Lease,
    Registered,
    StepStatus,
    Swept,
)

__all__ = ["MemoryStore"]


class MemoryStore:
    """Keeps steps, money, children and files of one job in a recording.

    Args:
        recording: Where everything is written down.
        budget: The job's.
        children: Rows to answer for children, by name in the order they are submitted.
    """

    def __init__(
        self, recording: Recording, budget: Decimal | None, children: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._recording = recording
        self._budget = budget
        self._children = dict(children)
        self._reserved: dict[UUID, Decimal] = {}
        self._spent = Decimal(0)
        self._rows: list[ChildRow] = []

    async def checkpoint(
        self,
        lease: Lease,
        step: str,
        status: StepStatus,
        *,
        result: Any = None,
        error: Mapping[str, Any] | None = None,
    ) -> Checkpoint:
        """As ``Store.checkpoint``."""
        steps = self._recording.steps
        if step in steps:
            return Checkpoint(step=step, state="repeated", status="completed", result=steps[step])
        if status == "running":
            self._recording.steps_run.append(step)
        elif status == "failed":
            self._recording.step_errors[step] = Fault.model_validate(error)
        else:
            steps[step] = result
        return Checkpoint(step=step, state="stored", status=status)

    async def reserve_usage(self, lease: Lease, call: CallInfo, max_cost: Decimal) -> CostState:
        """As ``Store.reserve_usage``."""
        asked = self._spent + sum(self._reserved.values()) + max_cost
        if self._budget is not None and asked > self._budget:
            raise BudgetExceeded(
                f"max_cost would pass the job's budget: {asked} of {self._budget}",
                hint="Keep what there is, or retry with a larger cost_budget.",
                code="HW501",
                details="max_cost",
            )
        self._reserved[call.id] = max_cost
        return self._state("reserved")

    async def record_usage(self, lease: Lease, call: CallInfo, cost: Decimal, quantity: Decimal) -> CostState:
        """As ``Store.record_usage``."""
        self._reserved.pop(call.id, None)
        self._spent += cost
        self._recording.usage.append(
            UsageEntry(call.provider, cost, quantity, call.model, call.unit, call.step)
        )
        return self._state("recorded")

    async def release_usage(self, lease: Lease, call_id: UUID) -> CostState:
        """As ``Store.release_usage``."""
        if self._reserved.pop(call_id, None) is not None:
            self._recording.released += 1
        return self._state("released")

    async def submit_children(self, lease: Lease, children: Sequence[Mapping[str, Any]]) -> SubmittedMany:
        """As ``Store.submit_children``; a child that the test has an answer for has ended already."""
        now = datetime.now(UTC)
        answers = []
        for child in children:
            child_id = UUID(child["id"])
            rest = {name: v for name, v in child.items() if name not in ("id", "kind", "payload")}
            self._recording.children.append(
                SubmittedChild(child_id, child["kind"], child.get("payload"), rest)
            )
            answer = next(iter(self._children.values()), None)
            row: dict[str, Any] = {"id": child_id, "kind": child["kind"], "status": "pending", "percent": 0}
            if answer is not None:
                self._children.pop(next(iter(self._children)))
                row |= {"status": "completed", "percent": 100, **answer}
            self._rows.append(ChildRow.model_validate(row))
            answers.append(
                Submitted(
                    id=child_id,
                    status="pending",
                    created=True,
                    kind=child["kind"],
                    queue="default",
                    seq=1,
                    run_at=now,
                    created_at=now,
                )
            )
        return SubmittedMany(jobs=tuple(answers))

    async def children(self, job_id: UUID) -> list[ChildRow]:
        """As ``Store.children``."""
        return list(self._rows)

    async def add_files(self, lease: Lease, files: Sequence[Mapping[str, Any]]) -> int:
        """As ``Store.add_files``."""
        return len(files)

    async def signal(self, job_id: UUID, name: str, payload: Any) -> Signalled:
        """As ``Store.signal``."""
        return Signalled(state="stored")

    async def snapshot(self, job_id: UUID) -> Snapshot:
        """There is none without an engine."""
        raise NotFound("run_job keeps no snapshot", hint="Look at the recording.")

    async def register(
        self,
        worker_id: UUID,
        name: str,
        kinds: Sequence[Mapping[str, Any]],
        *,
        version: str,
        slots: int,
        info: Mapping[str, Any],
    ) -> Registered:
        """As ``Store.register``."""
        return Registered(worker_id=worker_id, kinds=(), queues=())

    async def stop_worker(self, worker_id: UUID) -> None:
        """As ``Store.stop_worker``."""

    async def claim(
        self,
        worker_id: UUID,
        request_id: UUID,
        *,
        queues: Sequence[str] | None,
        kinds: Sequence[str],
        most: int,
        lease_seconds: int,
    ) -> list[Claimed]:
        """Nothing waits here."""
        return []

    async def heartbeat(
        self, worker_id: UUID, beats: Sequence[Mapping[str, Any]], *, lease_seconds: int
    ) -> list[Beaten]:
        """As ``Store.heartbeat``."""
        return []

    async def finish(self, worker_id: UUID, outcomes: Sequence[Mapping[str, Any]]) -> list[Finished]:
        """As ``Store.finish``."""
        return []

    async def sweep(self, worker_id: UUID, *, most: int = 500) -> Swept:
        """Nothing is due here."""
        return Swept(ready=False)

    async def call(
        self, function: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> Any:
        """There is no engine to call."""
        raise NotFound(f"run_job has no engine to call {function} of", hint="Use the embedded stack.")

    async def close(self) -> None:
        """As ``Store.close``."""

    def _state(self, state: Any) -> CostState:
        reserved = sum(self._reserved.values(), Decimal(0))
        remaining = None if self._budget is None else self._budget - self._spent - reserved
        return CostState(
            state=state,
            spent=self._spent,
            reserved=reserved,
            budget=self._budget,
            remaining=remaining,
            calls=len(self._recording.usage),
        )
