"""Disturbs a project and its workers in every way at once, and looks at what has become of the jobs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from headway.local.gateway.app import Gateway
from headway.local.gateway.keyring import KeyRing
from headway.local.gateway.server import HttpServer, bind
from support.stack import TestStack
from support.workers import WorkerProcess, free_port

__all__ = ["Chaos", "Findings"]

MODULE = "tests.integration.worker.steady"
_WORKERS = 4
_SKEWS = (3600.0, -3600.0, 0.0, 0.0)
_ENDS = ("completed", "failed", "cancelled")


@dataclass
class Findings:
    """What was found afterwards.

    Attributes:
        statuses: How many jobs ended how.
        ends: Jobs whose run does not have exactly one end.
        reruns: Steps that began again after they had been completed.
        stale: Events that a former execution wrote after a later one had begun.
        lost: Executions that were lost.
        slowest: Of the first losses of a job: seconds from the kill until it could be claimed again.
        recovered: How many losses that is about.
    """

    statuses: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    ends: list[str] = field(default_factory=list)
    reruns: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    lost: int = 0
    slowest: float = 0.0
    recovered: int = 0


class Chaos:
    """Four workers, a stack, and no mercy.

    Args:
        stack: A stack of its own, whose gateway and database may be restarted.
        directory: For logs, and for what the handlers write down.
        draw: Chooses whom it hits.
    """

    def __init__(self, stack: TestStack, directory: Path, draw: random.Random) -> None:
        self.prefix = f"chaos{uuid.uuid4().hex[:8]}"
        self._stack = stack
        self._directory = directory
        self._draw = draw
        self._workers: list[WorkerProcess] = []
        self._started = 0
        self.killed: list[tuple[int, float]] = []
        """Process and moment (server's clock, which is this machine's) of each kill."""
        self.outages: list[tuple[float, float]] = []
        """When gateway or database did not answer."""

    # Workers ------------------------------------------------------------------------------------------------

    def start_workers(self) -> None:
        """Start all four, and wait until they claim."""
        for place in range(_WORKERS):
            self._workers.append(self._start(place))
        for worker in self._workers:
            worker.wait_until_ready()

    def stop_workers(self) -> None:
        """Let all of them drain."""
        for worker in self._workers:
            worker.stop()

    @property
    def workers(self) -> list[WorkerProcess]:
        """Those that run now."""
        return list(self._workers)

    def _start(self, place: int) -> WorkerProcess:
        self._started += 1
        port = free_port()
        environment = {
            "SUPABASE_URL": self._stack.url,
            "SUPABASE_SECRET_KEY": self._stack.keys.secret_key,
            "STEADY_PREFIX": self.prefix,
            "STEADY_DIR": str(self._directory),
            "STEADY_CLOCK_SKEW": str(_SKEWS[place]),
            "HEADWAY_SCHEDULER": "false",
            "HEADWAY_RETENTION": "false",
            "HEADWAY_NOTIFIER": "false",
            "HEADWAY_LOG_LEVEL": "WARNING",
        }
        return WorkerProcess((MODULE,), environment, port, self._directory / f"worker-{self._started}.log")

    # What goes wrong ----------------------------------------------------------------------------------------

    async def kill_every(self, seconds: float, *, most: int) -> None:
        """Kill a random worker that works again and again; another starts in its place.

        One always works: on a busy machine a worker takes longer to start than the next kill to come.
        """
        for _ in range(most):
            await asyncio.sleep(seconds)
            while len(working := await self._working()) < 2:
                await asyncio.sleep(0.1)
            place = self._draw.choice(working)
            victim = self._workers[place]
            self.killed.append((victim.process.pid, time.time()))
            victim.process.kill()
            await asyncio.to_thread(victim.process.wait, 30)
            self._workers[place] = self._start(place)

    async def _working(self) -> list[int]:
        """Which places hold a worker that claims jobs."""
        working = []
        async with httpx.AsyncClient(timeout=2) as http:
            for place, worker in enumerate(self._workers):
                try:
                    if (await http.get(f"{worker.url}/readyz")).is_success:
                        working.append(place)
                except httpx.TransportError:
                    continue
        return working

    async def cut_sockets_every(self, seconds: float) -> None:
        """Cut every socket, again and again."""
        while True:
            await asyncio.sleep(seconds)
            await self._on_stack(self._cut())

    async def restart_gateway(self, after: float) -> None:
        """Once: everything at the project's address is gone for a moment."""
        await asyncio.sleep(after)
        began = time.time()
        await self._on_stack(self._restart_gateway())
        self.outages.append((began, time.time()))

    async def restart_postgres(self, after: float) -> None:
        """Once: the database is gone for a moment."""
        await asyncio.sleep(after)
        began = time.time()
        await self._on_stack(self._restart_postgres())
        self.outages.append((began, time.time()))

    async def _on_stack(self, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._stack.loop))

    async def _cut(self) -> None:
        self._stack.service("realtime").drop_sockets()

    async def _restart_gateway(self) -> None:
        stack = self._stack.stack
        assert stack._gateway is not None
        port = stack._gateway.port
        await stack._gateway.stop()
        await asyncio.sleep(1)
        listener = bind("127.0.0.1", port, setting="chaos")
        stack._gateway = HttpServer(
            Gateway(KeyRing(stack.keys), stack._mounted, stack._administer), listener, grace_s=1
        )
        await stack._gateway.start()

    async def _restart_postgres(self) -> None:
        postgres = self._stack.stack._postgres
        assert postgres is not None
        await postgres.stop()
        await asyncio.sleep(1)
        await postgres.start()

    # Jobs ---------------------------------------------------------------------------------------------------

    async def submit(self, count: int, *, seconds: float) -> None:
        """Submit jobs with three steps each."""
        key = self._stack.keys.secret_key
        headers = {"apikey": key, "authorization": f"Bearer {key}", "content-profile": "headway"}
        jobs = [
            {"id": str(uuid.uuid4()), "kind": f"{self.prefix}.steps", "payload": {"seconds": seconds}}
            for _ in range(count)
        ]
        async with httpx.AsyncClient(timeout=60) as http:
            address = f"{self._stack.url}/rest/v1/rpc/submit_many"
            response = await http.post(address, json={"jobs": jobs}, headers=headers)
            assert response.is_success, response.text

    async def all_ended(self, timeout: float) -> None:
        """Wait until every job has ended."""
        async with asyncio.timeout(timeout):
            while True:
                try:
                    async with self.connected() as connection:
                        left = await connection.fetchval(
                            "select count(*) from headway.jobs where kind = $1 and finished_at is null",
                            f"{self.prefix}.steps",
                        )
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    left = -1  # it is being restarted
                if left == 0:
                    return
                await asyncio.sleep(0.3)

    async def look(self) -> Findings:
        """What has become of the jobs, by their events."""
        async with self.connected() as connection:
            statuses = await connection.fetch(
                "select status, count(*) from headway.jobs where kind = $1 group by 1", f"{self.prefix}.steps"
            )
            events = await connection.fetch(
                "select e.job_id, e.seq, e.type, e.attempt, e.data, extract(epoch from e.at)::float8 as at"
                " from headway.job_events e join headway.jobs j on j.id = e.job_id"
                " where j.kind = $1 order by e.job_id, e.seq",
                f"{self.prefix}.steps",
            )
            workers = await connection.fetch(
                "select a.job_id, a.attempt, (w.info ->> 'pid')::int as pid from headway.attempts a"
                " join headway.workers w on w.id = a.worker_id where a.kind = $1 and a.outcome = 'lost'",
                f"{self.prefix}.steps",
            )
        findings = Findings()
        findings.statuses |= {row["status"]: row["count"] for row in statuses}
        pids = {(row["job_id"], row["attempt"]): row["pid"] for row in workers}
        findings.lost = len(pids)
        by_job: dict[uuid.UUID, list[asyncpg.Record]] = defaultdict(list)
        for event in events:
            by_job[event["job_id"]].append(event)
        for job, story in by_job.items():
            self._read(job, story, pids, findings)
        return findings

    def _read(
        self,
        job: uuid.UUID,
        story: list[asyncpg.Record],
        pids: dict[tuple[uuid.UUID, int], int],
        findings: Findings,
    ) -> None:
        ends = [event for event in story if event["type"] in _ENDS]
        if len(ends) != 1 or story[-1] is not ends[0]:
            findings.ends.append(str(job))
        completed: set[str] = set()
        latest = 0
        losses = 0
        for event in story:
            kind, attempt = event["type"], event["attempt"]
            if attempt < latest:
                findings.stale.append(f"{job} {event['seq']} {kind}")
            latest = max(latest, attempt)
            step = (event["data"] or {}).get("step") if isinstance(event["data"], dict) else None
            if kind == "step_completed" and step is not None:
                if step in completed:
                    findings.reruns.append(f"{job} {step} completed twice")
                completed.add(step)
            elif kind == "step_started" and step in completed:
                findings.reruns.append(f"{job} {step} began again")
            elif kind == "lost":
                losses += 1
                if losses == 1:
                    self._measure(job, event, pids, findings)
        for step in completed:
            self._check_runs(job, step, story, findings)

    def _check_runs(self, job: uuid.UUID, step: str, story: list[asyncpg.Record], findings: Findings) -> None:
        """By what the handlers have written down: nobody has run a step after it was completed."""
        done = next(
            event["attempt"]
            for event in story
            if event["type"] == "step_completed" and event["data"].get("step") == step
        )
        for line in (self._directory / f"{job}.{step}").read_text().splitlines():
            if int(line.split()[0]) > done:
                findings.reruns.append(f"{job} {step} was run by execution {line.split()[0]} after {done}")

    def _measure(
        self,
        job: uuid.UUID,
        lost: asyncpg.Record,
        pids: dict[tuple[uuid.UUID, int], int],
        findings: Findings,
    ) -> None:
        """From the kill until the job was taken back, unless nothing answered in between."""
        pid = pids.get((job, lost["attempt"]))
        kills = [at for killed, at in self.killed if killed == pid and at <= lost["at"]]
        if not kills:
            return
        began = max(kills)
        if any(start < lost["at"] and end > began for start, end in self.outages):
            return
        findings.recovered += 1
        findings.slowest = max(findings.slowest, lost["at"] - began)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection past row level security."""
        import json

        connection = await asyncpg.connect(**self._stack.database.connect_kwargs("postgres"))
        try:
            await connection.set_type_codec(
                "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
            )
            yield connection
        finally:
            await connection.close()
