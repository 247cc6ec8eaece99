"""Proof that a connection hears: what it sends to itself must come back.

Heartbeats prove nothing: the package never looks at their answers. In order of worth:

1. a private canary, ``canary:<subject>:<random>``, which a migration lets every signed-in caller use;
2. a public one with a random name, when the private one is refused (no such migration, or no user);
3. any answer to a join, when public channels are refused as well.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import TYPE_CHECKING, Any

from headway.link.channel import Channel
from headway.link.events import ProofKind
from headway.link.pacing import Backoff, first
from headway.link.reasons import Ended

if TYPE_CHECKING:
    from headway.link.connection import Connection

__all__ = ["Canary"]

_FORBIDDEN = frozenset({"Unauthorized", "PrivateOnly"})
_LADDER: dict[ProofKind, ProofKind] = {"canary": "public canary", "public canary": "answer"}


class Canary:
    """Proves one connection again and again, and fails it when it cannot.

    Args:
        connection: The connection to prove.
        kind: The best proof to try for; a worse one is taken when it is refused.
    """

    def __init__(self, connection: Connection, kind: ProofKind) -> None:
        self._connection = connection
        self._policy = connection.policy
        self._proving = asyncio.Lock()
        self._echo = asyncio.Event()
        self._sent = 0
        self._channel: Channel | None = None
        self.kind = kind

    async def run(self) -> None:
        """Prove until the connection fails."""
        backoff = Backoff(self._policy.rejoin_base, self._policy.rejoin_cap)
        while not self._connection.has_failed:
            await self._connection.pacer.turn()
            if self.kind == "answer":
                await self._by_answers()
                return
            channel = self._make(private=self.kind == "canary")
            try:
                refused = await channel.join(self._policy.join_timeout)
                if refused is None:
                    await self._by_echoes(channel)
                    continue
            finally:
                self._channel = None
                await self._connection.leave_channel(channel)
            if not self._alive(refused):
                return
            if refused.code in _FORBIDDEN:
                self.kind = _LADDER[self.kind]
                continue
            # Rates, or the database: perhaps of this server alone, and another connection gets another.
            if backoff.attempt >= self._policy.canary_attempts:
                self._connection.fail(f"canary: {refused}")
                return
            pause = backoff.next()
            await asyncio.sleep(pause + (self._policy.rate_limited_pause if refused.is_about_rates else 0))

    async def prove(self) -> bool:
        """Whether the connection hears, asked now."""
        async with self._proving:
            if self.kind == "answer":
                return await self._answered()
            channel = self._channel
            if channel is None:
                return False
            for _ in range(self._policy.canary_attempts):
                if await self._round_trip(channel):
                    self._connection.proved(self.kind)
                    return True
        return False

    async def _by_echoes(self, channel: Channel) -> None:
        """Prove by round trips; returns to try another kind, or when the connection has failed."""
        self._channel = channel
        if not await self.prove():
            if self.kind == "canary":
                # A policy may allow to listen and forbid to send; the server does not say so.
                self.kind = "public canary"
            else:
                self._connection.fail("deaf: its own canary does not come back")
            return
        while True:
            await self._interval(channel)
            if channel.ended.done():
                self._connection.fail(f"canary: {channel.ended.result()}")
                return
            if not await self.prove():
                self._connection.fail("deaf: its own canary does not come back")
                return

    async def _by_answers(self) -> None:
        while True:
            if not await self.prove():
                self._connection.fail("deaf: no answer to a join")
                return
            await self._interval(None)

    async def _answered(self) -> bool:
        channel = self._make(private=True)
        try:
            refused = await channel.join(self._policy.join_timeout)
        finally:
            await self._connection.leave_channel(channel)
        if refused is not None and not self._alive(refused):
            return False
        self._connection.proved("answer")
        return True

    async def _round_trip(self, channel: Channel) -> bool:
        self._sent += 1
        self._echo.clear()
        try:
            async with asyncio.timeout(self._policy.canary_timeout):
                await channel.send("canary", {"n": self._sent})
                await self._echo.wait()
        except TimeoutError:
            return False
        return True

    async def _interval(self, channel: Channel | None) -> None:
        """Wait for the next proof to be due, or for the channel to end."""
        # Spread, so that the clients of a restarted server do not sing in chorus.
        pause = self._policy.canary_interval * random.uniform(0.8, 1.2)  # noqa: S311
        if channel is None:
            await asyncio.sleep(pause)
        else:
            await first(channel.ended, timeout=pause)

    def _make(self, *, private: bool) -> Channel:
        nest = self._connection.subject or uuid.uuid4()
        topic = f"canary:{nest}:{uuid.uuid4()}" if private else f"canary:{uuid.uuid4()}"
        channel = self._connection.make_channel(topic, private=private, purpose="canary")
        channel.on_broadcast(self._on_echo)
        return channel

    def _alive(self, refused: Ended) -> bool:
        """Whether a refusal is an answer that leaves the connection usable; it is failed otherwise."""
        if refused.code in ("NoAnswer", "ConnectionLost") or refused.needs_fresh_token:
            self._connection.fail(f"canary: {refused}")
        return not self._connection.has_failed

    def _on_echo(self, frame: Any) -> None:
        # Only what was sent last: an echo that comes after its time must not stand for the next.
        if frame["payload"].get("n") == self._sent:
            self._echo.set()
