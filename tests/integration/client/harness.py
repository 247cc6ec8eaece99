"""Apps, their users, and a worker whose every move the test decides."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from headway.client import AsyncHeadway, ClientPolicy
from headway.link import LinkPolicy
from support.engine import Engine, Row, Worker, held
from support.stack import TestStack

T = TypeVar("T")

PATIENCE_S = 30

# Everything quick but the limits, which a busy machine must not reach by itself.
QUICK_LINK = LinkPolicy(
    connect_timeout=5,
    join_timeout=5,
    canary_interval=0.25,
    canary_timeout=2.5,
    canary_attempts=2,
    overlap=0.02,
    backoff_base=0.02,
    backoff_cap=0.2,
    rejoin_base=0.02,
    rejoin_cap=0.2,
    rate_limited_pause=0.1,
    joins_per_second=2000,
    join_burst=100,
)
QUICK = ClientPolicy(
    retry_base=0.02,
    retry_cap=0.2,
    poll=0.15,
    patience=0.1,
    quiet=0.3,
    quiet_cap=1.0,
    lease=0.5,
)
# Never reads of its own accord within a test: what is told was told by Realtime.
DEAF_TO_TIME = replace(QUICK, poll=600, patience=600, quiet=600, quiet_cap=600, estimate=18_000)


class Hand:
    """One claimed job, moved on by the test.

    Args:
        worker: Who has claimed it.
        lease: What was claimed.
    """

    def __init__(self, worker: Worker, lease: Row) -> None:
        self.worker = worker
        self.lease = lease
        self.job_id = uuid.UUID(str(lease["job_id"]))
        self._emitted = 0

    async def progress(self, **progress: Any) -> None:
        """Beat with some progress."""
        row = await self.worker.beat(self.lease, **progress)
        assert row["state"] == "ok", row

    async def emit(self, *outputs: Any, name: str = "part") -> None:
        """Emit partial output."""
        events = []
        for output in outputs:
            self._emitted += 1
            events.append({"name": name, "data": output, "n": self._emitted})
        await self.worker.service.call("emit", **held(self.lease), events=events)

    async def step(self, step: str, result: Any) -> None:
        """Complete a step."""
        await self.worker.service.call("checkpoint", **held(self.lease), step=step, result=result)

    async def finish(self, outcome: str = "completed", **fields: Any) -> None:
        """End the attempt."""
        row = await self.worker.finish(self.lease, outcome, **fields)
        assert row["state"] == "applied", row


class Queue:
    """A kind with a queue and a worker of its own."""

    def __init__(self, kind: str, worker: Worker) -> None:
        self.kind = kind
        self.worker = worker

    async def take(self) -> Hand:
        """Claim the next job; there must be one."""
        return Hand(self.worker, await self.worker.claim_one())


class Shop:
    """A stack, whoever uses it, and what they have opened.

    Args:
        stack: The stack.
        engine: Its engine from within.
    """

    def __init__(self, stack: TestStack, engine: Engine) -> None:
        self.stack = stack
        self.engine = engine
        self._opened = AsyncExitStack()

    async def close(self) -> None:
        """Close everything."""
        await self._opened.aclose()

    async def kind(self, **fields: Any) -> Queue:
        """A kind of the test's own."""
        kind = f"test.k{uuid.uuid4().hex[:12]}"
        worker = await self.engine.worker({"kind": kind, "queue": kind.replace(".", "-"), **fields})
        return Queue(kind, worker)

    async def official(self, key: str | None = None, **options: Any) -> AsyncClient:
        """An official client that nobody has signed in with."""
        session = await self._opened.enter_async_context(httpx.AsyncClient())
        chosen = AsyncClientOptions(httpx_client=session, **{"auto_refresh_token": False, **options})
        client = await acreate_client(self.stack.url, key or self.stack.keys.publishable_key, chosen)
        self._opened.push_async_callback(client.realtime.close)
        return client

    async def person(self, **options: Any) -> AsyncClient:
        """An official client with somebody new signed in."""
        client = await self.official(**options)
        await client.auth.sign_in_anonymously()
        return client

    async def token(self, client: AsyncClient) -> str:
        """The access token of somebody's session."""
        session = await client.auth.get_session()
        assert session is not None
        return session.access_token

    async def headway(self, client: AsyncClient | None = None, **options: Any) -> AsyncHeadway:
        """A client of ours, of somebody new unless said otherwise; closed after the test."""
        policies = {"policy": QUICK, "link_policy": QUICK_LINK}
        if client is None and "key" not in options:
            client = await self.person()
        if client is None:
            options = {"url": self.stack.url, **options}
        return await self._opened.enter_async_context(AsyncHeadway(client, **{**policies, **options}))

    async def service(self, **options: Any) -> AsyncHeadway:
        """A client with the secret key."""
        return await self.headway(key=self.stack.keys.secret_key, **options)

    def on_server(self, act: Callable[[], Any]) -> Any:
        """Do something on the stack's own loop."""

        async def acting() -> Any:
            result = act()
            return await result if asyncio.iscoroutine(result) else result

        return self.stack.run(acting())

    @property
    def realtime(self) -> Any:
        """The stack's Realtime service."""
        return self.stack.service("realtime")

    def faults(self, **faults: Any) -> None:
        """Let Realtime be faulty in these ways from now on."""
        self.on_server(lambda: self.realtime.faults.set(faults))

    def healthy(self) -> None:
        """No faults any more."""
        self.on_server(self.realtime.faults.reset)

    def topics(self) -> set[str]:
        """What is joined at the server, canaries left out."""

        def find() -> set[str]:
            engine = self.realtime._engine
            return {
                topic.removeprefix("realtime:")
                for socket in engine.sockets
                for topic in socket.channels
                if "canary" not in topic
            }

        found: set[str] = self.on_server(find)
        return found

    def sockets(self) -> int:
        """How many Realtime sockets are open at the server."""
        return int(self.on_server(lambda: len(self.realtime._engine.sockets)))

    async def joined(self, topic: str) -> None:
        """Wait until a topic is joined."""
        await self.until(lambda: topic in self.topics())

    async def left(self, topic: str) -> None:
        """Wait until a topic is not joined any more."""
        await self.until(lambda: topic not in self.topics())

    async def until(self, satisfied: Callable[[], bool]) -> None:
        """Wait until the server is in some state."""
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(satisfied):
                await asyncio.sleep(0)


class Ear:
    """Iterates in the background and keeps everything."""

    def __init__(self, watch: Any) -> None:
        self.watch = watch
        self.updates: list[Any] = []
        self.error: BaseException | None = None
        self.ended = False
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._listen())

    @property
    def events(self) -> list[Any]:
        """The events that were told."""
        return [event for update in self.updates if (event := getattr(update, "event", None)) is not None]

    @property
    def types(self) -> list[str]:
        """Their types."""
        return [event.type for event in self.events]

    @property
    def outputs(self) -> list[Any]:
        """What was emitted."""
        return [event.output for event in self.events if event.type == "emitted"]

    @property
    def seqs(self) -> list[int]:
        """The numbers of the events."""
        return [event.seq for event in self.events]

    async def until(self, satisfied: Callable[[Ear], bool]) -> None:
        """Wait until what was told satisfies a condition."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not satisfied(self):
                    if self.task.done():
                        raise AssertionError(f"it ended: {self.types}, {self.error!r}")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"told only {self.types}, {self.updates[-2:]}") from None

    async def end(self) -> None:
        """Wait for the end of the iteration; raises what ended it."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({self.task})
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        """Listen no more."""
        self.task.cancel()
        await asyncio.wait({self.task})
        await self.watch.aclose()

    async def _listen(self) -> None:
        try:
            async for update in self.watch:
                self.updates.append(update)
                self._changed.set()
        except Exception as error:  # noqa: BLE001 - kept for the test to look at
            self.error = error
        self.ended = True
        self._changed.set()


@asynccontextmanager
async def opened_shop(stack: TestStack) -> AsyncIterator[Shop]:
    """A shop for one test."""
    engine = await Engine(stack.database).open()
    shop = Shop(stack, engine)
    try:
        yield shop
    finally:
        await shop.close()
        await asyncio.to_thread(shop.healthy)
        await engine.close()


async def within(work: Awaitable[T], seconds: float = PATIENCE_S) -> T:
    """What some work returns, if it does so in time."""
    async with asyncio.timeout(seconds):
        return await work
