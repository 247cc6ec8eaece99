"""A wire between a client and the stack that can be cut, or held, at an exact byte."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

__all__ = ["Wire", "wire_to"]


class Wire:
    """A TCP proxy with a loop of its own.

    Args:
        url: Where it leads.
    """

    def __init__(self, url: str) -> None:
        self._host, self._port = "", 0
        self.lead_to(url)
        self._up = 0
        self._down = 0
        self._cut_up: list[int] = []
        self._cut_down: list[int] = []
        self._hold_up: int | None = None
        self._lose_after: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.held = threading.Event()
        """Set when the wire is held: what was sent until then has arrived, and nothing more will."""
        self.cuts = 0
        self.url = ""

    @property
    def carried_up(self) -> int:
        """Bytes that went to the stack."""
        return self._up

    def lead_to(self, url: str) -> None:
        """Lead connections to come to another address."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80

    def cut_after_sending(self, *counts: int) -> None:
        """Cut the connection in use when so many more bytes have gone to the stack; once for each count."""
        self._cut_up = [self._up + count for count in counts]

    def cut_after_receiving(self, *counts: int) -> None:
        """Cut the connection in use when so many more bytes have come from the stack."""
        self._cut_down = [self._down + count for count in counts]

    def lose_the_answer_after_sending(self, count: int) -> None:
        """Cut the connection in use when the stack answers to the last of so many bytes that went there."""
        self._lose_after = self._up + count

    def hold_after_sending(self, count: int) -> None:
        """Let so many more bytes go to the stack, then carry nothing any more."""
        self._hold_up = self._up + count

    def heal(self) -> None:
        """Be an ordinary wire again, for connections to come."""
        self._cut_up, self._cut_down, self._hold_up, self._lose_after = [], [], None, None
        self.held.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._carry(reader, there_writer, upwards=True))
                    group.create_task(self._carry(there_reader, writer, upwards=False))
            except* (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                there_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # nobody is there, or the wire is taken down
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool
    ) -> None:
        while piece := await reader.read(64 * 1024):
            if upwards and self._hold_up is not None and self._up + len(piece) >= self._hold_up:
                writer.write(piece[: self._hold_up - self._up])
                await writer.drain()
                self._up = self._hold_up
                self.held.set()
                await asyncio.Event().wait()
            if not upwards and self._lose_after is not None and self._up >= self._lose_after:
                self._lose_after = None
                self.cuts += 1
                raise ConnectionResetError
            cuts, carried = (self._cut_up, self._up) if upwards else (self._cut_down, self._down)
            if cuts and carried + len(piece) >= cuts[0]:
                allowed = cuts.pop(0) - carried
                writer.write(piece[:allowed])
                await writer.drain()
                self._count(allowed, upwards)
                self.cuts += 1
                raise ConnectionResetError
            self._count(len(piece), upwards)
            writer.write(piece)
            await writer.drain()
        raise ConnectionResetError

    def _count(self, size: int, upwards: bool) -> None:
        if upwards:
            self._up += size
        else:
            self._down += size


@contextmanager
def wire_to(url: str) -> Iterator[Wire]:
    """A wire to an address, on a free port of this machine.

    Args:
        url: Where it leads, such as the stack's address.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wire", daemon=True)
    thread.start()
    wire = Wire(url)

    async def start() -> asyncio.Server:
        return await asyncio.start_server(wire._serve, "127.0.0.1", 0)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        tasks = list(wire._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=30)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
