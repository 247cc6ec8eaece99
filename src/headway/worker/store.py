"""Every request of a worker to the engine, as an interface: HTTP in life, memory in ``headway.testing``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias
from uuid import UUID

from headway.core.answers import Signalled, SubmittedMany
from headway.core.job import JobStatus, Snapshot
from headway.core.lease import Beaten, Claimed, Finished
from headway.core.validation import Answer

__all__ = [
    "CallInfo",
    "Checkpoint",
    "ChildRow",
    "CostState",
    "Lease",
    "Registered",
    "StepStatus",
    "Store",
    "Swept",
]

StepStatus: TypeAlias = Literal["running", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for one execution; every write carries it.

    Args:
        job_id: The job.
        attempt: The execution's number.
        token: Secret.
    """

    job_id: UUID
    attempt: int
    token: UUID

    def fields(self) -> dict[str, Any]:
        """As the engine's functions take it."""
        return {"job_id": str(self.job_id), "attempt": self.attempt, "lease_token": str(self.token)}

    def __repr__(self) -> str:
        return f"Lease({self.job_id}, {self.attempt})"


@dataclass(frozen=True, slots=True)
class CallInfo:
    """A paid call: what is known of it before and after.

    Args:
        id: Made by the caller, one per call and unit, so that it can be sent again.
        provider: Such as ``openai``.
        model: Such as ``gpt-4o-mini``.
        unit: What is counted: ``call``, ``input_tokens`` …
        step: The step it is made in.
    """

    id: UUID
    provider: str
    model: str | None = None
    unit: str = "call"
    step: str | None = None


class Registered(Answer):
    """What ``register_worker`` answers.

    Attributes:
        version: The engine's contract version.
    """

    worker_id: UUID
    kinds: tuple[str, ...]
    queues: tuple[str, ...]
    version: Any = None


class Swept(Answer):
    """What ``sweep`` answers; times are seconds from the answer, ``None`` is nothing in sight.

    Attributes:
        lost: Expired leases that were taken back.
        promoted: Delayed jobs that have become claimable.
        ready: Whether a job of this worker's kinds can be claimed now.
        lease_seconds: Until the first of all leases expires, unless it is extended.
        run_seconds: Until the next delayed job is due.
        schedule_seconds: Until the next schedule fires.
        delivery_seconds: Until the next notification is to be sent.
        retention_seconds: Until the next job is past its retention; 0 also while objects wait to be removed.
    """

    lost: int = 0
    promoted: int = 0
    ready: bool = True
    lease_seconds: float | None = None
    run_seconds: float | None = None
    schedule_seconds: float | None = None
    delivery_seconds: float | None = None
    retention_seconds: float | None = None


class Checkpoint(Answer):
    """What ``checkpoint`` answers.

    Attributes:
        state: ``repeated``: the step had this status before; ``result`` is then the one that was kept.
    """

    step: str
    state: Literal["stored", "repeated"]
    status: StepStatus
    result: Any = None


class CostState(Answer):
    """What the functions about money answer: the job's costs after the call.

    Attributes:
        remaining: What is left of the job's budget; ``None`` without one.
    """

    state: Literal["reserved", "recorded", "released", "repeated"]
    spent: Decimal
    reserved: Decimal
    budget: Decimal | None = None
    remaining: Decimal | None = None
    calls: int


class ChildRow(Answer):
    """A row of ``children``."""

    id: UUID
    kind: str
    status: JobStatus
    percent: float
    result: Any = None
    error_code: str | None = None
    error_message: str | None = None


class Store(Protocol):
    """The engine. Requests that may be repeated are repeated after a failure of transport; the rest raises.

    Every method raises ``LeaseLost`` when the lease it carries is lost, ``TransportError`` when the engine
    could not be asked, and what ``headway.errors`` has for other refusals.
    """

    async def register(
        self, worker_id: UUID, name: str, kinds: Sequence[Mapping[str, Any]], *, version: str, slots: int,
        info: Mapping[str, Any],
    ) -> Registered:  # fmt: skip
        """Say who this worker is and what it runs; may be said again at any time."""
        ...

    async def stop_worker(self, worker_id: UUID) -> None:
        """Say that this worker has stopped."""
        ...

    async def claim(
        self, worker_id: UUID, request_id: UUID, *, queues: Sequence[str] | None, kinds: Sequence[str],
        most: int, lease_seconds: int,
    ) -> list[Claimed]:  # fmt: skip
        """Take up to ``most`` jobs; the same request id answers the same leases."""
        ...

    async def heartbeat(
        self, worker_id: UUID, beats: Sequence[Mapping[str, Any]], *, lease_seconds: int
    ) -> list[Beaten]:
        """Extend leases and write progress; each beat is a lease's fields with what is new."""
        ...

    async def finish(self, worker_id: UUID, outcomes: Sequence[Mapping[str, Any]]) -> list[Finished]:
        """End executions; each outcome is a lease's fields with how it ended."""
        ...

    async def sweep(self, worker_id: UUID, *, most: int = 500) -> Swept:
        """Take back what dead workers held, promote what is due, and learn what else is to do."""
        ...

    async def checkpoint(
        self, lease: Lease, step: str, status: StepStatus, *, result: Any = None,
        error: Mapping[str, Any] | None = None,
    ) -> Checkpoint:  # fmt: skip
        """Store how a step stands."""
        ...

    async def reserve_usage(self, lease: Lease, call: CallInfo, max_cost: Decimal) -> CostState:
        """Set a call's greatest cost aside.

        Raises:
            BudgetExceeded: the job's or the tenant's budget does not allow it.
        """
        ...

    async def record_usage(self, lease: Lease, call: CallInfo, cost: Decimal, quantity: Decimal) -> CostState:
        """Record what a call has cost; replaces its reservation."""
        ...

    async def release_usage(self, lease: Lease, call_id: UUID) -> CostState:
        """Take a reservation back: the call was never made."""
        ...

    async def submit_children(self, lease: Lease, children: Sequence[Mapping[str, Any]]) -> SubmittedMany:
        """Submit children of a running job."""
        ...

    async def children(self, job_id: UUID) -> list[ChildRow]:
        """The children of a job, oldest first."""
        ...

    async def add_files(self, lease: Lease, files: Sequence[Mapping[str, Any]]) -> int:
        """Register Storage objects as outputs of a running job."""
        ...

    async def signal(self, job_id: UUID, name: str, payload: Any) -> Signalled:
        """Answer a job that waits."""
        ...

    async def snapshot(self, job_id: UUID) -> Snapshot:
        """Everything about a job."""
        ...

    async def call(
        self, function: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> Any:
        """Call any function of schema ``headway``: for services whose functions are not named above.

        Args:
            function: Its name.
            arguments: By name; JSON values.
            timeout: Seconds for this request; the store's own when omitted.
        """
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...
