"""A storm over four workers: killed, frozen, cut off, what they stand on restarted, their clocks wrong."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from headway.local.gateway.app import Gateway
from headway.local.gateway.keyring import KeyRing
from headway.local.gateway.server import HttpServer, bind
from support.stack import TestStack
from support.workers import WorkerProcess, free_port

from .chaos_jobs import KIND, RETRIES, STEPS

HERE = Path(__file__).parent
TENANTS = 20
HOUR = 3600


@dataclass(frozen=True)
class Weather:
    """What happens, and how often, in seconds.

    Attributes:
        jobs: How many are to be done.
        lasts: How long it lasts at most; what is left is done in peace.
        kill_every: A random worker, with SIGKILL; it is started again at once, as a supervisor would.
        cut_every: All sockets of Realtime, without a closing handshake.
        freeze_every: A random worker stands still for longer than its leases last, and goes on.
        frozen_for: How long it stands still.
        gateway_at: When the gateway is restarted, and again after as long.
        postgres_at: When Postgres is restarted, once.
        drills: How often, afterwards, the worker of the only job is killed, to see how soon it starts again.
        at_most: When to give up.
    """

    jobs: int
    lasts: float = 120.0
    kill_every: float = 1.0
    cut_every: float = 7.0
    freeze_every: float = 20.0
    frozen_for: float = 11.0
    gateway_at: float = 12.0
    postgres_at: float = 25.0
    drills: int = 2
    at_most: float = 480.0


@dataclass
class Report:
    """What the storm has shown."""

    seconds: float = 0
    stormy: float = 0
    kills: int = 0
    freezes: int = 0
    cuts: int = 0
    gateway_restarts: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    lost: int = 0
    taken_back: list[float] = field(default_factory=list)
    restarted: list[float] = field(default_factory=list)
    drills: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    hearing: list[bool] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield (
            f"{sum(self.statuses.values())} jobs in {self.seconds:.0f} s, "
            f"{self.stormy:.0f} of them stormy: {self.statuses}"
        )
        yield (
            f"{self.kills} kills, {self.freezes} freezes, {self.cuts} cuts, "
            f"{self.gateway_restarts} restarts of the gateway, one of Postgres; {self.lost} executions lost"
        )
        for name, times in (
            ("in the storm, taken back", self.taken_back),
            ("in the storm, behind the others in the queue, started again", self.restarted),
            ("afterwards, with free slots, started again (target: at most 10 s)", self.drills),
        ):
            if times:
                ordered = sorted(times)
                p50, p95 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
                most = ordered[-1]
                yield f"jobs of killed workers, {name}: p50 {p50:.1f} s, p95 {p95:.1f} s, most {most:.1f} s"
        megabytes = [f"{size / 1e6:.0f}" for size in self.memory]
        yield f"memory of the worker that was never killed, in MB: {' '.join(megabytes)}"
        yield f"workers that hear again: {sum(self.hearing)} of {len(self.hearing)}"
        yield from (f"FAULT: {fault}" for fault in self.faults)


class Storm:
    """Four workers and everything that happens to them.

    Args:
        stack: Their project.
        folder: For logs and notes.
        weather: What happens.
        seed: Makes the choice of victims repeatable.
    """

    def __init__(self, stack: TestStack, folder: Path, weather: Weather, *, seed: int) -> None:
        self._stack = stack
        self._folder = folder
        self._weather = weather
        self._random = random.Random(seed)
        self._notes = folder / "notes"
        self._notes.touch()
        self._workers: list[WorkerProcess] = []
        self._frozen: set[int] = set()
        self._kills: dict[int, float] = {}
        self.report = Report()

    async def run(self) -> Report:
        """The whole storm, and what it has shown."""
        self._admin = await asyncpg.connect(**self._stack.database.connect_kwargs("postgres"))
        with ExitStack() as processes:
            self._processes = processes
            for place in range(4):
                self._workers.append(self._start(place))
            processes.callback(self._end_all)
            await asyncio.gather(*(asyncio.to_thread(w.wait_until_ready) for w in self._workers))
            batches = await self._submit()
            began = time.monotonic()
            blows = [
                asyncio.create_task(blow)
                for blow in (
                    self._kill(),
                    self._cut(),
                    self._freeze(),
                    self._restart_gateway(),
                    self._restart_postgres(),
                )
            ]
            weighing = asyncio.create_task(self._weigh())
            try:
                ending = asyncio.create_task(self._until_all_ended(batches, began))
                await asyncio.wait({ending}, timeout=self._weather.lasts)
                await _cancel(blows)
                self.report.stormy = time.monotonic() - began
                await ending
            finally:
                await _cancel([*blows, ending, weighing])
            self.report.seconds = time.monotonic() - began
            await self._calm()
            for _ in range(self._weather.drills):
                await self._drill()
            await self._judge(batches)
        await self._admin.close()
        return self.report

    # Workers ------------------------------------------------------------------------------------------------

    def _start(self, place: int) -> WorkerProcess:
        off = {1: HOUR, 2: -HOUR}.get(place, 0)
        environment = {
            "SUPABASE_URL": self._stack.url,
            "SUPABASE_SECRET_KEY": self._stack.keys.secret_key,
            "CHAOS_NOTES": str(self._notes),
            "CLOCK_OFF_BY": str(off),
            "PYTHONPATH": os.pathsep.join([str(HERE / "skewed"), str(HERE)]),
            "HEADWAY_WORKER_NAME": f"chaos-{place}",
        }
        return WorkerProcess(("chaos_jobs",), environment, free_port(), self._folder / f"worker-{place}.log")

    def _end_all(self) -> None:
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGCONT)
                worker.kill()

    def _victims(self) -> list[int]:
        # The first one is never killed: its memory is looked at.
        return [place for place in range(1, 4) if place not in self._frozen]

    async def _kill(self) -> None:
        while True:
            await asyncio.sleep(self._weather.kill_every)
            place = self._random.choice(self._victims())
            worker = self._workers[place]
            self._kills[worker.process.pid] = time.time()
            # In one go: a storm that ends in between would leave three workers for the calm.
            worker.kill()
            self.report.kills += 1
            self._workers[place] = self._start(place)

    async def _freeze(self) -> None:
        while True:
            await asyncio.sleep(self._weather.freeze_every)
            place = self._random.choice(self._victims())
            worker = self._workers[place]
            self._frozen.add(place)
            try:
                worker.process.send_signal(signal.SIGSTOP)
                self.report.freezes += 1
                await asyncio.sleep(self._weather.frozen_for)
            finally:
                worker.process.send_signal(signal.SIGCONT)
                self._frozen.discard(place)

    async def _weigh(self) -> None:
        process = psutil.Process(self._workers[0].process.pid)
        while True:
            self.report.memory.append(process.memory_info().rss)
            await asyncio.sleep(5)

    # What they stand on -------------------------------------------------------------------------------------

    async def _cut(self) -> None:
        while True:
            await asyncio.sleep(self._weather.cut_every)

            async def cut() -> int:
                return int(self._stack.service("realtime").drop_sockets())

            self.report.cuts += await self._on_stack(cut())

    async def _restart_gateway(self) -> None:
        stack = self._stack.stack

        async def restart() -> None:
            assert stack._gateway is not None
            port = stack._gateway.port
            await stack._gateway.stop()
            listener = bind("127.0.0.1", port, setting="the storm")
            app = Gateway(KeyRing(stack.keys), stack._mounted, stack._administer)
            stack._gateway = HttpServer(app, listener, grace_s=1)
            await stack._gateway.start()

        while True:
            await asyncio.sleep(self._weather.gateway_at)
            await self._on_stack(restart())
            self.report.gateway_restarts += 1

    async def _restart_postgres(self) -> None:
        await asyncio.sleep(self._weather.postgres_at)
        await self.restart_postgres_now()

    async def restart_postgres_now(self) -> None:
        """Down in the middle of everything, and up again at the same place."""

        async def restart() -> None:
            postgres = self._stack.stack._postgres
            assert postgres is not None
            await postgres.stop()
            await postgres.start()

        await self._on_stack(restart())
        former = self._admin
        self._admin = await asyncpg.connect(**self._stack.database.connect_kwargs("postgres"))
        # Not closed in good order: somebody may be about to ask something over it.
        former.terminate()

    async def _on_stack(self, work: Any) -> Any:
        begun = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._stack.loop))
        # What was taken down comes up again, although the storm ends in between.
        return await asyncio.shield(begun)

    # The work -----------------------------------------------------------------------------------------------

    async def _submit(self) -> list[str]:
        tenants = [str(uuid.uuid4()) for _ in range(TENANTS)]
        batches = []
        for start in range(0, self._weather.jobs, 1000):
            jobs = [
                {"kind": KIND, "payload": {"n": n}, "owner_id": tenants[n % TENANTS], "max_attempts": RETRIES}
                for n in range(start, min(start + 1000, self._weather.jobs))
            ]
            body = {"jobs": jobs, "batch": {"name": f"storm {start}"}}
            batches.append((await self._call("submit_many", body))["batch_id"])
        return batches

    async def _call(self, function: str, body: Any) -> Any:
        key = self._stack.keys.secret_key
        headers = {"apikey": key, "authorization": f"Bearer {key}", "content-profile": "headway"}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            answer = await http.post(f"{self._stack.url}/rest/v1/rpc/{function}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def _until_all_ended(self, batches: list[str], began: float) -> None:
        sql = (
            "select count(*) filter (where finished_at is null) from headway.jobs"
            " where batch_id = any($1::uuid[])"
        )
        while True:
            await asyncio.sleep(0.5)
            try:
                left = await self._admin.fetchval(sql, batches)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                continue  # it is being restarted
            if left == 0:
                return
            if time.monotonic() - began > self._weather.at_most:
                self.report.faults.append(f"{left} jobs had not ended after {self._weather.at_most:.0f} s")
                return

    async def _calm(self) -> None:
        """Afterwards every worker must hear again by itself."""
        deadline = time.monotonic() + 60
        async with httpx.AsyncClient(timeout=5) as http:
            while True:
                self.report.hearing = [await _hears(http, worker.url) for worker in self._workers]
                if all(self.report.hearing):
                    return
                if time.monotonic() > deadline:
                    self.report.faults.append("not every worker hears again a minute after the storm")
                    for worker, hears in zip(self._workers, self.report.hearing, strict=True):
                        if not hears:
                            self.report.faults.append(f"{worker.url}: {await _condition(http, worker.url)}")
                            self.report.faults.append(worker.log.read_text("utf-8", "replace")[-3000:])
                    return
                await asyncio.sleep(0.2)

    async def _drill(self) -> None:
        """Kill the worker of the only job there is; how long it takes until another one starts it."""
        job_id = (await self._call("submit", {"kind": KIND, "payload": {"n": 0, "seconds": 60}}))["id"]
        held = await self._started(job_id, 1)
        place = int(held["name"].rsplit("-", 1)[1])
        worker = self._workers[place]
        killed = time.monotonic()
        worker.process.kill()
        await self._started(job_id, 2)
        self.report.drills.append(time.monotonic() - killed)
        await asyncio.to_thread(worker.process.wait)
        await self._call("cancel", {"job_id": job_id})
        self._workers[place] = self._start(place)
        await asyncio.to_thread(self._workers[place].wait_until_ready)

    async def _started(self, job_id: str, attempt: int) -> asyncpg.Record:
        sql = (
            "select w.name from headway.leases l join headway.workers w on w.id = l.worker_id"
            " where l.job_id = $1 and l.attempt >= $2"
        )
        async with asyncio.timeout(60):
            while (row := await self._admin.fetchrow(sql, uuid.UUID(job_id), attempt)) is None:
                await asyncio.sleep(0.01)
        return row

    # The verdict --------------------------------------------------------------------------------------------

    async def _judge(self, batches: list[str]) -> None:
        rows = await self._admin.fetch(
            "select status, count(*) from headway.jobs where batch_id = any($1::uuid[]) group by 1", batches
        )
        self.report.statuses = {row["status"]: row["count"] for row in rows}
        if self.report.statuses != {"completed": self._weather.jobs}:
            self.report.faults.append(f"not every job was completed: {self.report.statuses}")
        for name, sql in _MUST_BE_EMPTY.items():
            found = await self._admin.fetch(sql, batches)
            if found:
                self.report.faults.append(f"{name}: {len(found)}, such as {dict(found[0])}")
        await self._judge_steps(batches)
        await self._measure(batches)

    async def _judge_steps(self, batches: list[str]) -> None:
        completed = {
            (str(row["job_id"]), row["step"]): row["attempt"]
            for row in await self._admin.fetch(
                "select e.job_id, e.data ->> 'step' as step, e.attempt from headway.job_events e"
                " join headway.jobs j on j.id = e.job_id"
                " where j.batch_id = any($1::uuid[]) and e.type = 'step_completed'",
                batches,
            )
        }
        if len(completed) != self._weather.jobs * len(STEPS):
            self.report.faults.append(f"{len(completed)} steps were completed")
        again = 0
        for line in self._notes.read_text().splitlines():
            job, step, attempt = line.split()
            if (job, step) in completed and int(attempt) > completed[job, step]:
                again += 1
        if again:
            self.report.faults.append(f"{again} completed steps ran again")

    async def _measure(self, batches: list[str]) -> None:
        rows = await self._admin.fetch(_LOST, batches)
        self.report.lost = len(rows)
        for row in rows:
            killed = self._kills.get(int(json.loads(row["info"]).get("pid", 0)))
            if killed is None:
                continue
            self.report.taken_back.append(row["ended_at"].timestamp() - killed)
            if row["next_at"] is not None:
                self.report.restarted.append(row["next_at"].timestamp() - killed)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _hears(http: httpx.AsyncClient, url: str) -> bool:
    try:
        answer: Mapping[str, Any] = (await http.get(f"{url}/readyz")).json()
    except (httpx.HTTPError, ValueError):
        return False
    return answer.get("ready") is True and answer.get("link") == "proven"


async def _condition(http: httpx.AsyncClient, url: str) -> str:
    try:
        return (await http.get(f"{url}/readyz")).text
    except httpx.HTTPError as error:
        return repr(error)


_OF_BATCHES = "select j.id from headway.jobs j where j.batch_id = any($1::uuid[])"
_MUST_BE_EMPTY = {
    "jobs with more or fewer ends than one": f"""
        select job_id, count(*) from headway.job_events
        where job_id in ({_OF_BATCHES}) and type in ('completed', 'failed', 'cancelled')
        group by 1 having count(*) <> 1""",
    "holes in the events of a job": f"""
        select job_id, count(*), max(seq) from headway.job_events where job_id in ({_OF_BATCHES})
        group by 1 having count(*) <> max(seq) or min(seq) <> 1""",
    "events of an execution after it was lost, or after a later one": f"""
        select * from (
          select job_id, seq, type, attempt, max(attempt) over before as latest,
            max(case when type in ('lost', 'released') then attempt end) over before as gone
          from headway.job_events where job_id in ({_OF_BATCHES})
          window before as (partition by job_id order by seq rows between unbounded preceding and 1 preceding)
        ) e
        where e.attempt < e.latest or e.attempt <= e.gone and e.type <> 'started'""",
    "results of another execution than the last": f"""
        select o.job_id from headway.job_outputs o join headway.jobs j on j.id = o.job_id
        where o.job_id in ({_OF_BATCHES}) and o.attempt <> j.attempt""",
    "wrong results": f"""
        select o.job_id, o.result, i.payload from headway.job_outputs o
        join headway.job_inputs i on i.job_id = o.job_id
        where o.job_id in ({_OF_BATCHES}) and (o.result)::integer <> (i.payload ->> 'n')::integer + 2""",
    "executions with two outcomes": f"""
        select job_id, count(*) from headway.attempts
        where job_id in ({_OF_BATCHES}) and outcome = 'completed' group by 1 having count(*) <> 1""",
    "leases that nobody holds any more": f"""
        select job_id from headway.leases where job_id in ({_OF_BATCHES})""",
}
_LOST = f"""
    select a.job_id, a.ended_at, w.info::text as info, (
      select n.started_at from headway.attempts n
      where n.job_id = a.job_id and n.attempt = a.attempt + 1
    ) as next_at
    from headway.attempts a join headway.workers w on w.id = a.worker_id
    where a.job_id in ({_OF_BATCHES}) and a.outcome = 'lost'"""
