"""What the supervised link adds to a socket: from commit to consumer, and from a cut to listening again.

The server is a process of its own. The reference is a bare socket in this process that joined the same topic
and does nothing but look at its clock.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from bench.realtime_client import LeanSocket
from bench.report import Figure
from headway.link import Gap, LinkPolicy, Listener, Listening, Message, RealtimeLink
from headway.local.database import Database

NAME = "The link: from commit to consumer"

_RUNS = 3
_MESSAGES = 500
_PAUSE_S = 0.004
_CUTS = 20


@asynccontextmanager
async def _server() -> AsyncIterator[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.realtime_server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def _next(listener: Listener, kind: type[Any]) -> Any:
    async with asyncio.timeout(30):
        async for event in listener:
            if isinstance(event, kind):
                return event
    raise AssertionError("the link stopped")


async def _send(database: asyncpg.Connection[Any], topic: str, number: int) -> None:
    await database.execute(
        "select realtime.send(jsonb_build_object('n', $1::int), 'bench', $2, false)", number, topic
    )


async def _latencies(
    link: RealtimeLink, address: dict[str, Any], database: asyncpg.Connection[Any]
) -> tuple[list[float], list[float]]:
    """Milliseconds by the link, and by a bare socket, for the same messages."""
    topic = f"bench:{uuid.uuid4()}"
    bare: list[float] = []
    joined = asyncio.get_running_loop().create_future()

    def on_message(socket: LeanSocket, data: bytes) -> None:
        if b'"broadcast"' in data:
            bare.append(time.monotonic())
        elif b"phx_reply" in data and not joined.done():
            joined.set_result(None)

    socket = await LeanSocket.connect(
        address["port"], f"/realtime/v1/websocket?apikey={address['key']}&vsn=1.0.0", on_message
    )
    socket.send(json.dumps({"topic": f"realtime:{topic}", "event": "phx_join", "payload": {}, "ref": "1"}))
    await joined
    linked: list[float] = []
    sent: list[float] = []
    async with link.listen(topic, private=False) as listener:
        await _next(listener, Listening)
        for number in range(_MESSAGES):
            sent.append(time.monotonic())
            await _send(database, topic, number)
            linked.append((await _next(listener, Message)).at)
            await asyncio.sleep(_PAUSE_S)
    while len(bare) < _MESSAGES:
        await asyncio.sleep(0.01)
    socket.close()
    return (
        [(at - began) * 1000 for at, began in zip(linked, sent, strict=True)],
        [(at - began) * 1000 for at, began in zip(bare, sent, strict=True)],
    )


async def _recovery(link: RealtimeLink) -> float:
    """Milliseconds, the median of several cuts, until the server listens again."""
    times = []
    async with link.listen(f"bench:{uuid.uuid4()}", private=False) as listener:
        await _next(listener, Listening)
        for _ in range(_CUTS):
            began = time.monotonic()
            # As a network does: the transport goes, and nobody says goodbye.
            for connection in link._lanes[0].connections:
                connection._cut_off()
            await _next(listener, Gap)
            await _next(listener, Listening)
            times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[18]


async def run() -> list[Figure]:
    """Measure, with the median of several runs."""
    link_p50, link_p95, bare_p50, bare_p95 = [], [], [], []
    async with _server() as address:
        database = await Database(address["socket_dir"], address["db_port"]).connect("postgres")
        # The pause before a reconnect is drawn between nothing and the base: half of it on average.
        policy = LinkPolicy(joins_per_second=1000, backoff_base=0.1, stable_after=0.001)
        async with RealtimeLink(f"http://127.0.0.1:{address['port']}", address["key"], policy=policy) as link:
            for _ in range(_RUNS):
                linked, bare = await _latencies(link, address, database)
                link_p50.append(statistics.median(linked))
                link_p95.append(_p95(linked))
                bare_p50.append(statistics.median(bare))
                bare_p95.append(_p95(bare))
            recovery = await _recovery(link)
        await database.close()
    return [
        Figure(f"database to consumer, p50 of {_MESSAGES}", statistics.median(link_p50), "ms"),
        Figure(f"database to consumer, p95 of {_MESSAGES}", statistics.median(link_p95), "ms", 25),
        Figure("the same messages on a bare socket, p50", statistics.median(bare_p50), "ms"),
        Figure("the same messages on a bare socket, p95", statistics.median(bare_p95), "ms"),
        Figure(f"from a cut to listening again, median of {_CUTS}", recovery, "ms"),
    ]
