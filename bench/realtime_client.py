"""A WebSocket client that costs as little as possible, so that a thousand of them measure the server."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable

__all__ = ["LeanSocket"]

OnMessage = Callable[["LeanSocket", bytes], None]


class LeanSocket(asyncio.Protocol):
    """One connection; text out, anything in (RFC 6455, section 5).

    Args:
        target: Path and query.
        on_message: Called with each message's bytes.
    """

    def __init__(self, target: str, on_message: OnMessage) -> None:
        self._target = target
        self._on_message = on_message
        self._buffer = bytearray()
        self._open = asyncio.get_running_loop().create_future()
        self._upgraded = False
        self.transport: asyncio.Transport
        self.number = 0
        self.lost = False

    @classmethod
    async def connect(cls, port: int, target: str, on_message: OnMessage) -> LeanSocket:
        """Open a connection to loopback; returns when the handshake is done."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(lambda: cls(target, on_message), "127.0.0.1", port)
        await socket._open
        return socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if not self._open.done():
            self._open.set_exception(ConnectionError("the handshake was refused"))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._upgraded:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not buffer.startswith(b"HTTP/1.1 101"):
                self.transport.close()
                return
            del buffer[: end + 4]
            self._upgraded = True
            self._open.set_result(None)
        while (frame := self._next_frame()) is not None:
            opcode, payload = frame
            if opcode == 9:
                self._write(10, payload)
            elif opcode in (1, 2):
                self._on_message(self, payload)

    def send(self, text: str) -> None:
        """Send a text message."""
        self._write(1, text.encode())

    def close(self) -> None:
        """Drop the connection."""
        self.transport.abort()

    def _write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        # Masked with zeros: allowed, and free.
        if size < 126:
            head = bytes((0x80 | opcode, 0x80 | size))
        else:
            head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
        self.transport.write(head + b"\0\0\0\0" + payload)

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1], 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + size:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return opcode, payload
