"""One joined topic of one socket.

Source: supabase/realtime ``lib/realtime_web/channels/realtime_channel.ex`` and the handlers beside it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from headway.local.identity import Identity
from headway.local.realtime.channels.admission import Refused, read_rights
from headway.local.realtime.channels.presence_events import handle_presence
from headway.local.realtime.channels.tokens import TokenInvalid, check_token, seconds_left
from headway.local.realtime.database.archive import StoredMessage
from headway.local.realtime.database.authorizer import CheckFailed, Rights
from headway.local.realtime.protocol.inbound import RawPayload, UserPayload
from headway.local.realtime.protocol.join import JoinRequest
from headway.local.realtime.protocol.outbound import (
    BinaryBroadcast,
    Broadcast,
    Outgoing,
    UserBroadcast,
    encode_message,
    encode_reply,
)

if TYPE_CHECKING:
    from headway.local.realtime.channels.hub import Room
    from headway.local.realtime.engine import Engine
    from headway.local.realtime.protocol.inbound import ClientMessage
    from headway.local.realtime.sockets.socket import Socket

__all__ = ["Channel"]


class Channel:
    """A channel from the moment its join is granted until it is closed.

    Args:
        engine: The service's parts.
        socket: The socket it belongs to.
        topic: The full topic.
        join_ref: The ref that its join came with.
        request: What the join asked for.
        token: The token in force.
        identity: Whom it speaks for.
        rights: What its policies allow; ``None`` on a public channel.
    """

    __slots__ = (
        "_held",
        "_ready_task",
        "_replayed",
        "_token_timer",
        "closed",
        "engine",
        "identity",
        "join_ref",
        "name",
        "presence_calls",
        "presence_on",
        "presence_window_ends",
        "request",
        "rights",
        "room",
        "socket",
        "token",
        "topic",
    )

    def __init__(
        self,
        engine: Engine,
        socket: Socket,
        topic: str,
        join_ref: Any,
        request: JoinRequest,
        token: str,
        identity: Identity,
        rights: Rights | None,
    ) -> None:
        self.engine = engine
        self.socket = socket
        self.topic = topic
        self.name = topic.removeprefix("realtime:")
        self.join_ref = join_ref
        self.request = request
        self.token = token
        self.identity = identity
        self.rights = rights
        self.presence_on = request.presence_enabled
        self.presence_calls = 0
        self.presence_window_ends = 0.0
        self.closed = False
        self.room: Room = engine.hub.enter(self, self.name, private=request.private)
        self._held: list[Outgoing] | None = []
        self._replayed: frozenset[str] = frozenset()
        self._ready_task: asyncio.Task[None] | None = None
        self._token_timer: asyncio.TimerHandle | None = None
        self._schedule_token_check()

    # Joined ---------------------------------------------------------------------------------------------

    def open(self, replay: list[StoredMessage]) -> None:
        """Begin to deliver: first what is replayed, then what came during the join, then what comes.

        Args:
            replay: Stored messages, oldest first.
        """
        for stored in replay:
            self._replay(stored)
        self._replayed = frozenset(stored.id for stored in replay)
        held, self._held = self._held or [], None
        for message in held:
            self.deliver(message)
        if self.request.replication_ready:
            self._ready_task = asyncio.get_running_loop().create_task(self._tell_when_ready())
        if self.request.changes:
            self.engine.changes.watch(self)
        if self.request.presence_enabled and (self.rights is None or self.rights.read_presence):
            self.push("presence_state", self.room.presence.state())

    def push(self, event: str, payload: Any) -> None:
        """Send this channel alone an event."""
        if not self.closed:
            self.socket.send(encode_message(self.socket.version, self.join_ref, self.topic, event, payload))

    def system(self, extension: str, status: str, message: str) -> None:
        """Send a ``system`` event.

        Args:
            extension: ``system`` or ``postgres_changes``.
            status: ``ok`` or ``error``.
            message: The text that clients match on.
        """
        self.push(
            "system",
            {"extension": extension, "status": status, "message": message, "channel": self.name},
        )

    def shut_down(self, message: str) -> None:
        """Close the channel for a reason that the client is told."""
        if not self.closed:
            self.system("system", "error", message)
            self.socket.drop_channel(self)

    def close(self) -> None:
        """Stop delivering and leave the topic; the client is told by the socket."""
        if self.closed:
            return
        self.closed = True
        if self._token_timer is not None:
            self._token_timer.cancel()
        if self._ready_task is not None:
            self._ready_task.cancel()
        self.engine.changes.unwatch(self)
        self.engine.hub.leave(self, self.room)
        self.room.tell_presence(self.room.presence.untrack(self, self.request.presence_key))

    # Delivering -----------------------------------------------------------------------------------------

    def deliver(self, message: Outgoing) -> None:
        """Send a broadcast, if the policies let this channel read it and it has not been replayed."""
        if self.rights is not None and not self.rights.read_broadcast:
            return
        if self._held is not None:
            self._held.append(message)
            return
        if message.message_id is not None and message.message_id in self._replayed:
            return
        frame = message.frame(self.socket.version)
        if frame is None:
            return
        self.socket.send(frame, message_of=self.topic)
        self._count_delivery(len(frame))

    def deliver_presence(self, message: Broadcast) -> bool:
        """Send a presence diff, if the policies let this channel read it; whether it was sent."""
        if self.rights is not None and not self.rights.read_presence:
            return False
        if self._held is not None:
            # The state that follows the join has it already.
            return False
        frame = message.frame(self.socket.version)
        assert frame is not None
        self.socket.send(frame, message_of=self.topic)
        return True

    def deliver_change(self, frame: str | bytes) -> None:
        """Send a change of a row, encoded for this channel."""
        if not self.closed:
            self.socket.send(frame, message_of=self.topic)
            self._count_delivery(len(frame))

    def _count_delivery(self, size: int) -> None:
        traffic, limits = self.engine.traffic, self.engine.limits
        traffic.count_event(limits, size)
        if traffic.too_many_events(limits):
            self.shut_down("Too many messages per second")

    def _replay(self, message: StoredMessage) -> None:
        meta = {"replayed": True, "id": message.id}
        if message.binary_payload is not None:
            stored = UserBroadcast(
                self.topic, message.event, message.binary_payload, is_json=False, meta=meta
            )
            if (frame := stored.frame(self.socket.version)) is not None:
                self.socket.send(frame, message_of=self.topic)
            return
        payload = orjson.Fragment(message.payload or "null")
        body = {"event": message.event, "payload": payload, "type": "broadcast", "meta": meta}
        self.push("broadcast", body)

    async def _tell_when_ready(self) -> None:
        if await self.engine.messages.ready(self.engine.limits.replication_ready_timeout_s):
            self.system("system", "ok", "Replication connection established")
        else:
            self.shut_down("Replication connection was not established in time")

    # Receiving ------------------------------------------------------------------------------------------

    async def handle(self, message: ClientMessage) -> None:
        """Act on a client's message to this channel.

        Args:
            message: Anything but a join or a leave.
        """
        if message.event == "broadcast":
            await self._handle_broadcast(message)
        elif message.event == "presence":
            await handle_presence(self, message)
        elif message.event == "access_token":
            await self._handle_token(message.payload)
        else:
            self.engine.traffic.count_event(self.engine.limits)

    def reply(self, ref: Any, status: str, response: Any) -> None:
        """Answer a client's message."""
        if not self.closed:
            self.socket.send(
                encode_reply(self.socket.version, self.join_ref, ref, self.topic, status, response)
            )

    async def _handle_broadcast(self, message: ClientMessage) -> None:
        outgoing, size = self._outgoing(message.payload)
        if outgoing is None or not await self._may_broadcast():
            # Policy or not, the real server says nothing.
            return
        self.engine.traffic.count_event(self.engine.limits, size)
        fits = self.engine.limits.payload_fits(size)
        if fits:
            self.room.send(outgoing, but=None if self.request.echo_self else self)
        if self.request.ack and fits:
            self.reply(message.ref, "ok", {})
        elif self.request.ack:
            self.reply(message.ref, "error", "payload_size_exceeded")

    def _outgoing(self, payload: Any) -> tuple[Outgoing | None, int]:
        if isinstance(payload, UserPayload):
            size = len(payload.data)
            return UserBroadcast(self.topic, payload.event, payload.data, is_json=payload.is_json), size
        if isinstance(payload, RawPayload):
            return BinaryBroadcast(self.topic, payload.data), len(payload.data)
        if isinstance(payload, dict):
            encoded = orjson.dumps(payload)
            return Broadcast(self.topic, "broadcast", encoded), len(encoded)
        return None, 0

    async def _may_broadcast(self) -> bool:
        rights = self.rights
        if rights is None:
            return True
        if rights.write_broadcast is None:
            try:
                allowed = await self.engine.authorizer.writable(
                    self.name, self.identity, self.socket.headers, ("broadcast",)
                )
            except CheckFailed:
                return False
            rights.write_broadcast = "broadcast" in allowed
        return rights.write_broadcast and not self.closed

    # Tokens ---------------------------------------------------------------------------------------------

    def _schedule_token_check(self) -> None:
        delay = min(self.engine.limits.token_check_s, max(seconds_left(self.identity), 0.005))
        self._token_timer = asyncio.get_running_loop().call_later(delay, self._check_token)

    def _check_token(self) -> None:
        try:
            self.identity = check_token(self.engine.verifier, self.token)
        except TokenInvalid as invalid:
            self.shut_down(invalid.system_text)
        else:
            self._schedule_token_check()

    async def _handle_token(self, payload: Any) -> None:
        token = payload.get("access_token") if isinstance(payload, dict) else None
        if not isinstance(token, str) or token.startswith("sb_") or token == self.token:
            return
        try:
            identity = check_token(self.engine.verifier, token)
        except TokenInvalid as invalid:
            self.shut_down(invalid.system_text)
            return
        if self.rights is not None:
            try:
                rights = await read_rights(
                    self.engine, self.name, identity, self.socket.headers, presence=self.presence_on
                )
            except Refused as refused:
                self.shut_down(refused.system_text)
                return
            if _revoked(self.rights, rights):
                self.shut_down(f"You no longer have permission to read from this Channel topic: {self.name}")
                return
            if self.closed:
                return
            self.rights = rights
        self.token, self.identity = token, identity
        if self._token_timer is not None:
            self._token_timer.cancel()
        self._schedule_token_check()
        if self.request.changes:
            self.engine.changes.watch(self)


def _revoked(before: Rights, after: Rights) -> bool:
    return (before.read_broadcast is True and after.read_broadcast is False) or (
        before.read_presence is True and after.read_presence is False
    )
