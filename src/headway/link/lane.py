"""One socket's worth of topics, carried by one connection after another, for ever."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from headway.link.connection import Connection
from headway.link.events import LinkStatus, ProofKind
from headway.link.pacing import Backoff, Pacer, first
from headway.link.policy import LinkPolicy
from headway.link.reasons import connection_error
from headway.link.subscription import Subscription
from headway.link.tokens import TokenFacts, is_secret_key, read_token

__all__ = ["Lane", "LaneOptions", "LaneOwner"]

_log = logging.getLogger("headway.link")

TokenSource = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """What every lane of a link shares.

    Args:
        url: Of Realtime.
        api_key: The project's key.
        token: Makes a fresh user token; ``None`` for the key's own role.
        policy: Limits.
        pacer: The pace of joins.
    """

    url: str
    api_key: str
    token: TokenSource | None
    policy: LinkPolicy
    pacer: Pacer


class LaneOwner(Protocol):
    """What a lane reports to."""

    def lane_changed(self, *, lost: bool = False, replaced: bool = False, error: str | None = None) -> None:
        """The lane's status, connections or proofs changed."""

    def lane_is_full(self, lane: Lane, subscription: Subscription) -> None:
        """The server has no room for a topic on this lane's socket."""


class _IdentityChanged(Exception):
    """The token function now speaks for somebody else."""


class Lane:
    """Keeps a set of topics joined on one socket, replacing it when it fails and before it grows old.

    Args:
        options: What all lanes share.
        owner: What it reports to.
    """

    def __init__(self, options: LaneOptions, owner: LaneOwner) -> None:
        self._options = options
        self._policy = options.policy
        self._owner = owner
        self._backoff = Backoff(self._policy.backoff_base, self._policy.backoff_cap)
        self._renew = asyncio.Event()
        # A key that is neither secret nor used on behalf of a user may not use the private topic.
        self._best: ProofKind = (
            "canary" if options.token is not None or is_secret_key(options.api_key) else "public canary"
        )
        self._kind: ProofKind = self._best
        self._closing: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._was_proven = False
        self.connections: list[Connection] = []
        """What is open now: one, or two during a handover."""
        self.subscriptions: list[Subscription] = []
        self.capacity = self._policy.channels_per_connection

    # What is asked of it ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run(), name="headway link lane")

    async def stop(self) -> None:
        """Let go of everything."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        for connection in tuple(self.connections):
            self._discard(connection)
        if self._closing:
            await asyncio.wait(self._closing)

    def has_room_for(self, subscription: Subscription) -> bool:
        """Whether a topic can be carried too. A topic is public or private on a socket, never both."""
        return len(self.subscriptions) < self.capacity and all(
            other.topic != subscription.topic for other in self.subscriptions
        )

    def add(self, subscription: Subscription) -> None:
        """Carry one more topic."""
        self.subscriptions.append(subscription)
        for connection in self.connections:
            connection.join(subscription)

    async def remove(self, subscription: Subscription) -> None:
        """Carry a topic no more."""
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)
        for connection in tuple(self.connections):
            await connection.leave(subscription)
            subscription.lost(connection, "the topic moves to another socket")

    def renew(self) -> None:
        """Change over to a connection with a fresh token, soon."""
        self._renew.set()

    def suspect(self, reason: str) -> None:
        """Give up every connection: none can be relied on."""
        self._backoff.reset()
        for connection in self.connections:
            connection.fail(reason)

    @property
    def status(self) -> LinkStatus:
        """How the lane is."""
        if any(c.proven.is_set() and not c.has_failed for c in self.connections):
            return "proven"
        return "deaf" if self._was_proven else "connecting"

    # The loop -----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                connection: Connection | None = await self._connect()
                while connection is not None:
                    connection = await self._serve(connection)
            except Exception as error:  # noqa: BLE001 - a fault of ours must leave nobody deaf for ever
                _log.exception("the supervision of a realtime connection failed; it begins anew")
                for left in tuple(self.connections):
                    left.fail(connection_error(error))
                    self._discard(left)
                self._owner.lane_changed(lost=True, error=connection_error(error))
                await asyncio.sleep(self._backoff.next())

    async def _connect(self) -> Connection:
        while True:
            self._renew.clear()
            try:
                connection = await self._open(self._kind)
            except Exception as error:  # noqa: BLE001 - of whatever kind, the next attempt is the answer to it
                self._failed(error)
            else:
                self._begin(connection)
                return connection
            await asyncio.sleep(self._backoff.next())

    async def _serve(self, connection: Connection) -> Connection | None:
        """Stay with a connection until it fails or is replaced; what comes after it, ``None`` for nothing."""
        due = time.monotonic() + self._lifetime(connection)
        while True:
            if not await self._until_due(connection, due):
                await self._lose(connection)
                return None
            try:
                successor = await self._hand_over(connection)
            except _IdentityChanged:
                # Nothing of the former identity may be heard any more, so there is no overlap.
                self._owner.lane_changed(error="the token speaks for somebody else now")
                await self._lose(connection, "the identity changed")
                return None
            if successor is not None:
                return successor
            if connection.has_failed:
                await self._lose(connection)
                return None
            due = time.monotonic() + self._backoff.next()

    async def _until_due(self, connection: Connection, due: float) -> bool:
        """Wait for the time to change over; whether the connection still serves then."""
        renewal = asyncio.create_task(self._renew.wait(), name="headway link renewal")
        try:
            await first(connection.failed, renewal, timeout=max(due - time.monotonic(), 0))
        finally:
            renewal.cancel()
        self._renew.clear()
        return not connection.failed.done()

    async def _hand_over(self, old: Connection) -> Connection | None:
        """Make before break; the connection that serves from now on, ``None`` when it is still the old one.

        Raises:
            _IdentityChanged: the fresh token is somebody else's.
        """
        try:
            new = await self._open(self._best, instead_of=old)
        except _IdentityChanged:
            raise
        except Exception as error:  # noqa: BLE001 - the old connection still serves
            self._failed(error)
            return None
        self._begin(new)
        settled = asyncio.create_task(new.settled(), name="headway link handover")
        try:
            await first(settled, new.failed, old.failed, timeout=self._policy.handover_timeout)
            complete = settled.done() and not new.failed.done()
        finally:
            settled.cancel()
        if complete and not old.failed.done():
            await self._drain(old, new)
        if new.failed.done() or not (complete or old.failed.done()):
            self._abandon(new)
            return None
        if old in self.connections:
            self._discard(old)
        self._backoff.reset()
        self._owner.lane_changed(replaced=not old.failed.done(), lost=old.failed.done())
        return new

    async def _drain(self, old: Connection, new: Connection) -> None:
        """Wait for what is still under way on the old connection, then take it out of use."""
        # What the server has sent comes before the echo of what we send now.
        drained = await old.canary.prove()
        if drained:
            await first(old.failed, new.failed, timeout=self._policy.overlap)
        if new.failed.done():
            return
        if drained and not old.failed.done():
            for subscription in self.subscriptions:
                subscription.retired(old, "the topic is not admitted any more")
        else:
            old.fail("it could not prove that everything had arrived")

    # Connections --------------------------------------------------------------------------------------------

    async def _open(self, kind: ProofKind, *, instead_of: Connection | None = None) -> Connection:
        options = self._options
        token: str | None = None
        if options.token is not None:
            async with asyncio.timeout(self._policy.token_timeout):
                token = await options.token()
        facts = TokenFacts() if token is None else read_token(token)
        if instead_of is not None and facts.subject != instead_of.subject:
            raise _IdentityChanged
        connection = Connection(
            self._policy, options.pacer, facts, kind, on_proof=self._proved, on_full=self._is_full
        )
        try:
            await connection.open(options.url, options.api_key, token)
        except BaseException:
            await asyncio.shield(connection.close())
            raise
        return connection

    def _begin(self, connection: Connection) -> None:
        self.connections.append(connection)
        for subscription in self.subscriptions:
            connection.join(subscription)
        self._owner.lane_changed()

    async def _lose(self, connection: Connection, reason: str | None = None) -> None:
        """Give up a connection, and pause before the next."""
        connection.fail(reason or "given up")
        reason = connection.failed.result()
        _log.info("a realtime connection was lost: %s", reason)
        self._discard(connection)
        self._owner.lane_changed(lost=True, error=reason)
        if connection.was_stable:
            self._backoff.reset()
        await asyncio.sleep(self._backoff.next())

    def _abandon(self, successor: Connection) -> None:
        """Give up a successor that did not come up to what it was to replace."""
        successor.fail("the server did not answer every join in time")
        reason = successor.failed.result()
        _log.info("a realtime connection could not be replaced yet: %s", reason)
        self._discard(successor)
        self._owner.lane_changed(error=reason)

    def _discard(self, connection: Connection) -> None:
        """Close a connection in the background; whoever listened to it alone is told of a gap."""
        if connection in self.connections:
            self.connections.remove(connection)
        reason = connection.failed.result() if connection.failed.done() else "the link stopped"
        for subscription in self.subscriptions:
            subscription.lost(connection, reason)
        task = asyncio.create_task(connection.close(), name="headway link closing")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _lifetime(self, connection: Connection) -> float:
        """Seconds after which a connection is to be replaced, different for each."""
        life = self._policy.max_connection_age
        if connection.facts.life is not None:
            life = min(life, connection.facts.life * self._policy.token_life_used)
        return max(life * random.uniform(0.8, 1.0), 0.05)  # noqa: S311 - spreads load, keeps no secret

    def _failed(self, error: Exception) -> None:
        reason = connection_error(error)
        _log.info("a realtime connection could not be made: %s", reason)
        self._owner.lane_changed(error=reason)

    def _proved(self, connection: Connection) -> None:
        self._was_proven = True
        if connection.proof is not None:
            self._kind = connection.canary.kind
        self._owner.lane_changed()

    def _is_full(self, subscription: Subscription) -> None:
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)
        self.capacity = max(1, len(self.subscriptions))
        self._owner.lane_is_full(self, subscription)
