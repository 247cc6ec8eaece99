"""A client that shows every frame it gets, to wait for and to compare."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import websockets

from .harness import RealtimeStack

PATIENCE_S = 30


@dataclass(frozen=True)
class Message:
    """A message of the server, whichever serializer it came in."""

    topic: str
    event: str
    payload: Any
    ref: Any = None
    join_ref: Any = None


class Client:
    """One socket, raw.

    Args:
        connection: The open connection.
        vsn: Its serializer.
    """

    def __init__(self, connection: websockets.ClientConnection, vsn: str) -> None:
        self.connection = connection
        self.vsn = vsn
        self.frames: list[str | bytes] = []
        self.messages: list[Message] = []
        """Those not yet waited for."""
        self._news = asyncio.Event()
        self._ref = 0
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for frame in self.connection:
                self.frames.append(frame)
                self.messages.append(_message(frame, self.vsn))
                self._news.set()
        except websockets.ConnectionClosedError:
            pass
        finally:
            self._news.set()

    @property
    def closed(self) -> bool:
        return self._reader.done()

    async def send(
        self, topic: str, event: str, payload: Any, *, ref: Any = None, join_ref: Any = None
    ) -> None:
        """Send a message as it is."""
        if self.vsn == "1.0.0":
            message: Any = {"topic": topic, "event": event, "payload": payload, "ref": ref}
            if join_ref is not None:
                message["join_ref"] = join_ref
        else:
            message = [join_ref, ref, topic, event, payload]
        await self.connection.send(json.dumps(message))

    async def next(self, event: str, topic: str | None = None, **matching: Any) -> Message:
        """Wait for the first message of an event that has not been waited for yet.

        Args:
            event: Its event.
            topic: Its full topic.
            matching: Members of its payload.
        """

        def fits(message: Message) -> bool:
            return (
                message.event == event
                and (topic is None or message.topic == topic)
                and all(message.payload.get(name) == value for name, value in matching.items())
            )

        return await self.until(fits, f"{event} {matching}")

    async def until(self, fits: Callable[[Message], bool], what: str = "message") -> Message:
        """Wait for the first message that fits and has not been waited for yet."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    self._news.clear()
                    for message in self.messages:
                        if fits(message):
                            self.messages.remove(message)
                            return message
                    if self.closed:
                        raise AssertionError(f"closed before {what}; had {self.messages}")
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} among {self.messages}") from None

    async def closed_with(self) -> int | None:
        """Wait for the end of the connection; its close code, ``None`` without a closing handshake."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({self._reader})
        received = self.connection.protocol.close_rcvd
        return None if received is None else received.code

    async def call(self, topic: str, event: str, payload: Any, *, join_ref: Any = None) -> Message:
        """Send a message and wait for its reply."""
        self._ref += 1
        ref = f"c{self._ref}"
        await self.send(topic, event, payload, ref=ref, join_ref=join_ref)
        return await self.until(lambda m: m.event == "phx_reply" and m.ref == ref, f"reply to {event}")

    async def heartbeat(self) -> None:
        """Wait until everything that was sent before has been handled."""
        reply = await self.call("phoenix", "heartbeat", {})
        assert reply.payload == {"status": "ok", "response": {}}

    async def try_join(
        self, name: str, config: dict[str, Any] | None = None, *, token: str | None = None, **payload: Any
    ) -> Message:
        """Join ``realtime:name`` and hand back the reply."""
        self._ref += 1
        body: dict[str, Any] = {"config": config or {}, **payload}
        if token is not None:
            body["access_token"] = token
        return await self.call(f"realtime:{name}", "phx_join", body, join_ref=f"j{self._ref}")

    async def join(
        self, name: str, config: dict[str, Any] | None = None, *, token: str | None = None
    ) -> dict[str, Any]:
        """Join ``realtime:name``; the response."""
        reply = await self.try_join(name, config, token=token)
        assert reply.payload["status"] == "ok", reply
        response: dict[str, Any] = reply.payload["response"]
        return response

    async def watch(
        self, name: str, *bindings: dict[str, Any], token: str | None = None, **config: Any
    ) -> list[int]:
        """Join for row changes and wait until they are delivered; the bindings' ids."""
        response = await self.join(name, {"postgres_changes": list(bindings), **config}, token=token)
        system = await self.next("system", f"realtime:{name}", extension="postgres_changes")
        assert system.payload["status"] == "ok", system
        return [binding["id"] for binding in response["postgres_changes"]]

    async def change(self, topic: str | None = None, **data: Any) -> dict[str, Any]:
        """Wait for a change whose ``data`` has some members; the payload."""

        def fits(message: Message) -> bool:
            return (
                message.event == "postgres_changes"
                and (topic is None or message.topic == f"realtime:{topic}")
                and all(message.payload["data"].get(name) == value for name, value in data.items())
            )

        payload: dict[str, Any] = (await self.until(fits, f"change {data}")).payload
        return payload

    async def broadcast(self, name: str, event: str, payload: Any, *, ref: Any = None, **more: Any) -> None:
        """Send a broadcast."""
        body = {"type": "broadcast", "event": event, "payload": payload, **more}
        await self.send(f"realtime:{name}", "broadcast", body, ref=ref)

    def waiting(self, event: str) -> list[Message]:
        """The messages of an event that have come and not been waited for."""
        return [message for message in self.messages if message.event == event]


def _message(frame: str | bytes, vsn: str) -> Message:
    if isinstance(frame, bytes):
        return _binary(frame)
    document = json.loads(frame)
    if vsn == "1.0.0":
        assert set(document) == {"topic", "event", "payload", "ref"}
        return Message(document["topic"], document["event"], document["payload"], document["ref"])
    join_ref, ref, topic, event, payload = document
    return Message(topic, event, payload, ref, join_ref)


def _binary(frame: bytes) -> Message:
    """Kind 2 and kind 4, as realtime-js reads them."""
    if frame[0] == 2:
        sizes, start = frame[1:3], 3
        topic, event = (frame[start : start + sizes[0]], frame[start + sizes[0] : start + sum(sizes)])
        return Message(topic.decode(), event.decode(), frame[start + sum(sizes) :])
    assert frame[0] == 4
    topic_size, event_size, meta_size, is_json = frame[1:5]
    position = 5
    topic = frame[position : position + topic_size].decode()
    position += topic_size
    event = frame[position : position + event_size].decode()
    position += event_size
    meta = frame[position : position + meta_size]
    data = frame[position + meta_size :]
    payload: dict[str, Any] = {
        "type": "broadcast",
        "event": event,
        "payload": json.loads(data) if is_json else data,
    }
    if meta:
        payload["meta"] = json.loads(meta)
    return Message(topic, "broadcast", payload)


@asynccontextmanager
async def connected(
    stack: RealtimeStack, key: str | None = None, *, vsn: str = "1.0.0"
) -> AsyncIterator[Client]:
    """A client of a stack, with its publishable key unless another is given."""
    async with websockets.connect(
        stack.websocket_url(key, vsn), max_size=None, ping_interval=None, compression=None
    ) as connection:
        client = Client(connection, vsn)
        try:
            yield client
        finally:
            await connection.close()
            await asyncio.wait({client._reader})
