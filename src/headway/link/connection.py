"""One socket with what is joined on it, from its handshake to its end; never repaired, only replaced."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

from realtime import AsyncRealtimeClient

from headway.link.canary import Canary
from headway.link.channel import Channel, Purpose
from headway.link.events import ProofKind
from headway.link.membership import Membership
from headway.link.pacing import Pacer
from headway.link.policy import LinkPolicy
from headway.link.reasons import connection_error
from headway.link.redaction import redact
from headway.link.subscription import Subscription
from headway.link.tokens import TokenFacts

__all__ = ["Connection"]

_log = logging.getLogger("headway.link")

_TOO_BIG = 1009


class Connection:
    """A connection that is either trusted because it proved itself lately, or failed.

    Args:
        policy: Limits.
        pacer: The pace of joins, shared by all connections of a link.
        facts: Whose token it speaks with, and how long that lasts.
        kind: The best proof to try for.
        on_proof: Called at every proof.
        on_full: Called with a subscription that the server has no room for on this socket.
    """

    def __init__(
        self,
        policy: LinkPolicy,
        pacer: Pacer,
        facts: TokenFacts,
        kind: ProofKind,
        *,
        on_proof: Callable[[Connection], None],
        on_full: Callable[[Subscription], None],
    ) -> None:
        self.policy = policy
        self.pacer = pacer
        self.facts = facts
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done, with the reason, when the connection must not be relied on any more."""
        self.proven = asyncio.Event()
        """Set at the first proof that it hears."""
        self.first_proof: float | None = None
        self.last_proof: float | None = None
        self.proof: ProofKind | None = None
        self.tells_replication: bool | None = None
        """Whether the server says when messages sent by SQL are delivered; ``None`` while unknown."""
        self.canary = Canary(self, kind)
        self._on_proof = on_proof
        self._on_full = on_full
        self._client: AsyncRealtimeClient | None = None
        self._socket: Any = None
        self._reader: list[asyncio.Task[Any]] = []
        self._channels: set[Channel] = set()
        self._members: dict[Subscription, tuple[Membership, asyncio.Task[None]]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def subject(self) -> str | None:
        """Whose connection it is; ``None`` for a key's own role."""
        return self.facts.subject

    @property
    def was_stable(self) -> bool:
        """Whether it has heard for so long that what happens now is another story."""
        return self.first_proof is not None and (
            time.monotonic() - self.first_proof >= self.policy.stable_after
        )

    @property
    def has_failed(self) -> bool:
        """Whether it must not be relied on."""
        return self.failed.done() or self._closing

    async def open(self, url: str, api_key: str, token: str | None) -> None:
        """Shake hands, and begin to prove that the connection hears.

        Args:
            url: Of Realtime.
            api_key: The project's key.
            token: A user's token; ``None`` for the key's own role.

        Raises:
            Exception: whatever the packages below raise when it does not come about.
        """
        client = AsyncRealtimeClient(
            url,
            api_key,
            auto_reconnect=False,
            max_retries=1,
            timeout=math.ceil(max(self.policy.connect_timeout, self.policy.join_timeout)),
        )
        self._client = client
        if token is not None:
            await client.set_auth(token)
        async with asyncio.timeout(self.policy.connect_timeout):
            await client.connect()
        self._attend(client)
        self._spawn(self.canary.run(), "canary")

    def fail(self, reason: str) -> None:
        """Declare the connection unreliable; the first reason counts."""
        if not self.failed.done():
            self.failed.set_result(reason)

    def proved(self, kind: ProofKind) -> None:
        """The connection has proved that it hears."""
        self.last_proof = time.monotonic()
        if self.first_proof is None:
            self.first_proof = self.last_proof
        self.proof = kind
        self.proven.set()
        if not self.has_failed:
            self._on_proof(self)

    def is_full(self, subscription: Subscription) -> None:
        """The server has no room for one more channel on this socket."""
        self._members.pop(subscription, None)
        self._on_full(subscription)

    # Topics -----------------------------------------------------------------------------------------------

    def join(self, subscription: Subscription) -> None:
        """Join a topic, and stay."""
        if subscription in self._members or self._closing:
            return
        membership = Membership(self, subscription)
        task = self._spawn(membership.run(), f"topic {subscription.topic}")
        self._members[subscription] = (membership, task)

    async def leave(self, subscription: Subscription) -> None:
        """Leave a topic."""
        if (member := self._members.pop(subscription, None)) is None:
            return
        membership, task = member
        membership.settled.set()
        self._leaving[subscription.topic] = task
        task.cancel()
        try:
            await asyncio.wait({task})
        finally:
            if self._leaving.get(subscription.topic) is task:
                del self._leaving[subscription.topic]

    async def former_left(self, topic: str) -> None:
        """Wait until an earlier membership of a topic is gone: joining twice closes the second one."""
        if (task := self._leaving.get(topic)) is not None:
            await asyncio.wait({task})

    async def settled(self) -> None:
        """Wait until the connection is proven and the server has said yes or no to every topic."""
        await self.proven.wait()
        for membership, _ in tuple(self._members.values()):
            await membership.settled.wait()

    def make_channel(self, topic: str, *, private: bool, purpose: Purpose) -> Channel:
        """A channel to join with; to be given to ``leave_channel`` in the end."""
        assert self._client is not None
        channel = Channel(
            self._client, topic, private=private, purpose=purpose, socket_lost=self._socket_lost
        )
        self._channels.add(channel)
        return channel

    async def leave_channel(self, channel: Channel) -> None:
        """Leave a channel, as far as the connection still can."""
        if self.has_failed:
            return  # close() lets go of it.
        await channel.leave(self.policy.leave_timeout)
        self._channels.discard(channel)

    # The end ----------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let go of the socket and every task, in bounded time; safe to call twice."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        client, self._client = self._client, None
        if client is None:
            return
        pending = [task for channel in self._channels for task in channel.release()]
        self._channels.clear()
        try:
            async with asyncio.timeout(self.policy.close_timeout):
                await client.close()
        except Exception as error:  # noqa: BLE001 - a socket that cannot be closed well is cut off below
            _log.debug("a socket was not closed in order: %s", connection_error(error))
        finally:
            self._cut_off()
        pending += [task for task in self._reader if not task.done()]
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=self.policy.close_timeout)

    def _cut_off(self) -> None:
        transport = getattr(self._socket, "transport", None)
        if transport is not None:
            transport.abort()

    # What is private to the package: useful when it is there, never relied on ------------------------------

    def _attend(self, client: AsyncRealtimeClient) -> None:
        self._socket = getattr(client, "_ws_connection", None)
        protocol = getattr(self._socket, "protocol", None)
        if protocol is not None and hasattr(protocol, "max_size"):
            protocol.max_size = self.policy.max_frame_bytes
        for name in ("_listen_task", "_heartbeat_task"):
            task = getattr(client, name, None)
            if isinstance(task, asyncio.Task):
                self._reader.append(task)
                task.add_done_callback(self._reader_ended)

    def _reader_ended(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._closing:
            return
        if error is not None and getattr(self._socket, "close_code", None) is None:
            self.fail(f"the reader died of {connection_error(error)}")
        else:
            self._socket_lost("the reader ended")

    def _socket_lost(self, otherwise: str) -> None:
        """Fail for the reason that the socket gives, or another when it gives none."""
        code = getattr(self._socket, "close_code", None)
        sent = getattr(getattr(self._socket, "protocol", None), "close_sent", None)
        if getattr(sent, "code", None) == _TOO_BIG:
            limit = self.policy.max_frame_bytes
            self.fail(f"a frame was longer than {limit} bytes (LinkPolicy.max_frame_bytes)")
        elif code is None:
            self.fail(otherwise)
        else:
            said = redact(getattr(self._socket, "close_reason", None) or "")
            self.fail(f"the socket was closed with {code}" + (f": {said}" if said else ""))

    def _spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"headway link {what}")
        self._tasks.add(task)
        task.add_done_callback(self._work_ended)
        return task

    def _work_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if not self.has_failed:
                _log.error("%s ended", task.get_name(), exc_info=error)
            self.fail(f"{task.get_name()} ended: {connection_error(error)}")
