"""One WebSocket connection and the channels on it.

Source: Phoenix.Socket's transport and supabase/realtime ``lib/realtime_web/channels/user_socket.ex``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.types import Message, Receive, Send

from headway.local.realtime.channels.admission import Refused, admit, replay_for
from headway.local.realtime.channels.channel import Channel
from headway.local.realtime.protocol.inbound import ClientMessage, MalformedFrame, decode
from headway.local.realtime.protocol.join import parse_join
from headway.local.realtime.protocol.outbound import Frame, encode_message, encode_reply
from headway.local.realtime.sockets.outbox import Outbox
from headway.local.realtime.sockets.transport import abort

if TYPE_CHECKING:
    from headway.local.realtime.engine import Engine

__all__ = ["Socket"]

_log = logging.getLogger("headway.realtime")

# Messages handled before the loop is given to others; those that need no database never suspend.
_MESSAGES_PER_TURN = 32
# Malformed messages and refused joins in a row, after which a client is taken to be hostile or broken.
_STRIKES = 1_000
_CLOSE_PATIENCE_S = 2


class Socket:
    """A connected client.

    Args:
        engine: The service's parts.
        receive: The connection's ASGI ``receive``.
        send: Its ASGI ``send``.
        version: The serializer, 1 or 2.
        token: The connection's token, already checked.
        headers: What policies see as ``request.headers``.
    """

    __slots__ = (
        "_engine",
        "_outbox",
        "_receive",
        "_send",
        "_strikes",
        "channels",
        "has_joined",
        "headers",
        "last_channel_at",
        "last_message_at",
        "token",
        "version",
        "was_waited_for",
    )

    def __init__(
        self,
        engine: Engine,
        receive: Receive,
        send: Send,
        *,
        version: int,
        token: str,
        headers: Mapping[str, str],
    ) -> None:
        self._engine = engine
        self._receive = receive
        self._send = send
        self._strikes = 0
        self.version = version
        self.token = token
        self.headers = headers
        self.channels: dict[str, Channel] = {}
        self.has_joined = False
        self.was_waited_for = False
        self.last_message_at = self.last_channel_at = time.monotonic()
        self._outbox = Outbox(self._send_frame, engine.faults, engine.limits.max_backlog_bytes, self.cut)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._outbox.waiting_bytes

    def blocked_for(self, now: float) -> float:
        """Seconds for which the client has taken nothing although something waits."""
        return self._outbox.blocked_for(now)

    def send(self, frame: Frame, *, message_of: str | None = None) -> None:
        """Send a frame without waiting; see ``Outbox.put``."""
        self._outbox.put(frame, message_of=message_of)

    async def serve(self) -> None:
        """Handle messages, in order, until the client is gone or is closed."""
        self._engine.sockets[self] = None
        handled = 0
        try:
            while True:
                message = await self._receive()
                if message["type"] != "websocket.receive":
                    break
                self.last_message_at = time.monotonic()
                await self._handle_frame(message)
                if self._strikes >= _STRIKES:
                    await self.close(1008, "too many malformed or refused messages")
                    break
                handled += 1
                if handled % _MESSAGES_PER_TURN == 0:
                    await asyncio.sleep(0)
        finally:
            self._release()

    async def close(self, code: int, reason: str = "") -> None:
        """Close in an orderly way after what waits has been sent.

        Args:
            code: The WebSocket close code.
            reason: Its reason.
        """
        await self._outbox.flushed(_CLOSE_PATIENCE_S)
        self._outbox.close()
        try:
            async with asyncio.timeout(_CLOSE_PATIENCE_S):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except TimeoutError:
            abort(self._receive)
        except Exception:  # noqa: BLE001 - uvicorn and others raise what they like when the peer is gone
            _log.debug("a socket was gone before it was closed")

    def cut(self) -> None:
        """Drop the connection at once, without a closing handshake."""
        self._outbox.close()
        if not abort(self._receive):
            # The reader ends by itself when the server notices; until then nothing is sent.
            _log.warning("a socket could not be cut off: the ASGI server hides its transport")

    def drop_channel(self, channel: Channel) -> None:
        """Close a channel and tell the client with ``phx_close``."""
        if self.channels.get(channel.topic) is channel:
            del self.channels[channel.topic]
        self._close_channel(channel)

    def _release(self) -> None:
        self._engine.sockets.pop(self, None)
        self._outbox.close()
        for channel in tuple(self.channels.values()):
            channel.close()
        self.channels.clear()

    def _close_channel(self, channel: Channel) -> None:
        if not channel.closed:
            channel.close()
            self.last_channel_at = time.monotonic()
            self.send(
                encode_message(
                    self.version, channel.join_ref, channel.topic, "phx_close", {}, channel.join_ref
                )
            )

    async def _send_frame(self, frame: Frame) -> None:
        kind = "text" if isinstance(frame, str) else "bytes"
        await self._send({"type": "websocket.send", kind: frame})

    # Messages -------------------------------------------------------------------------------------------

    async def _handle_frame(self, event: Message) -> None:
        text = event.get("text")
        try:
            message = decode(event["bytes"] if text is None else text, version=self.version)
        except MalformedFrame as malformed:
            _log.debug("MalformedWebSocketMessage: %s", malformed)
            self._strikes += 1
            return
        if self._engine.faults.silent:
            return
        channel = self.channels.get(message.topic)
        if message.topic == "phoenix" and message.event == "heartbeat":
            if not self._engine.faults.swallow_heartbeats:
                self._reply(message, "ok", {})
        elif message.event == "phx_join":
            await self._join(message, channel)
            return
        elif channel is None:
            if message.event == "phx_leave":
                self._reply(message, "ok", {})
            else:
                self._reply(message, "error", {"reason": "unmatched topic"})
        elif message.join_ref is not None and message.join_ref != channel.join_ref:
            _log.debug("a message of an earlier join was ignored")
        elif message.event == "phx_leave":
            self._reply(message, "ok", {})
            self.drop_channel(channel)
        else:
            await channel.handle(message)
        self._strikes = 0

    def _reply(self, message: ClientMessage, status: str, response: Any) -> None:
        self.send(encode_reply(self.version, message.join_ref, message.ref, message.topic, status, response))

    async def _join(self, message: ClientMessage, former: Channel | None) -> None:
        if former is not None:
            # As in Phoenix, the former channel ends now, and its phx_close follows the new join's reply.
            former.close()
            del self.channels[message.topic]
        try:
            channel, replay = await self._admit(message)
        except Refused as refused:
            await self._refuse(message, refused)
        else:
            self._strikes = 0
            self._reply(
                message,
                "ok",
                {"postgres_changes": [{**c.params, "id": c.id} for c in channel.request.changes]},
            )
            channel.open(replay)
        if former is not None:
            self.send(
                encode_message(self.version, former.join_ref, former.topic, "phx_close", {}, former.join_ref)
            )

    async def _admit(self, message: ClientMessage) -> tuple[Channel, list[Any]]:
        engine, topic = self._engine, message.topic
        if not topic.startswith("realtime:"):
            raise Refused("unmatched topic")
        name = topic.removeprefix("realtime:")
        if not name:
            raise Refused("TopicNameRequired: You must provide a topic name")
        if engine.faults.refuse_joins and engine.faults.concerns(topic):
            raise Refused(engine.faults.refuse_joins)
        try:
            request = parse_join(message.payload, name)
        except TypeError as error:
            raise Refused(f"UnknownErrorOnChannel: {error}") from None
        token, identity, rights = await admit(engine, self, name, request)
        channel = Channel(engine, self, topic, message.join_ref, request, token, identity, rights)
        try:
            replay = await replay_for(engine, name, request)
        except BaseException:
            channel.close()
            raise
        if channel.closed:
            raise Refused("InvalidJWTToken: Token has expired 0 seconds ago")
        self.channels[topic] = channel
        self.has_joined = True
        return channel, replay

    async def _refuse(self, message: ClientMessage, refused: Refused) -> None:
        self._strikes += 1
        _log.debug("join refused: %s", refused.reason)
        if self._engine.limits.error_backoff_s:
            await asyncio.sleep(self._engine.limits.error_backoff_s)
        self._reply(message, "error", {"reason": refused.reason})
        if refused.disconnect:
            await self.close(1000)
