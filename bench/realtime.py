"""From a commit to a subscriber, a message to a thousand sockets, and what a socket costs.

The server is a process of its own; sockets, writer and clock are in this one, which makes as little work of
them as it can.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import jwt
import psutil

from bench.realtime_client import LeanSocket
from bench.report import Figure
from headway.local.database import Database
from headway.local.realtime.wal.pgoutput import Decoder, RowChange
from headway.local.realtime.wal.stream import LogStream

NAME = "Realtime: from commit to client"

_RUNS = 3
_CHANGES = 1_000
_SOCKETS = 1_000
_BULK_ROWS = 50_000
_PAUSE_S = 0.002


class _Server:
    """The measured process and a connection to its database."""

    def __init__(self, address: dict[str, Any], connection: asyncpg.Connection) -> None:
        self.address = address
        self.connection = connection
        self.database = Database(address["socket_dir"], address["db_port"])

    def token(self, sub: str) -> str:
        claims = {"sub": sub, "role": "authenticated", "exp": int(time.time()) + 3600}
        return jwt.encode(claims, self.address["jwt_secret"], algorithm="HS256")

    async def socket(self, on_message: Callable[[LeanSocket, bytes], None]) -> LeanSocket:
        target = f"/realtime/v1/websocket?apikey={self.address['key']}&vsn=1.0.0"
        return await LeanSocket.connect(self.address["port"], target, on_message)

    def memory(self) -> int:
        return psutil.Process(self.address["pid"]).memory_info().rss


@asynccontextmanager
async def _server() -> AsyncIterator[_Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.realtime_server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        address = json.loads(await process.stdout.readline())
        database = Database(address["socket_dir"], address["db_port"])
        connection = await database.connect("postgres")
        try:
            yield _Server(address, connection)
        finally:
            await connection.close()
    finally:
        process.stdin.close()
        await process.wait()


def _join(topic: str, token: str, config: dict[str, Any]) -> str:
    payload = {"config": config, "access_token": token}
    return json.dumps({"topic": f"realtime:{topic}", "event": "phx_join", "payload": payload, "ref": "1"})


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    return statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.95)] * 1000


async def _latencies(
    server: _Server, config: dict[str, Any], ready: bytes, mark: bytes, write: Callable[[int], Awaitable[Any]]
) -> list[float]:
    """Seconds from a commit's return to its message at one subscriber, for a thousand commits."""
    arrived: asyncio.Queue[float] = asyncio.Queue()
    is_ready = asyncio.Event()

    def on_message(_: LeanSocket, message: bytes) -> None:
        if mark in message:
            arrived.put_nowait(time.perf_counter())
        elif ready in message:
            is_ready.set()

    socket = await server.socket(on_message)
    socket.send(_join("latency", server.token("11111111-1111-4111-8111-111111111111"), config))
    await asyncio.wait_for(is_ready.wait(), 20)
    waits = []
    for n in range(_CHANGES):
        await write(n)
        committed = time.perf_counter()
        waits.append(max(0.0, await asyncio.wait_for(arrived.get(), 20) - committed))
        await asyncio.sleep(_PAUSE_S)
    socket.close()
    return waits


async def _change_latency(server: _Server) -> tuple[float, float]:
    config = {"postgres_changes": [{"event": "INSERT", "schema": "public", "table": "notes"}]}
    statement = await server.connection.prepare("insert into public.notes (owner, body) values ($1, $2)")
    return _percentiles(
        await _latencies(
            server,
            config,
            b"Subscribed to PostgreSQL",
            b'"event":"postgres_changes"',
            lambda n: statement.fetch("11111111-1111-4111-8111-111111111111", f"note {n}"),
        )
    )


async def _broadcast_latency(server: _Server) -> tuple[float, float]:
    config = {"private": True, "broadcast": {"replication_ready": True}}
    statement = await server.connection.prepare("select realtime.send($1, 'progress', 'latency', true)")
    return _percentiles(
        await _latencies(
            server,
            config,
            b"Replication connection established",
            b'"event":"broadcast"',
            lambda n: statement.fetch(json.dumps({"n": n})),
        )
    )


async def _decoded_latency(server: _Server) -> tuple[float, float]:
    """The floor: from a commit's return to the row decoded, with nothing behind it."""
    arrived: asyncio.Queue[float] = asyncio.Queue()
    decoder = Decoder()

    def handle(message: bytes) -> None:
        if isinstance(decoder.decode(message), RowChange):
            arrived.put_nowait(time.perf_counter())

    stream = LogStream(server.database, "supabase_realtime", handle)
    await stream.open()
    following = asyncio.create_task(stream.follow())
    statement = await server.connection.prepare("insert into public.notes (owner, body) values ($1, 'x')")
    waits = []
    for _ in range(_CHANGES):
        await statement.fetch("11111111-1111-4111-8111-111111111111")
        committed = time.perf_counter()
        waits.append(max(0.0, await asyncio.wait_for(arrived.get(), 20) - committed))
        await asyncio.sleep(_PAUSE_S)
    following.cancel()
    await asyncio.wait({following})
    return _percentiles(waits)


async def _echo_latency(server: _Server) -> tuple[float, float]:
    """The floor: there and back through a plain WebSocket."""
    arrived: asyncio.Queue[float] = asyncio.Queue()
    socket = await LeanSocket.connect(
        server.address["echo_port"], "/", lambda *_: arrived.put_nowait(time.perf_counter())
    )
    waits = []
    for n in range(_CHANGES):
        began = time.perf_counter()
        socket.send(f"message {n}")
        waits.append(await arrived.get() - began)
        await asyncio.sleep(_PAUSE_S)
    socket.close()
    return _percentiles(waits)


class _Crowd:
    """A thousand joined sockets."""

    def __init__(self) -> None:
        self.sockets: list[LeanSocket] = []
        self.waiting = 0
        self.done = asyncio.Event()
        self.expect = b""

    def await_messages(self, mark: bytes) -> None:
        """Begin to wait for one message at every socket."""
        self.expect, self.waiting = mark, len(self.sockets)
        self.done.clear()

    def on_message(self, _: LeanSocket, message: bytes) -> None:
        if self.expect in message:
            self.waiting -= 1
            if self.waiting == 0:
                self.done.set()

    async def finished(self) -> float:
        """Seconds until every message has arrived."""
        began = time.perf_counter()
        await asyncio.wait_for(self.done.wait(), 60)
        return time.perf_counter() - began


@asynccontextmanager
async def _crowd(server: _Server, topic: Callable[[int], str]) -> AsyncIterator[tuple[_Crowd, float, float]]:
    """Joined sockets, the server's bytes per socket, and joins per second."""
    crowd = _Crowd()
    before = server.memory()
    for _ in range(_SOCKETS):
        crowd.sockets.append(await server.socket(crowd.on_message))
    token = server.token("22222222-2222-4222-8222-222222222222")
    crowd.await_messages(b'"status":"ok"')
    began = time.perf_counter()
    for n, socket in enumerate(crowd.sockets):
        socket.send(_join(topic(n), token, {"private": True}))
    await asyncio.wait_for(crowd.done.wait(), 120)
    joins = _SOCKETS / (time.perf_counter() - began)
    try:
        yield crowd, (server.memory() - before) / _SOCKETS, joins
    finally:
        for socket in crowd.sockets:
            socket.close()


async def _own_topics(server: _Server) -> tuple[float, float, float]:
    async with _crowd(server, lambda n: f"own:{n}") as (crowd, memory, joins):
        crowd.await_messages(b'"event":"broadcast"')
        finished = asyncio.create_task(crowd.finished())
        await server.connection.execute(
            "select realtime.send('{}', 'e', 'own:' || n, true)"
            f" from generate_series(0, {_SOCKETS - 1}) as n"
        )
        return await finished, memory, joins


async def _one_topic(server: _Server) -> float:
    async with _crowd(server, lambda n: "shared") as (crowd, _, _):
        crowd.await_messages(b'"event":"broadcast"')
        finished = asyncio.create_task(crowd.finished())
        await server.connection.execute("select realtime.send('{}', 'e', 'shared', true)")
        return await finished


async def _bulk(server: _Server) -> tuple[float, float, float]:
    """A large transaction: rows a second, the server's growth, and heartbeats of another socket meanwhile."""
    arrived = 0
    ready, done = asyncio.Event(), asyncio.Event()

    def on_change(_: LeanSocket, message: bytes) -> None:
        nonlocal arrived
        if b'"event":"postgres_changes"' in message:
            arrived += 1
            if arrived == _BULK_ROWS:
                done.set()
        elif b"Subscribed" in message:
            ready.set()

    changes = await server.socket(on_change)
    config = {"postgres_changes": [{"event": "INSERT", "schema": "public", "table": "notes"}]}
    changes.send(_join("bulk", server.token("11111111-1111-4111-8111-111111111111"), config))
    await asyncio.wait_for(ready.wait(), 20)
    beats: asyncio.Queue[float] = asyncio.Queue()
    other = await server.socket(lambda *_: beats.put_nowait(time.perf_counter()))
    before, peak, waits = server.memory(), 0, []
    began = time.perf_counter()
    await server.connection.execute(
        "insert into public.notes (owner, body) select '11111111-1111-4111-8111-111111111111', 'note ' || n"
        f" from generate_series(1, {_BULK_ROWS}) as n"
    )
    while not done.is_set():
        sent = time.perf_counter()
        other.send('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}')
        waits.append(await asyncio.wait_for(beats.get(), 60) - sent)
        peak = max(peak, server.memory() - before)
        await asyncio.sleep(0.02)
    rate = _BULK_ROWS / (time.perf_counter() - began)
    for socket in (changes, other):
        socket.close()
    return rate, peak / 1e6, _percentiles(waits)[1]


async def _prepare(server: _Server) -> None:
    await server.connection.execute(
        """
        create table public.notes (id bigint generated always as identity primary key, owner uuid, body text,
                                   created_at timestamptz not null default now());
        alter table public.notes enable row level security;
        grant select on public.notes to authenticated;
        create policy own on public.notes for select to authenticated using (owner = (select auth.uid()));
        alter publication supabase_realtime add table public.notes;
        create policy read on realtime.messages for select to authenticated
          using ((select realtime.topic()) like 'own:%'
                 or (select realtime.topic()) in ('shared', 'latency'));
        """
    )


async def run() -> list[Figure]:
    """Measure, and hand back medians of several runs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard > 0 else 4096, hard))
    os.environ.setdefault("PYTHONHASHSEED", "0")
    async with _server() as server:
        await _prepare(server)
        names = ("changes", "broadcast", "decoded", "echo")
        measures = (_change_latency, _broadcast_latency, _decoded_latency, _echo_latency)
        latency: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        own, shared, joins, bulk = [], [], [], []
        memory = 0.0
        for n in range(_RUNS):
            bulk.append(await _bulk(server))
            for name, measure in zip(names, measures, strict=True):
                latency[name].append(await measure(server))
            finished, per_socket, rate = await _own_topics(server)
            own.append(finished)
            joins.append(rate)
            # Later crowds reuse the first one's memory.
            memory = per_socket if n == 0 else memory
            shared.append(await _one_topic(server))

    def middle(name: str, which: int) -> float:
        return statistics.median(pair[which] for pair in latency[name])

    return [
        Figure("changes, commit returned to subscriber, p50", middle("changes", 0), "ms"),
        Figure("changes, commit returned to subscriber, p95", middle("changes", 1), "ms", 5),
        Figure("database broadcast, commit returned to subscriber, p50", middle("broadcast", 0), "ms"),
        Figure("database broadcast, commit returned to subscriber, p95", middle("broadcast", 1), "ms", 5),
        Figure("floor: commit returned to row decoded, p95", middle("decoded", 1), "ms"),
        Figure("floor: plain WebSocket there and back, p95", middle("echo", 1), "ms"),
        Figure("1,000 private topics, a message each", statistics.median(own) * 1000, "ms", 1000),
        Figure("1,000 sockets on one topic, one message", statistics.median(shared) * 1000, "ms", 1000),
        Figure("private joins", statistics.median(joins), "joins/s"),
        Figure("memory of an idle, joined socket", memory / 1000, "kB", 60),
        Figure("transaction of 50,000 rows, one subscriber", statistics.median(b[0] for b in bulk), "rows/s"),
        Figure("memory growth meanwhile", max(b[1] for b in bulk), "MB"),
        Figure("another socket's heartbeat meanwhile, p95", statistics.median(b[2] for b in bulk), "ms"),
    ]
