"""Clients that mean harm, or behave as if: cut off, with nobody else noticing."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from typing import Any

import asyncpg
import pytest
import websockets

from headway.local.realtime.sockets.sweeper import sweep

from .client import Client, connected
from .conftest import Connect
from .harness import RealtimeStack

Db = asyncpg.Connection


class RawSocket:
    """A WebSocket connection byte by byte, which reads only when told to."""

    def __init__(self, realtime: RealtimeStack) -> None:
        port = int(realtime.url.rpartition(":")[2])
        self.connection = socket.create_connection(("127.0.0.1", port))
        target = realtime.websocket_url().partition(f":{port}")[2]
        self.connection.sendall(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.connection.recv(1)
        assert answer.startswith(b"HTTP/1.1 101")

    def send(self, text: str) -> None:
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        self.connection.sendall(b"\x81" + size + b"\0\0\0\0" + data)

    def read_frame(self) -> Any:
        head = self._exactly(2)
        size = head[1]
        if size == 126:
            size = int.from_bytes(self._exactly(2), "big")
        return json.loads(self._exactly(size))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            assert more, "closed"
            data += more
        return data

    def ended(self) -> bool:
        """Wait until the other side has closed or reset the connection."""
        self.connection.settimeout(30)
        try:
            while self.connection.recv(1 << 20):
                pass
        except ConnectionError:
            pass
        return True

    def __enter__(self) -> RawSocket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.connection.close()


@pytest.fixture
async def bystander(realtime: RealtimeStack, connect: Connect) -> Any:
    """Somebody who must not notice anything."""
    async with connect() as client:
        await client.join("bystander", {"broadcast": {"self": True}})
        yield client
        await client.broadcast("bystander", "alive", {})
        await client.next("broadcast")


@pytest.mark.parametrize("garbage", [os.urandom(200), b"\x00" * 200, b"GET / HTTP/1.1\r\n\r\n" * 5])
async def test_bytes_that_are_no_frames(realtime: RealtimeStack, bystander: Client, garbage: bytes) -> None:
    with RawSocket(realtime) as raw:
        raw.connection.sendall(b"\xff" + garbage)
        assert await asyncio.to_thread(raw.ended)


async def test_half_a_frame_holds_nobody_up(realtime: RealtimeStack, bystander: Client) -> None:
    with RawSocket(realtime) as raw:
        raw.connection.sendall(b"\x81\xfe\x10\x00\0\0\0\0" + b'{"topic"')
        await bystander.heartbeat()


async def test_frames_of_ten_megabytes(connect: Connect, bystander: Client) -> None:
    async with connect() as client:
        try:
            await client.connection.send("x" * 10_000_000)
        except websockets.ConnectionClosed:
            pass  # before it was all sent
        assert await client.closed_with() == 1009


JOIN = {"topic": "realtime:x", "event": "phx_join", "ref": "1", "payload": {"access_token": "nonsense"}}


@pytest.mark.parametrize("message", ["garbage", json.dumps(JOIN)], ids=["garbage", "refused joins"])
async def test_senseless_messages_without_end(connect: Connect, bystander: Client, message: str) -> None:
    async with connect() as client:
        for _ in range(20_000):
            try:
                await client.connection.send(message)
            except websockets.ConnectionClosed:
                break
            await asyncio.sleep(0)
        assert await client.closed_with() == 1008


async def test_joins_without_end_are_bounded_and_harm_nobody(
    connect: Connect, realtime: RealtimeStack, bystander: Client
) -> None:
    async with connect() as client:
        for n in range(5_050):
            await client.send(f"realtime:t{n}", "phx_join", {"config": {}}, ref=str(n))
            if n % 500 == 0:
                await bystander.heartbeat()
        replies = [await client.until(lambda m: m.event == "phx_reply") for _ in range(5_050)]
        refused = [r for r in replies if r.payload["status"] == "error"]
        assert len(refused) == 50
        assert refused[0].payload["response"]["reason"] == "ChannelRateLimitReached: Too many channels"


async def test_who_never_reads_is_cut_off(realtime: RealtimeStack, bystander: Client, db: Db) -> None:
    realtime.set_limits(max_backlog_bytes=2_000_000)
    with RawSocket(realtime) as raw:
        raw.send('{"topic":"realtime:flood","event":"phx_join","payload":{"config":{}},"ref":"1"}')
        assert (await asyncio.to_thread(raw.read_frame))["payload"]["status"] == "ok"
        for _ in range(12):
            await db.execute(
                "select realtime.send(jsonb_build_object('x', repeat('x', 900000)), 'e', 'flood', false)"
            )
            await bystander.heartbeat()
        await until_gone(realtime, "realtime:flood")
        assert await asyncio.to_thread(raw.ended)


async def test_who_stops_reading_for_long_is_cut_off(
    realtime: RealtimeStack, bystander: Client, db: Db
) -> None:
    with RawSocket(realtime) as raw:
        raw.send('{"topic":"realtime:stuck","event":"phx_join","payload":{"config":{}},"ref":"1"}')
        assert (await asyncio.to_thread(raw.read_frame))["payload"]["status"] == "ok"
        for _ in range(8):
            await db.execute(
                "select realtime.send(jsonb_build_object('x', repeat('x', 900000)), 'e', 'stuck', false)"
            )
        await bystander.heartbeat()
        engine = realtime.service._engine
        assert engine is not None
        assert realtime.run(sweep(engine, time.monotonic())) == 0
        assert realtime.run(sweep(engine, time.monotonic() + 31)) >= 1
        await until_gone(realtime, "realtime:stuck")


async def until_gone(realtime: RealtimeStack, topic: str) -> None:
    def is_there() -> bool:
        engine = realtime.service._engine
        assert engine is not None
        return any(topic in socket.channels for socket in engine.sockets)

    async with asyncio.timeout(30):
        while realtime.call(is_there):
            await asyncio.sleep(0.01)


async def test_idle_sockets_are_closed_and_busy_ones_are_not(
    realtime: RealtimeStack, connect: Connect
) -> None:
    async with connect() as idle:
        await idle.join("idle")
        engine = realtime.service._engine
        assert engine is not None
        assert realtime.run(sweep(engine, time.monotonic() + 50)) == 0
        assert realtime.run(sweep(engine, time.monotonic() + 70)) >= 1
        assert await idle.closed_with() == 1000


async def test_sockets_without_channels_are_closed(realtime: RealtimeStack, connect: Connect) -> None:
    realtime.set_limits(idle_timeout_s=None)
    async with connect() as empty, connect() as used:
        await used.join("used")
        engine = realtime.service._engine
        assert engine is not None
        realtime.run(sweep(engine, time.monotonic() + 601))
        assert await empty.closed_with() is None
        await used.heartbeat()


async def test_a_slow_reader_does_not_hold_up_the_changes_of_others(
    realtime: RealtimeStack, connect: Connect, db: Db
) -> None:
    binding = {"event": "INSERT", "schema": "public", "table": "wide"}
    await db.execute(
        "create table public.wide (id int primary key, body text);"
        " grant select on public.wide to service_role;"
        " alter publication supabase_realtime add table public.wide"
    )
    try:
        with RawSocket(realtime) as slow:
            payload = {
                "config": {"postgres_changes": [binding]},
                "access_token": realtime.keys.service_role_key,
            }
            slow.send(
                json.dumps({"topic": "realtime:slow", "event": "phx_join", "payload": payload, "ref": "1"})
            )
            for _ in range(2):
                await asyncio.to_thread(slow.read_frame)
            async with connected(realtime, realtime.keys.secret_key) as quick:
                await quick.watch("quick", binding)
                await db.execute(
                    "insert into public.wide select n, repeat('x', 20000) from generate_series(1, 400) as n"
                )
                ids = [(await quick.change())["data"]["record"]["id"] for _ in range(400)]
                assert ids == list(range(1, 401))
    finally:
        await db.execute("drop table public.wide")
