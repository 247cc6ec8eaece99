"""A worker in this process on the real stack, and an operator who looks on."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

from headway import Worker
from headway.settings import WorkerSettings
from headway.worker.job import JobInfo
from headway.worker.observations import Learnt, Observer, Outcome
from headway.worker.runtime import Mode, Runtime
from support.stack import TestStack

PATIENCE = 45.0


class Noted(Observer):
    """What a worker has told, with a signal whenever it tells something."""

    def __init__(self) -> None:
        self.learnt: list[tuple[str, Learnt]] = []
        self.begun: list[JobInfo] = []
        self.ends: list[tuple[uuid.UUID, Outcome, str | None]] = []
        self.incidents: list[str] = []
        self.links: list[str] = []
        self.runtime: Runtime
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def claimed(self, kind: str, queue: str, learnt: Learnt, count: int) -> None:
        self.learnt += [(kind, learnt)] * count
        self._tell()

    def started(self, job: JobInfo) -> None:
        self.begun.append(job)
        self._tell()

    def ended(self, job: JobInfo, outcome: Outcome, seconds: float, code: str | None) -> None:
        self.ends.append((job.id, outcome, code))
        self._tell()

    def incident(self, name: str, job: JobInfo | None) -> None:
        self.incidents.append(name)
        self._tell()

    def link_changed(self, status: str) -> None:
        self.links.append(status)
        self._tell()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._news.set)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something told makes a condition true."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()


@dataclass
class Office:
    """One project, one kind of its own, and everything a test asks about it."""

    stack: TestStack
    admin: asyncpg.Connection[asyncpg.Record]
    http: httpx.AsyncClient
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")

    def kind(self, name: str = "job") -> str:
        """A kind that no other test has."""
        return f"{self.prefix}.{name}"

    @property
    def queue(self) -> str:
        """A queue that no other test has."""
        return self.prefix

    def settings(self, **changes: Any) -> WorkerSettings:
        """How a worker of this project is set up; no services beside the jobs, no other settings."""
        chosen: dict[str, Any] = {
            "url": self.stack.url,
            "secret_key": self.stack.keys.secret_key,
            "scheduler": False,
            "retention": False,
            "notifier": False,
            "capture_output": False,
            "grace_seconds": 0.0,
        }
        return WorkerSettings(**(chosen | changes))

    @asynccontextmanager
    async def running(self, worker: Worker, **settings: Any) -> AsyncIterator[Noted]:
        """A worker that claims jobs, and has stopped when the block ends."""
        noted = Noted()
        runtime = Runtime(worker, self.settings(**settings))
        runtime.observations.add(noted)
        task = asyncio.create_task(runtime.run())
        ready = asyncio.create_task(runtime.ready.wait())
        try:
            await asyncio.wait({task, ready}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            noted.runtime = runtime
            yield noted
        finally:
            ready.cancel()
            runtime.stop()
            await asyncio.wait_for(task, PATIENCE)

    async def run(self, worker: Worker, mode: Mode, **settings: Any) -> Noted:
        """A worker that ends by itself."""
        noted = Noted()
        runtime = Runtime(worker, self.settings(**settings), mode=mode)
        runtime.observations.add(noted)
        await asyncio.wait_for(runtime.run(), PATIENCE)
        return noted

    async def rpc(self, function: str, body: Any) -> Any:
        """Call a function of schema ``headway`` as the service role."""
        key = self.stack.keys.secret_key
        response = await self.http.post(
            f"{self.stack.url}/rest/v1/rpc/{function}",
            json=body,
            headers={"apikey": key, "authorization": f"Bearer {key}", "content-profile": "headway"},
        )
        assert response.is_success, response.text
        return response.json() if response.content else None

    async def register(self, kind: str, *, queue: str | None = None) -> str:
        """Register somebody else who runs a kind; the worker's id."""
        worker = str(uuid.uuid4())
        kinds = [{"kind": kind, "queue": queue or self.queue}]
        await self.rpc("register_worker", {"worker_id": worker, "name": "other", "kinds": kinds})
        return worker

    def faults(self, **faults: Any) -> None:
        """Let Realtime be faulty in these ways from now on."""
        self._on_stack(lambda: self.stack.service("realtime").faults.set(faults))

    def cut_sockets(self, topic: str) -> None:
        """Cut the sockets that have joined a topic."""
        self._on_stack(lambda: self.stack.service("realtime").drop_sockets(topic=topic))

    def _on_stack(self, act: Callable[[], Any]) -> None:
        async def acting() -> None:
            act()

        self.stack.run(acting())

    async def submit(self, kind: str, payload: Any = None, **fields: Any) -> str:
        """Submit a job in this test's queue; its id."""
        body = {"kind": kind, "payload": {} if payload is None else payload, **fields}
        answer = await self.rpc("submit", body)
        job_id: str = answer["id"]
        return job_id

    async def snapshot(self, job_id: str) -> dict[str, Any]:
        """Everything about a job."""
        snapshot: dict[str, Any] = await self.rpc("snapshot", {"job_id": job_id})
        return snapshot

    async def events(self, job_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Its events in order: type and data."""
        rows = await self.rpc("events_after", {"job_id": job_id, "after_seq": 0})
        return [(row["type"], row["data"]) for row in rows]

    async def types(self, job_id: str) -> list[str]:
        """The types of its events in order."""
        return [kind for kind, _ in await self.events(job_id)]

    async def until(self, job_id: str, condition: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """Wait until a job is as a condition says; its snapshot then."""
        async with asyncio.timeout(PATIENCE):
            while not condition(snapshot := await self.snapshot(job_id)):
                await asyncio.sleep(0.02)
        return snapshot

    async def ended(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's end; its snapshot then."""
        return await self.until(job_id, lambda s: s["status"] in ("completed", "failed", "cancelled"))

    async def completed(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's end, which must be a good one."""
        snapshot = await self.ended(job_id)
        assert snapshot["status"] == "completed", snapshot["error"]
        return snapshot

    async def attempts(self, job_id: str) -> list[asyncpg.Record]:
        """Its executions that have ended."""
        rows: list[asyncpg.Record] = await self.admin.fetch(
            "select * from headway.attempts where job_id = $1 order by attempt", uuid.UUID(job_id)
        )
        return rows
