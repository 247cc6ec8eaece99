"""Child jobs: submitted once per name, gathered without holding a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from headway.core.job import ENDS, JobStatus
from headway.core.submission import read_submission
from headway.errors import InvalidRequest, TimedOut
from headway.worker.attempt import Attempt
from headway.worker.deadlines import wait_deadline
from headway.worker.steps import read_as
from headway.worker.store import ChildRow, Store
from headway.worker.suspension import Suspend, Wait

__all__ = ["ChildResult", "Children"]

_WAIT = "wait for children"
_OVER = 0.5


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended.

    Attributes:
        name: What it was submitted as; ``None`` for a child that this execution has not submitted.
        status: ``completed``, ``failed`` or ``cancelled``.
        result: What it has answered, read into the type asked for; ``None`` unless completed.
        error_code: Why it failed, for programs.
        error_message: Why it failed, for people.
    """

    id: UUID
    name: str | None
    kind: str
    status: JobStatus
    result: Any = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it was completed."""
        return self.status == "completed"


class Children:
    """The children of one execution.

    A child's id is made of the job, its name and the run, so a later execution of the same run finds the same
    child, and a run that a person started anew redoes only the children that did not complete.

    Args:
        attempt: The execution.
        store: Where they are submitted.
    """

    def __init__(self, attempt: Attempt, store: Store) -> None:
        self._attempt = attempt
        self._store = store
        self._names: dict[UUID, str] = {}
        self._earlier: dict[UUID, ChildRow] | None = None

    async def submit(self, kind: str, payload: Any, name: str | None, fields: Mapping[str, Any]) -> UUID:
        """As ``Context.submit_child``."""
        name = f"{kind} {len(self._names) + 1}" if name is None else name
        if not isinstance(name, str) or not name or name in self._names.values():
            raise InvalidRequest(
                f"name: {str(name)[:100]!r} is empty or already a child of this job",
                hint="Give every child a name of its own.",
                code="HW100",
                details="name",
            )
        if given := {"id", "parent_id", "owner_id", "organization_id", "project_id"} & fields.keys():
            field = sorted(given)[0]
            raise InvalidRequest(
                f"{field}: a child takes it from its parent",
                hint="Leave it out.",
                code="HW101",
                details=field,
            )
        child_id = await self._id(name)
        self._names[child_id] = name
        submission = read_submission({"id": child_id, "kind": kind, "payload": payload, **fields})
        answer = await self._store.submit_children(self._attempt.lease, [submission.body()])
        if answer.jobs[0].id != child_id:
            # An idempotency or unique key of another job's.
            del self._names[child_id]
            self._names[answer.jobs[0].id] = name
        return answer.jobs[0].id

    async def gather(self, into: Any, timeout: float | None) -> list[ChildResult]:
        """As ``Context.gather_children``."""
        rows = await self._store.children(self._attempt.job.id)
        if self._names:
            by_id = {row.id: row for row in rows}
            rows = [by_id[child] for child in self._names if child in by_id]
        open_ = [row for row in rows if row.status not in ENDS]
        if open_:
            left = await wait_deadline(self._attempt, self._store, self._wait_step(), timeout)
            if left <= _OVER:
                raise TimedOut(
                    f"{len(open_)} of {len(rows)} children have not ended in time",
                    hint="Let the job wait longer, or look at what holds the children up.",
                    code="children_timeout",
                )
            raise Suspend(Wait("children", None, left))
        return [self._result(row, into) for row in rows]

    def _wait_step(self) -> str:
        run = self._attempt.job.run
        return _WAIT if run == 1 else f"{_WAIT} {run}"

    async def _id(self, name: str) -> UUID:
        job, runs = self._attempt.job.id, self._attempt.job.run
        if runs > 1 and self._earlier is None:
            self._earlier = {row.id: row for row in await self._store.children(job)}
        for run in range(1, runs):
            child = uuid5(job, f"child {run} {name}")
            if (row := (self._earlier or {}).get(child)) is not None and row.status not in (
                "failed",
                "cancelled",
            ):
                return child
        return uuid5(job, f"child {runs} {name}")

    def _result(self, row: ChildRow, into: Any) -> ChildResult:
        value = row.result
        if row.status == "completed" and into is not None:
            value = read_as(into, value, f"the result of child {self._names.get(row.id, row.id)}")
        return ChildResult(
            row.id,
            self._names.get(row.id),
            row.kind,
            row.status,
            value,
            row.error_code,
            row.error_message,
        )
