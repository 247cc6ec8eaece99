"""Presence: who is there, told to everybody who may know."""

from __future__ import annotations

from typing import Any

import pytest

from .client import Client
from .conftest import Connect
from .harness import RealtimeStack


def presence(key: str) -> dict[str, Any]:
    return {"presence": {"key": key, "enabled": True}}


async def track(client: Client, name: str, payload: Any, event: str = "track") -> dict[str, Any]:
    body = {"type": "presence", "event": event, "payload": payload}
    reply = await client.call(f"realtime:{name}", "presence", body)
    result: dict[str, Any] = reply.payload
    return result


async def test_coming_changing_and_going(client: Client, connect: Connect) -> None:
    async with connect() as other:
        await client.join("lobby", presence("ann"))
        assert (await client.next("presence_state")).payload == {}
        await other.join("lobby", presence("bob"))
        await other.next("presence_state")

        assert await track(client, "lobby", {"name": "Ann"}) == {"status": "ok", "response": {}}
        for one in (client, other):
            came = (await one.next("presence_diff", "realtime:lobby")).payload
            (meta,) = came["joins"]["ann"]["metas"]
            assert meta["name"] == "Ann"
            assert came["leaves"] == {}

        await track(client, "lobby", {"name": "Anna"})
        changed = (await other.next("presence_diff")).payload
        (new,) = changed["joins"]["ann"]["metas"]
        (old,) = changed["leaves"]["ann"]["metas"]
        assert (old["name"], new["name"]) == ("Ann", "Anna")
        assert new["phx_ref_prev"] == old["phx_ref"] == meta["phx_ref"]

        await track(client, "lobby", {}, "untrack")
        went = (await other.next("presence_diff")).payload
        assert went["joins"] == {}
        assert went["leaves"]["ann"]["metas"] == [new]


async def test_who_comes_later_gets_the_state(client: Client, connect: Connect) -> None:
    await client.join("late", presence("ann"))
    await track(client, "late", {"n": 1})
    async with connect() as other:
        await other.join("late", presence("bob"))
        state = (await other.next("presence_state")).payload
        assert [meta["n"] for meta in state["ann"]["metas"]] == [1]


@pytest.mark.parametrize("end", ["leave", "drop"])
async def test_who_goes_in_any_way_is_gone_for_the_others(client: Client, connect: Connect, end: str) -> None:
    await client.join("ends", presence("ann"))
    async with connect() as other:
        await other.join("ends", presence("bob"))
        await track(other, "ends", {})
        await client.next("presence_diff")
        if end == "leave":
            await other.send("realtime:ends", "phx_leave", {}, ref="9")
        else:
            other.connection.transport.abort()
        diff = (await client.next("presence_diff")).payload
        assert list(diff["leaves"]) == ["bob"]


async def test_several_sockets_share_a_key(client: Client, connect: Connect) -> None:
    await client.join("shared", presence("ann"))
    await track(client, "shared", {"device": 1})
    async with connect() as other:
        await other.join("shared", presence("ann"))
        await track(other, "shared", {"device": 2})
        async with connect() as third:
            await third.join("shared", presence("bob"))
            state = (await third.next("presence_state")).payload
            assert sorted(meta["device"] for meta in state["ann"]["metas"]) == [1, 2]


async def test_the_same_again_is_no_news(client: Client) -> None:
    await client.join("same", presence("ann"))
    await track(client, "same", {"n": 1})
    await client.next("presence_diff")
    assert (await track(client, "same", {"n": 1}))["status"] == "ok"
    assert not client.waiting("presence_diff")


async def test_without_presence_there_is_no_state_but_tracking_turns_it_on(client: Client) -> None:
    await client.join("off")
    assert (await track(client, "off", {"n": 1}))["status"] == "ok"
    await client.next("presence_diff")
    assert not client.waiting("presence_state")


async def test_events_may_be_in_capitals_and_others_are_refused(client: Client) -> None:
    await client.join("capital", presence("ann"))
    assert (await track(client, "capital", {}, "TRACK"))["status"] == "ok"
    assert await track(client, "capital", {}, "dance") == {"status": "error", "response": {}}
    reply = await client.call("realtime:capital", "presence", {"type": "presence"})
    assert reply.payload["status"] == "ok"


@pytest.mark.parametrize("payload", ["text", [1], 5, None])
async def test_only_objects_can_be_tracked(client: Client, payload: Any) -> None:
    await client.join("objects", presence("ann"))
    assert await track(client, "objects", payload) == {
        "status": "error",
        "response": {"reason": "Presence track payload must be a map"},
    }


async def test_a_payload_that_is_too_large_closes_the_channel(
    client: Client, realtime: RealtimeStack
) -> None:
    realtime.set_limits(max_payload_kb=1)
    await client.join("large", presence("ann"))
    body = {"event": "track", "payload": {"x": "x" * 2000}}
    await client.send("realtime:large", "presence", body, ref="1")
    assert (await client.next("system")).payload["message"] == "Track message size exceeded"
    await client.next("phx_close", "realtime:large")


async def test_keys_are_made_up_when_missing(connect: Connect) -> None:
    async with connect() as one, connect() as two:
        for client in (one, two):
            await client.join("anonymous", {"presence": {"enabled": True}})
            await track(client, "anonymous", {})
        async with connect() as third:
            await third.join("anonymous", {"presence": {"enabled": True}})
            assert len((await third.next("presence_state")).payload) == 2


async def test_private_presence_is_for_those_who_may_read_it(
    connect: Connect, realtime: RealtimeStack
) -> None:
    config = {"private": True, **presence("ann")}
    async with connect() as inside, connect() as public, connect() as later:
        await inside.join("see:lobby", config, token=realtime.token())
        await public.join("see:lobby", presence("eve"))
        assert (await public.next("presence_state")).payload == {}
        await track(inside, "see:lobby", {"n": 1})
        await inside.next("presence_diff")
        await public.heartbeat()
        assert not public.waiting("presence_diff")
        # Joined without presence, then switched on by tracking: read and write are asked for then.
        await later.join("hall:lobby", {"private": True}, token=realtime.token())
        assert (await track(later, "hall:lobby", {}))["status"] == "ok"
        await later.next("presence_diff", "realtime:hall:lobby")
