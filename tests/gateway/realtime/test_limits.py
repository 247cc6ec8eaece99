"""Plans' limits: what a client meets at each."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import websockets

from headway.local.realtime.limits import RealtimeLimits

from .client import Client, connected
from .conftest import Connect
from .harness import RealtimeStack


def reason(reply: Any) -> str:
    assert reply.payload["status"] == "error", reply
    return str(reply.payload["response"]["reason"])


async def test_channels_of_one_connection(client: Client, connect: Connect, realtime: RealtimeStack) -> None:
    realtime.set_limits(max_channels_per_connection=2)
    await client.join("one")
    await client.join("two")
    assert reason(await client.try_join("three")) == "ChannelRateLimitReached: Too many channels"
    async with connect() as other:
        await other.join("three")
    await client.join("two")  # a rejoin is no further channel
    await client.call("realtime:one", "phx_leave", {})
    await client.join("three")


async def test_connected_users(client: Client, connect: Connect, realtime: RealtimeStack) -> None:
    await client.join("room")
    async with connect() as early:
        realtime.set_limits(max_connections=1)
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with connect():
                pass
        assert refusal.value.response.status_code == 429
        assert json.loads(refusal.value.response.body or b"") == {"error": "Too many connected users"}
        assert reason(await early.try_join("x")) == "ConnectionRateLimitReached: Too many connected users"
        await client.join("another")


async def test_joins_per_second(client: Client, connect: Connect, realtime: RealtimeStack) -> None:
    realtime.set_limits(max_joins_per_second=0.4, rate_window_s=10)
    for n in range(5):
        await client.join(f"room:{n}")
    refused = await client.try_join("room:6")
    assert reason(refused) == "ClientJoinRateLimitReached: Too many joins per second"
    assert await client.closed_with() == 1000
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with connect():
            pass
    assert refusal.value.response.status_code == 429
    assert json.loads(refusal.value.response.body or b"") == {"error": "Too many joins per second"}


@pytest.mark.parametrize(
    "limits", [{"max_events_per_second": 0.5}, {"max_bytes_per_second": 40}], ids=["events", "bytes"]
)
async def test_messages_per_second_close_the_channel(
    client: Client, realtime: RealtimeStack, limits: dict[str, float]
) -> None:
    realtime.set_limits(**limits, rate_window_s=10)
    await client.join("busy", {"broadcast": {"self": True}})
    for n in range(20):
        await client.broadcast("busy", "e", {"n": n})
    closed = await client.next("system", "realtime:busy")
    assert closed.payload["message"] == "Too many messages per second"
    await client.next("phx_close", "realtime:busy")
    assert 0 < len(client.waiting("broadcast")) < 20
    await client.heartbeat()


async def test_http_broadcasts_are_counted_with_the_batch(realtime: RealtimeStack) -> None:
    realtime.set_limits(max_events_per_second=2, rate_window_s=10)
    message = {"topic": "a", "event": "e", "payload": {}}
    headers = {"apikey": realtime.keys.publishable_key}
    async with httpx.AsyncClient(base_url=realtime.url, headers=headers) as http:
        one = await http.post("/realtime/v1/api/broadcast", json={"messages": [message]})
        assert one.status_code == 202
        assert one.headers["x-rate-limit"] == "2"
        many = await http.post("/realtime/v1/api/broadcast", json={"messages": [message] * 30})
        assert many.status_code == 429
        assert many.json() == {"message": "Too many messages to broadcast, please reduce the batch size"}
        for _ in range(20):
            last = await http.post("/realtime/v1/api/broadcast/a/events/e", json={})
        assert (last.status_code, last.json()) == (
            429,
            {"message": "Too many messages to broadcast, please reduce the batch size"},
        )


async def test_database_messages_over_the_limit_are_dropped(realtime: RealtimeStack, db: Any) -> None:
    async with connected(realtime) as client:
        await client.join("hall:rate", {"private": True}, token=realtime.token())
        realtime.set_limits(max_events_per_second=0.5, rate_window_s=10)
        for _ in range(20):
            await db.execute("select realtime.send('{}', 'flood', 'hall:rate', true)")
        await client.next("broadcast")
        realtime.set_limits()
        await db.execute("select realtime.send('{}', 'after', 'hall:rate', true)")
        # The channel met the limit too: it is closed, or has heard a few of the twenty.
        last = await client.until(
            lambda m: m.event == "phx_close" or (m.event == "broadcast" and m.payload["event"] == "after")
        )
        assert last
        assert len(client.waiting("broadcast")) < 20


async def test_presence_calls_of_one_channel(client: Client, realtime: RealtimeStack) -> None:
    realtime.set_limits(max_presence_calls=5)
    await client.join("p", {"presence": {"enabled": True, "key": "k"}})
    for n in range(5):
        body = {"event": "track", "payload": {"n": n}}
        assert (await client.call("realtime:p", "presence", body)).payload["status"] == "ok"
    await client.send("realtime:p", "presence", {"event": "track", "payload": {"n": 9}}, ref="x")
    closed = await client.next("system", "realtime:p")
    assert closed.payload["message"] == "Client presence rate limit exceeded"
    await client.next("phx_close", "realtime:p")


async def test_presence_messages_of_the_project(client: Client, realtime: RealtimeStack) -> None:
    realtime.set_limits(max_presence_events_per_second=0.3, rate_window_s=10)
    await client.join("p", {"presence": {"enabled": True, "key": "k"}})
    for n in range(10):
        await client.send("realtime:p", "presence", {"event": "track", "payload": {"n": n}}, ref=str(n))
    closed = await client.next("system", "realtime:p")
    assert closed.payload["message"] == "Too many presence messages per second"


async def test_a_refusal_may_take_its_time(client: Client, realtime: RealtimeStack) -> None:
    realtime.set_limits(max_channels_per_connection=0, error_backoff_s=0.01)
    assert reason(await client.try_join("room")).startswith("ChannelRateLimitReached")


async def test_a_plan_can_be_put_in_force_at_any_time(client: Client, realtime: RealtimeStack) -> None:
    def free() -> None:
        realtime.service.limits = RealtimeLimits.free()

    realtime.call(free)
    await client.join("room", {"broadcast": {"ack": True}})
    big = {"type": "broadcast", "event": "e", "payload": {"x": "x" * 300_000}}
    reply = await client.call("realtime:room", "broadcast", big)
    assert reply.payload["response"] == "payload_size_exceeded"


async def test_limits_over_http(client: Client, realtime: RealtimeStack) -> None:
    headers = {"apikey": realtime.keys.secret_key}
    async with httpx.AsyncClient(base_url=f"{realtime.url}/realtime/v1/api", headers=headers) as http:
        changed = await http.patch("/_limits", json={"max_channels_per_connection": 1})
        assert changed.json()["max_channels_per_connection"] == 1
        await client.join("one")
        assert reason(await client.try_join("two")) == "ChannelRateLimitReached: Too many channels"
        for wrong in (
            {"max_channels": 1},
            {"max_payload_kb": None},
            {"max_payload_kb": "1"},
            {"rate_window_s": -1},
        ):
            answer = await http.patch("/_limits", json=wrong)
            assert answer.status_code == 400
            assert answer.json()["message"].startswith(next(iter(wrong)) + ": ")
        assert (await http.post("/_limits", json={})).status_code == 405
        assert (await http.delete("/_limits")).json()["max_channels_per_connection"] is None
    await client.join("two")
    async with httpx.AsyncClient(headers={"apikey": realtime.keys.publishable_key}) as http:
        assert (await http.delete(f"{realtime.url}/realtime/v1/api/_limits")).status_code == 403
