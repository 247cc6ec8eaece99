"""Load for ``bench.rest``, in a process of its own: ``python -m bench.rest_load``.

Takes one line of JSON on its input (what to ask, on how many connections, for how long) and prints one: the
number of answers and their latencies. As little as possible happens per request: one write, one read, one
look at the clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import asyncpg
import uvloop


class _Client(asyncio.Protocol):
    """One kept-alive connection that asks the same thing again and again."""

    def __init__(self, request: bytes, until: float, latencies: list[float]) -> None:
        self.request, self.until, self.latencies = request, until, latencies
        self.done = asyncio.get_running_loop().create_future()
        self.received = b""
        self.expected = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.received, self.expected = b"", 0
        self.begun = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.expected:
            head, separator, _ = self.received.partition(b"\r\n\r\n")
            if not separator:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._end(RuntimeError(self.received[:500].decode()))
                return
            length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            self.expected = len(head) + 4 + int(length)
        if len(self.received) < self.expected:
            return
        now = time.perf_counter()
        self.latencies.append(now - self.begun)
        if now < self.until:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or RuntimeError("the server closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)
        self.transport.close()


async def _http(job: dict[str, Any]) -> list[float]:
    latencies: list[float] = []
    until = time.perf_counter() + job["seconds"]
    loop = asyncio.get_running_loop()
    request = job["request"].encode()
    clients = []
    for _ in range(job["connections"]):
        _, client = await loop.create_connection(
            lambda: _Client(request, until, latencies), "127.0.0.1", job["port"]
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    return latencies


async def _bare(job: dict[str, Any]) -> list[float]:
    """The same rows without any HTTP: begin, set role and claims, query, commit."""
    latencies: list[float] = []
    connections = [
        await asyncpg.connect(
            host=job["socket_dir"], port=job["db_port"], user="authenticator", database="postgres"
        )
        for _ in range(job["connections"])
    ]
    until = time.perf_counter() + job["seconds"]

    async def work(connection: asyncpg.Connection) -> None:
        while True:
            begun = time.perf_counter()
            await connection.execute("BEGIN")
            await connection.execute(
                "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
                "authenticated",
                job["claims"],
            )
            rows = await connection.fetch(job["query"])
            await connection.execute("COMMIT")
            now = time.perf_counter()
            assert len(rows) == 20
            latencies.append(now - begun)
            if now >= until:
                return

    await asyncio.gather(*map(work, connections))
    for connection in connections:
        await connection.close()
    return latencies


async def _main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        begun = time.perf_counter()
        latencies = sorted(await (_bare(job) if job["kind"] == "bare" else _http(job)))
        elapsed = time.perf_counter() - begun
        print(
            json.dumps(
                {
                    "per_second": len(latencies) / elapsed,
                    "p50_ms": latencies[len(latencies) // 2] * 1000,
                    "p95_ms": latencies[int(len(latencies) * 0.95)] * 1000,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    uvloop.run(_main())
