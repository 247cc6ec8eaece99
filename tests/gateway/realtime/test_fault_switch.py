"""Faults on demand, from this process and over HTTP."""

from __future__ import annotations

import time
from typing import Any

import asyncpg
import httpx
import pytest
import websockets

from .client import Client, connected
from .conftest import Connect
from .harness import RealtimeStack

Db = asyncpg.Connection


def api(realtime: RealtimeStack, key: str | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{realtime.url}/realtime/v1/api", headers={"apikey": key or realtime.keys.secret_key}
    )


async def hear(client: Client, count: int) -> list[int]:
    """The numbers of what has come once a last message has."""
    return [m.payload["payload"]["n"] for m in client.waiting("broadcast")][:count]


async def send(db: Db, topic: str, numbers: range) -> None:
    for n in numbers:
        await db.execute(f"select realtime.send('{{\"n\": {n}}}', 'e', $1, false)", topic)


async def test_sockets_are_cut_off_without_a_closing_handshake(
    client: Client, connect: Connect, realtime: RealtimeStack
) -> None:
    await client.join("victim:1")
    async with connect() as other:
        await other.join("bystander")
        assert realtime.call(lambda: realtime.service.drop_sockets(topic="victim")) == 1
        assert await client.closed_with() is None
        await other.heartbeat()


async def test_sockets_are_closed_with_a_code(client: Client, realtime: RealtimeStack) -> None:
    await client.join("victim:2")
    assert realtime.run(realtime.service.close_sockets(4001, "out", topic="victim:2")) == 1
    assert await client.closed_with() == 4001
    assert client.connection.protocol.close_rcvd.reason == "out"  # type: ignore[union-attr]


async def test_silence(client: Client, connect: Connect, realtime: RealtimeStack, db: Db) -> None:
    await client.join("room")
    async with api(realtime) as http:
        assert (await http.patch("/_faults", json={"silent": True})).json()["silent"] is True
        await client.send("phoenix", "heartbeat", {}, ref="1")
        await client.send("realtime:other", "phx_join", {"config": {}}, ref="2")
        await send(db, "room", range(1))
        await (await client.connection.ping())  # the connection itself is alive
        async with connect() as late:
            await late.send("phoenix", "heartbeat", {}, ref="1")
            await (await late.connection.ping())
            assert not late.messages
        assert not client.messages
        assert (await http.delete("/_faults")).json()["silent"] is False
    await client.heartbeat()


async def test_heartbeats_are_swallowed_and_nothing_else(client: Client, realtime: RealtimeStack) -> None:
    async with api(realtime) as http:
        await http.patch("/_faults", json={"swallow_heartbeats": True})
    await client.send("phoenix", "heartbeat", {}, ref="1")
    await client.join("room")
    assert not client.messages


async def test_lost_messages_do_not_come_and_others_do(
    client: Client, realtime: RealtimeStack, db: Db
) -> None:
    await client.join("lossy")
    await client.join("fine")
    realtime.call(lambda: realtime.service.faults.set({"lose": 0.5, "topic": "lossy", "seed": 1}))
    await send(db, "lossy", range(40))
    await send(db, "fine", range(1))
    await client.next("broadcast", "realtime:fine")
    got = await hear(client, 40)
    assert 5 < len(got) < 35
    assert got == sorted(got)
    await client.heartbeat()


async def test_duplicates(client: Client, realtime: RealtimeStack, db: Db) -> None:
    await client.join("twice")
    realtime.call(lambda: realtime.service.faults.set({"duplicate": 1.0}))
    await send(db, "twice", range(2))
    got = [(await client.next("broadcast")).payload["payload"]["n"] for _ in range(4)]
    assert got == [0, 0, 1, 1]


async def test_reordering_loses_nothing(client: Client, realtime: RealtimeStack, db: Db) -> None:
    await client.join("mixed")
    realtime.call(lambda: realtime.service.faults.set({"reorder": 0.5, "seed": 3}))
    await send(db, "mixed", range(30))
    got = [(await client.next("broadcast")).payload["payload"]["n"] for _ in range(30)]
    assert sorted(got) == list(range(30))
    assert got != list(range(30))


async def test_delay(client: Client, realtime: RealtimeStack) -> None:
    realtime.call(lambda: realtime.service.faults.set({"delay_ms": 60}))
    began = time.monotonic()
    await client.heartbeat()
    assert time.monotonic() - began >= 0.055


async def test_joins_are_refused(client: Client, realtime: RealtimeStack) -> None:
    words = "DatabaseLackOfConnections: Database can't accept more connections, Realtime won't connect"
    async with api(realtime) as http:
        await http.patch("/_faults", json={"refuse_joins": words, "topic": "job:"})
    reply = await client.try_join("job:1")
    assert reply.payload == {"status": "error", "response": {"reason": words}}
    await client.join("user:1")


async def test_changes_never_become_ready(client: Client, realtime: RealtimeStack) -> None:
    realtime.call(lambda: realtime.service.faults.set({"refuse_system": True, "topic": "deaf"}))
    await client.join("deaf", {"postgres_changes": [{"event": "*", "schema": "public", "table": "board"}]})
    await client.watch("heard", {"event": "*", "schema": "public", "table": "board"})
    assert not client.waiting("system")


async def test_connections_are_refused(realtime: RealtimeStack, connect: Connect) -> None:
    async with api(realtime) as http:
        await http.patch("/_faults", json={"refuse_connections": 503})
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with connect():
                pass
        assert refusal.value.response.status_code == 503
        await http.delete("/_faults")
    async with connect() as client:
        await client.heartbeat()


async def test_acts_over_http(client: Client, realtime: RealtimeStack) -> None:
    await client.join("http:1")
    async with api(realtime) as http:
        none = await http.post("/_faults", json={"action": "drop", "topic": "http:1", "fraction": 0})
        assert none.json() == {"sockets": 0}
        closing = {"action": "close", "code": 1012, "reason": "restart", "topic": "http:1"}
        assert (await http.post("/_faults", json=closing)).json() == {"sockets": 1}
    assert await client.closed_with() == 1012


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("PATCH", {"loose": 1}, 400),
        ("PATCH", [], 400),
        ("POST", {"action": "explode"}, 400),
        ("POST", {"action": "close", "code": 5}, 400),
        ("POST", {"action": "close", "reason": "x" * 200}, 400),
        ("POST", {"action": "drop", "fraction": 2}, 400),
        ("POST", {"action": "drop", "topic": 1}, 400),
        ("PUT", {}, 405),
    ],
)
async def test_what_cannot_be_is_refused(
    realtime: RealtimeStack, method: str, body: Any, status: int
) -> None:
    async with api(realtime) as http:
        answer = await http.request(method, "/_faults", json=body)
        assert answer.status_code == status
        assert answer.json()["message"]
        healthy = (await http.get("/_faults")).json()
        assert healthy["lose"] == 0


@pytest.mark.parametrize("who", ["publishable", "user"])
async def test_only_the_service_role_may_do_harm(realtime: RealtimeStack, who: str) -> None:
    headers = {"apikey": realtime.keys.publishable_key}
    if who == "user":
        headers["authorization"] = f"Bearer {realtime.token()}"
    async with httpx.AsyncClient(base_url=f"{realtime.url}/realtime/v1/api", headers=headers) as http:
        for method in ("GET", "PATCH", "POST", "DELETE"):
            answer = await http.request(method, "/_faults", json={"silent": True, "action": "drop"})
            assert answer.status_code == 403
    async with connected(realtime) as client:
        await client.heartbeat()
