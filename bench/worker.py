"""The worker: what it costs while idle, how fast it picks a job up, how many it drains, how much it writes.

Stack, worker and this program are processes of their own on one machine; everything the worker does goes
through HTTP and Realtime. The bare loop is the least that a queue in Postgres can do, on the same server in
the same run: one table, one update to take a batch, one to end it; no fairness, limits, leases, events,
history or pushes, and no HTTP. Postgres runs without durability: processors are compared, not disks.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from bench.report import Figure
from headway.local.database import Database

NAME = "Worker: idle, pick-up, throughput, progress"

_IDLE_SECONDS = 60.0
_PICKUPS = 200
_JOBS = 10_000
_RUNS = 3
_CHATTY = 500
_FINISHED = "select count(*) from headway.jobs where kind = $1 and finished_at is not null"
_SPAN = """
select extract(epoch from max(a.ended_at) - min(a.started_at))::float8
from headway.attempts a join headway.jobs j on j.id = a.job_id where j.batch_id = $1
"""
_BARE = """
create table if not exists public.bare_jobs (
  id bigint generated always as identity primary key, status text not null default 'pending',
  payload jsonb, result jsonb
);
create index if not exists bare_jobs_pending on public.bare_jobs (id) where status = 'pending';
"""
_BARE_TAKE = """
update public.bare_jobs set status = 'processing' where id in (
  select id from public.bare_jobs where status = 'pending' order by id limit 100 for update skip locked
) returning id, payload
"""
_BARE_END = "update public.bare_jobs set status = 'completed', result = $2 where id = any ($1)"


@dataclass
class _Bench:
    """A running stack, and a way to ask it."""

    process: asyncio.subprocess.Process
    url: str
    key: str
    publishable_key: str
    database: Database
    http: httpx.AsyncClient

    async def rpc(self, function: str, body: Any) -> Any:
        response = await self.http.post(f"{self.url}/rest/v1/rpc/{function}", json=body)
        assert response.status_code < 400, response.text
        return response.json() if response.content else None

    async def requests(self) -> dict[str, int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        counts: dict[str, int] = json.loads(await self.process.stdout.readline())
        return counts

    async def value(self, sql: str, *arguments: Any) -> Any:
        connection = await self.database.connect("postgres")
        try:
            return await connection.fetchval(sql, *arguments)
        finally:
            await connection.close()


async def run() -> list[Figure]:
    """The figures of the issue."""
    async with _stack() as bench:
        return [
            *await _idle(bench),
            *await _pickup(bench),
            *await _throughput(bench),
            *await _progress(bench),
        ]


async def _idle(bench: _Bench) -> list[Figure]:
    """Requests and memory of a worker that hears and has nothing to do."""
    async with _worker(bench) as process:
        # The first look for orphans and the like, once an hour later on, is over by then.
        await asyncio.sleep(65)
        before = await bench.requests()
        await asyncio.sleep(_IDLE_SECONDS)
        after = await bench.requests()
        memory = process.memory_info().rss / 1024 / 1024
    served = sum(after.values()) - sum(before.values())
    return [
        Figure(f"requests of an idle worker in {_IDLE_SECONDS:.0f} s", served / _IDLE_SECONDS, "req/s", 0.2),
        Figure("its memory", memory, "MB RSS", 90),
    ]


async def _pickup(bench: _Bench) -> list[Figure]:
    """From a submitted job to its handler, one at a time."""
    from_answer: list[float] = []
    from_request: list[float] = []
    async with _worker(bench):
        await asyncio.sleep(3)
        for number in range(_PICKUPS + 20):
            sent = time.monotonic()
            job = await bench.rpc("submit", {"kind": "bench.pickup", "payload": {}})
            answered = time.monotonic()
            # Whoever asks at once competes with the claim that is measured.
            await asyncio.sleep(0.05)
            while (snapshot := await bench.rpc("snapshot", {"job_id": job["id"]}))["status"] != "completed":
                await asyncio.sleep(0.01)
            if number >= 20:
                from_answer.append((snapshot["result"]["at"] - answered) * 1000)
                from_request.append((snapshot["result"]["at"] - sent) * 1000)
            await asyncio.sleep(0.02)
    return [
        Figure("pick-up by an idle worker, from the answer of submit, p50", _p(from_answer, 50), "ms", 8),
        Figure("the same, p95", _p(from_answer, 95), "ms", 20),
        Figure("from the moment that submit is sent, p50", _p(from_request, 50), "ms"),
        Figure("the same, p95", _p(from_request, 95), "ms"),
    ]


async def _throughput(bench: _Bench) -> list[Figure]:
    """Draining 10,000 no-op jobs at a concurrency of 100, and where the time goes."""
    rates: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}
    async with _worker(bench, concurrency=100) as process:
        for _ in range(_RUNS):
            rates.setdefault("bare", []).append(await _drain_bare(bench))
            for kind in ("bench.noop", "bench.loud"):
                cost = _Costs(bench.process.pid, process.pid)
                rates.setdefault(kind, []).append(await _drain(bench, kind, cost))
                for part, seconds in cost.spent().items():
                    spent.setdefault(f"{kind} {part}", []).append(seconds / _JOBS * 1e6)
    bare = statistics.median(rates["bare"])
    figures = [Figure("bare SKIP LOCKED loop, batches of 100", bare, "jobs/s")]
    for kind, what in (("bench.noop", "nobody watching"), ("bench.loud", "every change pushed")):
        rate = statistics.median(rates[kind])
        target = 2_000 if kind == "bench.noop" else None
        figures.append(
            Figure(f"no-op jobs over HTTP, concurrency 100, {what}", rate, "jobs/s", target, at_most=False)
        )
        figures += [
            Figure(
                f"  processor time in {part.removeprefix(kind).strip()}", statistics.median(values), "µs/job"
            )
            for part, values in spent.items()
            if part.startswith(kind)
        ]
    return figures


async def _progress(bench: _Bench) -> list[Figure]:
    """500 jobs at once, each reporting every second."""
    async with _worker(bench, concurrency=_CHATTY) as _:
        await asyncio.sleep(3)
        jobs = [{"id": str(uuid.uuid4()), "kind": "bench.chatty"} for _ in range(_CHATTY)]
        await bench.rpc("submit_many", {"jobs": jobs})
        await _until(bench, "select count(*) from headway.leases where kind = $1", "bench.chatty", _CHATTY)
        before, began = await bench.requests(), time.monotonic()
        await asyncio.sleep(20)
        after, seconds = await bench.requests(), time.monotonic() - began
        writes = {path: after[path] - before.get(path, 0) for path in after if not path.endswith("/sweep")}
        await _until(bench, _FINISHED, "bench.chatty", _CHATTY)
        lost = await bench.value(
            "select count(*) from headway.attempts where kind = 'bench.chatty' and outcome <> 'completed'"
        )
    return [
        Figure(
            f"writes while {_CHATTY} jobs report every second", sum(writes.values()) / seconds, "req/s", 10
        ),
        Figure("leases lost meanwhile", float(lost), "", 0),
    ]


async def _drain(bench: _Bench, kind: str, cost: _Costs) -> float:
    await bench.rpc("pause_queue", {"queue": "default"})
    batch = str(uuid.uuid4())
    jobs = [{"id": str(_id(number)), "kind": kind} for number in range(_JOBS)]
    await bench.rpc("submit_many", {"jobs": jobs, "batch": {"id": batch}})
    await bench.value("analyze headway.jobs")
    done = int(await bench.value(_FINISHED, kind))
    cost.begin()
    await bench.rpc("resume_queue", {"queue": "default"})
    await _until(bench, _FINISHED, kind, done + _JOBS)
    cost.end()
    seconds: float = await bench.value(_SPAN, uuid.UUID(batch))
    return _JOBS / seconds


async def _drain_bare(bench: _Bench) -> float:
    connection = await bench.database.connect("postgres")
    try:
        await connection.execute(_BARE)
        await connection.execute(
            "insert into public.bare_jobs (payload) select '{}' from generate_series(1, $1)", _JOBS
        )
        began = time.perf_counter()
        while rows := await connection.fetch(_BARE_TAKE):
            await connection.execute(_BARE_END, [row["id"] for row in rows], '{"ok": true}')
        return _JOBS / (time.perf_counter() - began)
    finally:
        await connection.close()


class _Costs:
    """Processor time of the processes concerned."""

    def __init__(self, stack: int, worker: int) -> None:
        self._stack = psutil.Process(stack)
        self._worker = psutil.Process(worker)
        self._before: dict[str, float] = {}
        self._after: dict[str, float] = {}

    def begin(self) -> None:
        self._before = self._now()

    def end(self) -> None:
        self._after = self._now()

    def spent(self) -> dict[str, float]:
        return {part: self._after[part] - self._before[part] for part in self._after}

    def _now(self) -> dict[str, float]:
        children = self._stack.children(recursive=True)
        return {
            "the worker": _seconds(self._worker),
            "the gateway and its services": _seconds(self._stack),
            "Postgres": sum(_seconds(child) for child in children),
        }


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _id(number: int) -> uuid.UUID:
    """Ids that are neighbours in time, as the engine makes them: version 7 of RFC 9562."""
    milliseconds = time.time_ns() // 1_000_000
    tail = uuid.uuid4().int & ((1 << 62) - 1)
    return uuid.UUID(int=(milliseconds << 80) | (7 << 76) | ((number & 0xFFF) << 64) | (2 << 62) | tail)


async def _until(bench: _Bench, sql: str, kind: str, count: int) -> None:
    connection = await bench.database.connect("postgres")
    try:
        async with asyncio.timeout(180):
            while await connection.fetchval(sql, kind) < count:
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


def _p(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


@asynccontextmanager
async def _stack() -> AsyncIterator[_Bench]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.worker_stack",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = json.loads(await process.stdout.readline())
        headers = {
            "apikey": address["key"],
            "Authorization": f"Bearer {address['key']}",
            "Content-Profile": "headway",
        }
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            database = Database(address["socket_dir"], address["db_port"], "postgres")
            yield _Bench(process, address["url"], address["key"], address["publishable_key"], database, http)
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def _worker(bench: _Bench, *, concurrency: int = 20) -> AsyncIterator[psutil.Process]:
    environment = {
        "PATH": os.environ["PATH"],
        "SUPABASE_URL": bench.url,
        "SUPABASE_SECRET_KEY": bench.key,
        "HEADWAY_CONCURRENCY": str(concurrency),
        "HEADWAY_LOG_LEVEL": "WARNING",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "headway.cli", "worker", "bench.worker_jobs", env=environment
    )
    try:
        async with asyncio.timeout(30):
            sql = "select count(*) from headway.workers where stopped_at is null and $1 = any (kinds)"
            while await bench.value(sql, "bench.noop") == 0:
                await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


Measure = Callable[[_Bench], Awaitable[list[Figure]]]


if __name__ == "__main__":
    from bench.report import print_figures

    chosen: dict[str, Measure] = {
        "idle": _idle,
        "pickup": _pickup,
        "throughput": _throughput,
        "progress": _progress,
    }

    async def _some(names: list[str]) -> None:
        async with _stack() as bench:
            for name in names:
                print_figures(f"Worker: {name}", await chosen[name](bench))

    asyncio.run(_some(sys.argv[1:] or list(chosen)))
