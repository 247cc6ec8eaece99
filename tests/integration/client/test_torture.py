"""Everything at once, for thousands of events: each watcher is told each of them once and in order."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import jwt
import psutil
import pytest

from headway.client import AsyncHeadway, Headway, Watch
from headway.core.feed import Feed, Update
from support.engine import Engine, Row, Worker
from support.stack import TestStack, running_stack

from .harness import QUICK, QUICK_LINK, Hand

JOBS = 8
EVENTS = 450
SEED = 20261126

POLICY = replace(QUICK, poll=0.3, quiet=0.5, quiet_cap=2.0, timeout=5)
LINK = replace(QUICK_LINK, canary_interval=0.3, canary_timeout=0.6, connect_timeout=2, join_timeout=1)


class Plant:
    """A stack that can be restarted in part and as a whole, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self._manager: Any = None
        self.stack: TestStack
        self.restarts = 0

    async def up(self) -> None:
        self._manager = running_stack(self._folder, api_port=self._port)
        self.stack = await asyncio.to_thread(self._manager.__enter__)
        self._port = int(self.stack.url.rpartition(":")[2])

    async def down(self) -> None:
        await asyncio.to_thread(self._manager.__exit__, None, None, None)

    async def restart(self) -> None:
        await self.down()
        await self.up()
        self.restarts += 1

    async def restart_postgres(self) -> None:
        server = self.stack.stack._postgres
        assert server is not None
        await self._on_server(server.stop)
        await self._on_server(server.start)
        self.restarts += 1

    async def restart_realtime(self) -> None:
        mounted, realtime = self.stack.stack._mounted, self.stack.service("realtime")
        del mounted["realtime"]
        await self._on_server(realtime.stop)
        await self._on_server(realtime.start)
        mounted["realtime"] = realtime.app
        self.restarts += 1

    async def cut(self) -> None:
        await self._on_server(lambda: self.stack.service("realtime").drop_sockets())

    async def faults(self, **faults: Any) -> None:
        realtime = self.stack.service("realtime")
        await self._on_server(realtime.faults.reset)
        await self._on_server(lambda: realtime.faults.set(faults))

    def connections(self) -> int:
        """How many connections to the address this process has open."""
        return sum(
            connection.raddr == ("127.0.0.1", self._port)
            for connection in psutil.Process().net_connections("tcp")
        )

    async def _on_server(self, act: Callable[[], Any]) -> None:
        async def acting() -> None:
            answer = act()
            if asyncio.iscoroutine(answer):
                await answer

        await asyncio.to_thread(self.stack.run, acting())


class Chaos:
    """Does one bad thing after the other, until it is told to stop."""

    def __init__(self, plant: Plant, dice: random.Random) -> None:
        self._plant = plant
        self._dice = dice
        self.done: list[str] = []

    async def run(self, working: Callable[[], bool]) -> None:
        lossy = {"lose": 0.3, "duplicate": 0.2, "reorder": 0.2}
        deeds: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("cut", self._plant.cut),
            ("cut", self._plant.cut),
            ("lossy", lambda: self._plant.faults(**lossy)),
            ("lossy and slow", lambda: self._plant.faults(**lossy, delay_ms=40)),
            ("heartbeats swallowed", lambda: self._plant.faults(**lossy, swallow_heartbeats=True)),
            ("joins refused", lambda: self._plant.faults(refuse_joins="UnableToConnectToProject: no")),
            ("no handshakes", lambda: self._plant.faults(refuse_connections=503)),
            ("silent", lambda: self._plant.faults(silent=True)),
            ("realtime restarted", self._plant.restart_realtime),
        ]
        rare = [("postgres restarted", self._plant.restart_postgres), ("all restarted", self._plant.restart)]
        round_ = 0
        while working():
            name, deed = deeds[round_] if round_ < len(deeds) else self._dice.choice(deeds)
            if round_ in (3, 7):
                name, deed = rare.pop(0)
            round_ += 1
            await deed()
            self.done.append(name)
            await asyncio.sleep(self._dice.uniform(0.2, 0.9))
        await self._plant.faults()


class Steadfast:
    """A worker that outlives every restart of the database."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._engine: Engine | None = None
        self._turn = asyncio.Lock()
        self.id = uuid.uuid4()

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            for connection in engine._connections:
                connection.terminate()

    async def do(self, work: Callable[[Worker], Awaitable[Any]]) -> Any:
        """Ask the engine until it answers; everything asked here may be repeated."""
        async with asyncio.timeout(60), self._turn:
            while True:
                try:
                    if self._engine is None:
                        self._engine = await Engine(self._plant.stack.database).open()
                    worker = Worker(self._engine.service)
                    worker.id = self.id
                    return await work(worker)
                except (
                    OSError,
                    asyncpg.PostgresError,
                    asyncpg.InterfaceError,
                    asyncpg.InternalClientError,
                ):
                    await self.close()
                    await asyncio.sleep(0.05)


async def labour(worker: Steadfast, hand: Hand, dice: random.Random) -> None:
    """Do one job: events in irregular bursts, with progress between them."""
    number = 0
    held = {key: hand.lease[key] for key in ("job_id", "attempt", "lease_token")}
    while number < EVENTS:
        burst = [{"name": "part", "data": n, "n": n + 1} for n in range(number, number + dice.randint(1, 9))]
        burst = burst[: EVENTS - number]
        number += len(burst)
        progress = {"percent": 100 * number / EVENTS, "message": f"{number} of {EVENTS}"}
        beat = held | progress | ({} if dice.random() < 0.3 else {"events": burst})
        if "events" not in beat:
            await worker.do(partial(_emit, held, burst))
        (row,) = await worker.do(partial(_beat, beat))
        assert row["state"] == "ok", row
        await asyncio.sleep(dice.uniform(0, 0.15))
    outcome = held | {"outcome": "completed", "result": number}
    (row,) = await worker.do(lambda w: w.finish_all([outcome]))
    assert row["state"] in ("applied", "repeated"), row


async def _emit(held: Row, events: list[Row], worker: Worker) -> Any:
    return await worker.service.call("emit", **held, events=events)


async def _beat(beat: Row, worker: Worker) -> Any:
    return await worker.heartbeat(beat, lease_seconds=300)


class Witness:
    """A watcher that keeps what it was told, and may be interrupted and begin again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.updates: list[Update] = []
        self.interruptions = 0

    @property
    def seqs(self) -> list[int]:
        return [update.event.seq for update in self.updates if update.event is not None]

    async def follow(
        self, hw: AsyncHeadway, job_id: uuid.UUID, dice: random.Random, *, restless: bool
    ) -> None:
        while not (self.updates and self.updates[-1].ended):
            seen = self.updates[-1].seq if self.updates else 0
            patience = dice.randint(20, 120) if restless else 10**9
            async with hw.watch(job_id, after_seq=seen, on_update=self._raise) as watch:
                async for update in watch:
                    self.updates.append(update)
                    patience -= 1
                    if patience == 0:
                        self.interruptions += 1
                        break

    def follow_synchronously(self, hw: Headway, job_id: uuid.UUID) -> None:
        for update in hw.watch(job_id, after_seq=0):
            self.updates.append(update)

    def check(self) -> None:
        # Submitted, started, every part, completed: once each and in order, and nothing after the end.
        assert self.seqs == list(range(1, EVENTS + 4)), (self.name, self.seqs[-5:])
        parts = [u.output for u in self.updates if u.event is not None and u.event.type == "emitted"]
        assert parts == list(range(EVENTS)), self.name
        last = self.updates[-1]
        assert (last.status, last.percent, last.ended) == ("completed", 100, True), self.name
        assert [update.ended for update in self.updates].count(True) == 1
        percents = [update.percent for update in self.updates]
        # A watch that goes on after a saved seq knows the percent only when it has caught up.
        assert self.interruptions or percents == sorted(percents), self.name

    @staticmethod
    def _raise(update: Update) -> None:
        if update.seq % 50 == 0:
            raise ZeroDivisionError("the app's own fault")


async def follow_list(hw: AsyncHeadway) -> None:
    """Every job of the list to its end, each state later than the one before."""
    known: dict[uuid.UUID, tuple[int, int]] = {}
    ended: set[uuid.UUID] = set()
    async with hw.watch_all() as watch:
        async for change in watch:
            mark = (change.job.seq, change.job.revision)
            assert mark > known.get(change.job.id, (0, 0))
            assert change.appeared == (change.job.id not in known)
            known[change.job.id] = mark
            if change.ended:
                ended.add(change.job.id)
            if len(ended) == JOBS:
                return


@asynccontextmanager
async def clients(
    plant: Plant, owner: uuid.UUID
) -> AsyncIterator[tuple[AsyncHeadway, AsyncHeadway, Headway]]:
    """A user whose tokens live three seconds, the service role, and the user again without a loop."""
    secret = plant.stack.keys.jwt_secret

    def token() -> str:
        now = int(time.time())
        claims = {"sub": str(owner), "role": "authenticated", "aud": "authenticated", "iat": now}
        return jwt.encode({**claims, "exp": now + 3, "jti": str(uuid.uuid4())}, secret, algorithm="HS256")

    public = {"url": plant.stack.url, "key": plant.stack.keys.publishable_key, "access_token": token}
    policies: dict[str, Any] = {"policy": POLICY, "link_policy": LINK}
    async with AsyncExitStack() as opened:
        user = await opened.enter_async_context(AsyncHeadway(**public, **policies))
        service = await opened.enter_async_context(
            AsyncHeadway(url=plant.stack.url, key=plant.stack.keys.secret_key, **policies)
        )
        blocking = Headway(**public, **policies)
        try:
            yield user, service, blocking
        finally:
            await asyncio.to_thread(blocking.close)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    plant = Plant(tmp_path / "stack")
    await plant.up()
    yield plant
    await plant.down()


async def test_every_event_once_and_in_order_whatever_happens(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    dice = random.Random(SEED)
    tasks_before, connections_before = asyncio.all_tasks(), plant.connections()
    worker = Steadfast(plant)
    kind = "test.torture"
    declared = [{"kind": kind, "queue": "torture", "timeout_seconds": 600}]
    await worker.do(
        lambda w: w.service.call("register_worker", worker_id=w.id, name="torture", kinds=declared)
    )
    owner = (await worker.do(lambda w: _user(worker))).sub
    witnesses: list[Witness] = []
    chaos = Chaos(plant, dice)
    async with clients(plant, owner) as (user, service, blocking):
        batch = await user.submit_many([{"kind": kind} for _ in range(JOBS)])
        leases = await worker.do(lambda w: w.claim(JOBS, lease_seconds=300))
        assert len(leases) == JOBS
        follows: list[Awaitable[None]] = []
        results = [user.result(job.id) for job in batch.jobs]
        for number, job in enumerate(batch.jobs):
            ours = [Witness(f"{name} {number}") for name in ("user", "restless", "service")]
            follows.append(ours[0].follow(user, job.id, dice, restless=False))
            follows.append(ours[1].follow(user, job.id, dice, restless=True))
            follows.append(ours[2].follow(service, job.id, dice, restless=False))
            if number < 2:
                ours.append(Witness(f"synchronous {number}"))
                follows.append(asyncio.to_thread(ours[3].follow_synchronously, blocking, job.id))
            witnesses += ours
        labours = asyncio.gather(*(labour(worker, Hand(Worker(None), lease), dice) for lease in leases))  # type: ignore[arg-type]
        trouble = asyncio.create_task(chaos.run(lambda: not labours.done()))
        async with asyncio.timeout(300):
            ends = asyncio.gather(*results)
            await asyncio.gather(ends, follow_list(user), *follows, labours, trouble)
        assert ends.result() == [EVENTS] * JOBS
    await worker.close()

    assert plant.restarts >= 2, chaos.done
    for witness in witnesses:
        witness.check()
    assert sum(witness.interruptions for witness in witnesses) > 10
    # Nothing is left: neither tasks, nor threads, nor sockets, nor what watches were made of.
    witnesses.clear()
    assert asyncio.all_tasks() == tasks_before
    for thread in threading.enumerate():
        if thread.name.startswith("headway"):
            thread.join(10)
            assert not thread.is_alive(), thread
    async with asyncio.timeout(30):
        while plant.connections() > connections_before:
            await asyncio.sleep(0.05)
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, (Watch, Feed))]


async def _user(worker: Steadfast) -> Any:
    assert worker._engine is not None
    return await worker._engine.user()
