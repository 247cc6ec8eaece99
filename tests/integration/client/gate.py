"""What may stand between a client and its project: a gateway that refuses, a portal, a lame proxy."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "content-encoding", "keep-alive"}


@dataclass(frozen=True)
class Answer:
    """One scripted answer.

    Args:
        status: Its status.
        body: Its content.
        headers: Its headers.
        after: Whether the request goes to the project all the same, its own answer being lost.
        silent: Whether the connection is closed without a word.
        hang: Whether nothing is said at all.
    """

    status: int = 500
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    silent: bool = False
    hang: bool = False


class Gate:
    """Answers by script, then forwards to the project.

    Args:
        upstream: The project's URL; nobody is behind it when omitted.
    """

    def __init__(self, upstream: str | None = None) -> None:
        self.upstream = upstream
        self.script: deque[Answer] = deque()
        self.always: Answer | None = None
        self.requests: list[str] = []
        self.url = ""
        self._http = httpx.AsyncClient()

    def answer(self, *answers: Answer) -> None:
        """Answer the next requests so."""
        self.script.extend(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            method, path, headers, body = await _read(reader)
            self.requests.append(f"{method} {path}")
            scripted = self.script.popleft() if self.script else self.always
            if scripted is None or scripted.after:
                status, reply, content = await self._forward(method, path, headers, body)
            if scripted is not None:
                if scripted.hang:
                    await reader.read()
                    return
                if scripted.silent:
                    return
                status, reply, content = scripted.status, scripted.headers, scripted.body
            lines = [f"HTTP/1.1 {status} X", "connection: close", f"content-length: {len(content)}"]
            lines += [f"{name}: {value}" for name, value in reply.items()]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.close()

    async def _forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        assert self.upstream is not None
        sent = {name: value for name, value in headers.items() if name not in {*_HOP_BY_HOP, "host"}}
        response = await self._http.request(method, self.upstream + path, headers=sent, content=body)
        kept = {n: v for n, v in response.headers.items() if n.lower() not in _HOP_BY_HOP}
        return response.status_code, kept, response.content

    async def close(self) -> None:
        await self._http.aclose()


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return method, path, headers, body


@asynccontextmanager
async def gate_to(upstream: str | None = None) -> AsyncIterator[Gate]:
    """A gate on a free port of this machine."""
    gate = Gate(upstream)
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await gate.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    gate.url = "http://{}:{}".format(*server.sockets[0].getsockname())
    try:
        yield gate
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await gate.close()
