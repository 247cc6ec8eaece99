"""The life of jobs under random interleavings of several workers, against a small model.

No job is lost, none is in two hands, no stale lease writes, every status path is legal, ``seq`` has no holes,
and every run has exactly one terminal event. Time does not pass: a clock jump moves the times in the tables.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from headway.local.database import Database
from support.engine import Caller, Engine, Refused, Row, Worker, held

T = TypeVar("T")

MAX_ATTEMPTS = 3
ENDS = ("completed", "failed", "cancelled")
LEGAL = {
    ("new", "submitted"): "pending",
    ("pending", "started"): "processing",
    ("pending", "cancelled"): "cancelled",
    ("pending", "resumed"): "pending",
    ("pending", "signalled"): "pending",
    ("processing", "signalled"): "processing",
    ("processing", "stage_started"): "processing",
    ("processing", "step_completed"): "processing",
    ("processing", "cancel_requested"): "processing",
    ("processing", "retry_scheduled"): "pending",
    ("processing", "lost"): "pending",
    ("processing", "snoozed"): "pending",
    ("processing", "released"): "pending",
    ("processing", "waiting"): "pending",
    ("processing", "completed"): "completed",
    ("processing", "failed"): "failed",
    ("processing", "cancelled"): "cancelled",
    ("failed", "retried"): "pending",
    ("cancelled", "retried"): "pending",
}


@dataclass
class Job:
    """What the model knows of a job."""

    id: uuid.UUID
    parent: Job | None = None
    depth: int = 0
    status: str = "pending"
    delayed: bool = False
    due: bool = False
    waiting: str | None = None
    attempt: int = 0
    failures: int = 0
    run: int = 1
    percent: float = 0
    token: uuid.UUID | None = None
    expired: bool = False
    cancelling: bool = False
    steps: set[str] = field(default_factory=set)
    signals: set[str] = field(default_factory=set)
    children: list[Job] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        return self.status == "pending" and not self.delayed and self.waiting is None

    def open_children(self) -> bool:
        return any(child.status in ("pending", "processing") for child in self.children)


class Life(RuleBasedStateMachine):
    """Two workers, an owner, a sweeper and a clock that jumps."""

    engine: Engine
    workers: list[Worker]
    user: Caller
    loop: asyncio.AbstractEventLoop

    jobs_known = Bundle("jobs")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[uuid.UUID, Job] = {}
        self.terminal: Counter[uuid.UUID] = Counter()
        self.await_(self.engine.admin.execute("delete from headway.jobs"))

    def await_(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def attempt(self, coroutine: Coroutine[Any, Any, T]) -> tuple[T | None, str | None]:
        """The answer, or the code of the refusal."""
        try:
            return self.await_(coroutine), None
        except Refused as refusal:
            return None, refusal.code

    # Rules ------------------------------------------------------------------------------------------------

    @rule(target=jobs_known, delayed=st.booleans(), repeat=st.booleans())
    def submit(self, delayed: bool, repeat: bool) -> Job:
        job = Job(uuid.uuid4(), delayed=delayed)
        for first in (True, False) if repeat else (True,):
            answer = self.await_(
                self.user.submit("k.a", id=str(job.id), **({"delay_seconds": 1000} if delayed else {}))
            )
            assert answer["created"] is first
        self.jobs[job.id] = job
        return job

    @rule(target=leases, worker=st.integers(0, 1), most=st.integers(1, 4), repeat=st.booleans())
    def claim(self, worker: int, most: int, repeat: bool) -> Any:
        request = uuid.uuid4()
        self._promote()
        ready = {job.id for job in self.jobs.values() if job.ready}
        claimed = self.await_(self.workers[worker].claim(most, request_id=request))
        if repeat and claimed:
            assert self.await_(self.workers[worker].claim(most, request_id=request)) == claimed
        assert len(claimed) == min(most, len(ready)), "nothing ready is withheld"
        for lease in claimed:
            assert lease["job_id"] in ready, "only what is ready is claimed"
            job = self.jobs[lease["job_id"]]
            assert lease["attempt"] == job.attempt + 1
            assert set(lease["steps"]) == job.steps
            assert lease["failures"] == job.failures
            job.status, job.attempt, job.token, job.expired = (
                "processing",
                lease["attempt"],
                lease["lease_token"],
                False,
            )
        return multiple(*(held(lease) for lease in claimed))

    @rule(
        lease=leases,
        worker=st.integers(0, 1),
        percent=st.integers(0, 100),
        stage=st.sampled_from([None, "a", "b"]),
    )
    def heartbeat(self, lease: Row, worker: int, percent: int, stage: str | None) -> None:
        row = self.await_(self.workers[worker].beat(lease, percent=percent, stage=stage))
        job = self._holder(lease)
        if job is None:
            assert (row["state"], row["code"]) == ("lost", "HW001")
        else:
            assert row["state"] == ("cancel" if job.cancelling else "ok")
            job.percent = max(job.percent, percent)
            job.expired = False

    @rule(lease=leases, step=st.sampled_from(["one", "two"]))
    def checkpoint(self, lease: Row, step: str) -> None:
        job = self._holder(lease)
        answer, code = self.attempt(
            self.engine.service.call("checkpoint", **lease, step=step, result=lease["attempt"])
        )
        assert code == ("HW001" if job is None else None), "a stale lease wrote a step"
        if job is not None:
            assert answer["state"] == ("repeated" if step in job.steps else "stored")
            job.steps.add(step)

    @rule(target=jobs_known, lease=leases)
    def submit_child(self, lease: Row) -> Any:
        parent = self._holder(lease)
        child = Job(uuid.uuid4(), parent=parent)
        _, code = self.attempt(
            self.engine.service.call(
                "submit_children", **lease, children=[{"kind": "k.a", "id": str(child.id)}]
            )
        )
        if parent is None or parent.cancelling or parent.depth == 10:
            assert code == ("HW001" if parent is None else "HW202" if parent.cancelling else "HW103")
            return multiple()
        assert code is None
        child.depth = parent.depth + 1
        parent.children.append(child)
        self.jobs[child.id] = child
        return child

    @rule(
        lease=leases,
        worker=st.integers(0, 1),
        outcome=st.sampled_from(
            [
                "completed",
                "failed",
                "retry",
                "snooze",
                "snooze later",
                "release",
                "cancelled",
                "wait",
                "wait for signal",
            ]
        ),
        repeat=st.booleans(),
    )
    def finish(self, lease: Row, worker: int, outcome: str, repeat: bool) -> None:
        fields: Row = {
            "snooze": {"delay_seconds": 0},
            "snooze later": {"delay_seconds": 1000},
            "wait": {"for": "children"},
            "wait for signal": {"for": "signal", "signal": "go"},
        }.get(outcome, {})
        job = self._holder(lease)
        row = self.await_(self.workers[worker].finish(lease, outcome.split()[0], **fields))
        if job is None:
            assert row["state"] in ("repeated", "lost")
            return
        self._end(job, outcome)
        assert (row["state"], row["status"]) == ("applied", job.status)
        if repeat:
            again = self.await_(self.workers[worker].finish(lease, "failed"))
            assert (again["state"], again["status"]) == ("repeated", job.status)

    @rule(job=jobs_known)
    def cancel(self, job: Job) -> None:
        self.await_(self.user.call("cancel", job_id=job.id))
        self._cancel(job)

    @rule(job=jobs_known)
    def retry(self, job: Job) -> None:
        answer, code = self.attempt(self.user.call("retry", job_id=job.id))
        if answer is None:
            assert code == "HW202"
            assert job.status == "completed" or job.run == 1 or job.cancelling
            assert job.status not in ("failed", "cancelled")
            return
        assert answer["changed"] == (job.status in ("failed", "cancelled"))
        if answer["changed"]:
            job.status, job.failures, job.percent, job.run = "pending", 0, 0, job.run + 1
            job.delayed, job.due, job.waiting, job.cancelling = False, False, None, False
        assert answer["run"] == job.run

    @rule(job=jobs_known)
    def signal(self, job: Job) -> None:
        answer = self.await_(self.user.call("signal", job_id=job.id, name="go", payload=1))
        if "go" in job.signals:
            expected = "repeated"
        elif job.status in ENDS:
            expected = "late"
        else:
            expected = "delivered" if job.waiting == "signal" else "stored"
            job.signals.add("go")
            if job.waiting == "signal":
                self._resume(job)
        assert answer["state"] == expected

    @rule(lease=consumes(leases), keep=st.booleans())
    def lease_runs_out(self, lease: Row, keep: bool) -> None:
        job = self._holder(lease)
        if job is not None:
            self.await_(self.engine.expire(job.id))
            job.expired = True

    @rule(job=jobs_known)
    def time_comes(self, job: Job) -> None:
        if job.status == "pending" and not job.ready:
            self.await_(self.engine.make_due(job.id))
            job.due = True

    @rule()
    def sweep(self) -> None:
        expired = [job for job in self.jobs.values() if job.status == "processing" and job.expired]
        answer = self.await_(self.engine.service.call("sweep"))
        assert answer["lost"] == len(expired)
        for job in expired:
            self._end(job, "lost")
            if job.status == "pending" and job.delayed:
                # A second on a clock that the model does not have.
                self.await_(
                    self.engine.admin.execute(
                        "update headway.jobs set run_at = now() + interval '1000 s' where id = $1",
                        uuid.UUID(str(job.id)),
                    )
                )
        self._promote()

    # The model --------------------------------------------------------------------------------------------

    def _holder(self, lease: Row) -> Job | None:
        job = self.jobs[lease["job_id"]]
        return job if job.status == "processing" and job.token == lease["lease_token"] else None

    def _promote(self) -> None:
        for job in self.jobs.values():
            if job.status == "pending" and job.due:
                self._resume(job)

    def _resume(self, job: Job) -> None:
        job.delayed, job.due, job.waiting = False, False, None

    def _end(self, job: Job, outcome: str) -> None:
        job.token, job.expired = None, False
        if outcome in ("failed", "retry", "lost"):
            job.failures += 1
        if outcome in ENDS:
            job.status = outcome
        elif job.cancelling:
            job.status = "cancelled"
        elif outcome in ("retry", "lost") and job.failures >= MAX_ATTEMPTS:
            job.status = "failed"
        else:
            job.status, job.due = "pending", False
            # The first loss is a worker's fault most of the time: the job starts again at once.
            job.delayed = outcome in ("retry", "snooze later") or (outcome == "lost" and job.failures > 1)
            if outcome == "wait" and job.open_children():
                job.waiting = "children"
            elif outcome == "wait for signal" and "go" not in job.signals:
                job.waiting = "signal"
            if outcome in ("retry", "lost"):
                job.percent = 0
        if job.status in ENDS:
            job.percent = 100 if job.status == "completed" else job.percent
            self._ended(job)

    def _ended(self, job: Job) -> None:
        self.terminal[job.id] += 1
        parent = job.parent
        if parent is not None and parent.waiting == "children" and not parent.open_children():
            self._resume(parent)

    def _cancel(self, job: Job) -> None:
        ended = []
        family = [job]
        for member in family:
            family += member.children
            if member.status == "pending":
                member.status = "cancelled"
                self._resume(member)
                ended.append(member)
            elif member.status == "processing":
                member.cancelling = True
        for member in ended:
            self._ended(member)

    # What must always hold --------------------------------------------------------------------------------

    @invariant()
    def the_tables_agree_with_the_model(self) -> None:
        self.await_(self._check())

    async def _check(self) -> None:
        rows = await self.engine.admin.fetch("select * from headway.jobs")
        assert {row["id"] for row in rows} == set(self.jobs), "a job is lost"
        leases = {row["job_id"]: row for row in await self.engine.admin.fetch("select * from headway.leases")}
        histories: dict[uuid.UUID, list[Row]] = {job_id: [] for job_id in self.jobs}
        for event in await self.engine.admin.fetch("select * from headway.job_events order by job_id, seq"):
            histories[event["job_id"]].append(dict(event))
        for row in rows:
            job = self.jobs[row["id"]]
            assert (row["status"], row["attempt"], row["failures"], row["run"]) == (
                job.status,
                job.attempt,
                min(job.failures, MAX_ATTEMPTS),
                job.run,
            )
            assert float(row["percent"]) == job.percent
            assert (
                row["waiting_for"],
                row["cancel_requested_at"] is not None and job.status == "processing",
            ) == (
                job.waiting,
                job.cancelling and job.status == "processing",
            )
            lease = leases.get(job.id)
            assert (lease is not None) == (job.status == "processing"), "held exactly while it runs"
            assert lease is None or (lease["token"], lease["attempt"]) == (job.token, job.attempt)
            history = histories[job.id]
            assert [event["seq"] for event in history] == list(range(1, row["seq"] + 1)), "a hole in seq"
            status = "new"
            for event in history:
                status = LEGAL[status, event["type"]]
            assert status == job.status
            ends = Counter(event["run"] for event in history if event["type"] in ENDS)
            assert ends.total() == self.terminal[job.id]
            assert all(count == 1 for count in ends.values())
            assert (ends[job.run] == 1) == (job.status in ENDS)


def test_jobs_survive_whatever_workers_people_and_clocks_do(migrated_database: Database) -> None:
    loop = asyncio.new_event_loop()
    engine = Engine(migrated_database)
    try:
        loop.run_until_complete(engine.open())
        kind = {"kind": "k.a", "max_attempts": MAX_ATTEMPTS, "backoff_base_seconds": 100}
        parts = {
            "engine": engine,
            "loop": loop,
            "workers": [loop.run_until_complete(engine.worker(kind)) for _ in range(2)],
            "user": loop.run_until_complete(engine.user()),
        }
        run_state_machine_as_test(
            type("LifeHere", (Life,), parts),
            settings=settings(
                max_examples=25,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                # A failure is reported as it was found: shrinking runs the database for minutes.
                phases=(Phase.explicit, Phase.reuse, Phase.generate),
            ),
        )
    finally:
        loop.run_until_complete(engine.close())
        loop.close()
