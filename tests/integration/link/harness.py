"""Links to a running stack, and ears that remember all that they were told."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import jwt

from headway.link import Event, LinkPolicy, LinkState, Listener, Message, RealtimeLink
from headway.local.realtime.limits import RealtimeLimits
from headway.local.realtime.service import RealtimeService
from support.stack import TestStack

PATIENCE_S = 30

# Everything quick but the limits, which a busy machine must not reach by itself.
QUICK = LinkPolicy(
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
# For what a link can learn only by waiting in vain.
IMPATIENT = replace(QUICK, join_timeout=0.6, canary_interval=0.1, canary_timeout=0.3, connect_timeout=2)


class Ear:
    """Listens in the background and keeps everything.

    Args:
        listener: What to listen to.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._listen())

    @property
    def story(self) -> str:
        """L listening, G gap, R refused; runs of messages are one m."""
        letters = ("m" if isinstance(e, Message) else type(e).__name__[0] for e in self.events)
        story = ""
        for letter in letters:
            story += letter if letter != "m" or not story.endswith("m") else ""
        return story

    @property
    def numbers(self) -> list[int]:
        """What the messages counted."""
        return [e.payload["n"] for e in self.events if isinstance(e, Message)]

    def all(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [e for e in self.events if isinstance(e, kind)]

    async def until(self, satisfied: Callable[[Ear], bool]) -> None:
        """Wait until what was heard satisfies a condition."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not satisfied(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"heard only {self.story}: {self.events[-5:]}") from None

    async def listening(self, times: int = 1) -> None:
        """Wait until the server has said so often that it listens."""
        await self.until(lambda ear: ear.story.count("L") >= times)

    async def close(self) -> None:
        """Listen no more."""
        self._task.cancel()
        await asyncio.wait({self._task})
        await self.listener.close()

    async def _listen(self) -> None:
        async for event in self.listener:
            self.events.append(event)
            self._changed.set()


class House:
    """A stack's Realtime from both sides.

    Args:
        stack: The stack.
        database: A connection as ``postgres``.
    """

    def __init__(self, stack: TestStack, database: asyncpg.Connection[Any]) -> None:
        self.stack = stack
        self.database = database
        self._open: list[Ear] = []

    @property
    def realtime(self) -> RealtimeService:
        service = self.stack.service("realtime")
        assert isinstance(service, RealtimeService)
        return service

    def on_server(self, act: Callable[[], Any]) -> Any:
        """Do something on the stack's own loop."""

        async def acting() -> Any:
            result = act()
            return await result if asyncio.iscoroutine(result) else result

        return self.stack.run(acting())

    def faults(self, **faults: Any) -> None:
        """Be faulty in these ways from now on."""
        self.on_server(lambda: self.realtime.faults.set(faults))

    def limits(self, **limits: Any) -> None:
        """Put a plan's limits in force."""

        def set_them() -> None:
            self.realtime.limits = RealtimeLimits(**limits)

        self.on_server(set_them)

    def drop(self, topic: str) -> None:
        """Cut the sockets that have joined a topic."""
        assert self.on_server(lambda: self.realtime.drop_sockets(topic=topic)) > 0

    def healthy(self) -> None:
        """No faults, no limits."""
        self.on_server(self.realtime.faults.reset)
        self.limits()

    def channels(self, prefix: str = "") -> list[Any]:
        """The server's channels whose topic begins so."""

        def find() -> list[Any]:
            engine = self.realtime._engine
            assert engine is not None
            return [
                channel
                for socket in engine.sockets
                for topic, channel in socket.channels.items()
                if topic.startswith(f"realtime:{prefix}")
            ]

        found: list[Any] = self.on_server(find)
        return found

    async def only_channels(self, prefix: str, count: int) -> list[Any]:
        """Wait until the server has so many channels of a topic."""
        async with asyncio.timeout(PATIENCE_S):
            while len(channels := self.channels(prefix)) != count:
                await asyncio.sleep(0)
        return channels

    async def no_channels(self, prefix: str = "") -> None:
        """Wait until the server has no channel of a topic any more."""
        await self.only_channels(prefix, 0)

    async def send(self, topic: str, *numbers: int, private: bool = True, **more: Any) -> None:
        """Send messages from the database, as the engine does."""
        for number in numbers:
            await self.database.execute(
                "select realtime.send(($1::json)::jsonb, 'counted', $2, $3)",
                json.dumps({"n": number, **more}),
                topic,
                private,
            )

    def token(self, subject: str | None = None, *, lasts_s: float = 3600, **claims: Any) -> str:
        """A user's access token."""
        now = time.time()
        return jwt.encode(
            {
                "sub": subject or str(uuid.uuid4()),
                "role": "authenticated",
                "aud": "authenticated",
                "iat": int(now),
                "exp": int(now + lasts_s),
                "jti": str(uuid.uuid4()),
                **claims,
            },
            self.stack.keys.jwt_secret,
            algorithm="HS256",
        )

    @asynccontextmanager
    async def link(self, policy: LinkPolicy = QUICK, **options: Any) -> AsyncIterator[RealtimeLink]:
        """A started link, by the secret key unless said otherwise."""
        url = options.pop("url", self.stack.url)
        link = RealtimeLink(url, options.pop("key", self.stack.keys.secret_key), policy=policy, **options)
        await link.start()
        try:
            yield link
        finally:
            ears, self._open = self._open, []
            for ear in ears:
                await ear.close()
            await link.stop()

    def ear(self, listener: Listener) -> Ear:
        """An ear that is closed with its link."""
        ear = Ear(listener)
        self._open.append(ear)
        return ear


def room() -> str:
    """A topic of one's own."""
    return f"room:{uuid.uuid4()}"


async def state_of(link: RealtimeLink, satisfied: Callable[[LinkState], bool]) -> LinkState:
    """The first state, from now on, that satisfies a condition."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for state in link.states():
                if satisfied(state):
                    return state
    except TimeoutError:
        pass
    raise AssertionError(f"the link stays {link.state}")


async def proven(link: RealtimeLink, *, after: float = 0) -> LinkState:
    """Wait until the link is proven, by a proof after a moment."""
    return await state_of(link, lambda s: s.status == "proven" and (s.last_proof or 0) > after)
