"""Broadcast over the socket, over HTTP, and from the database."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from .client import Client, connected
from .conftest import Connect
from .harness import RealtimeStack

Db = asyncpg.Connection
SENT = {"type": "broadcast", "event": "moved", "payload": {"x": 1}}


def push(topic: str, event: str, data: bytes, *, is_json: bool) -> bytes:
    """A broadcast as realtime-js sends it with vsn 2.0.0: kind 3."""
    fields = [part.encode() for part in ("j1", "9", f"realtime:{topic}", event, "")]
    return bytes([3, *map(len, fields), is_json]) + b"".join(fields) + data


@pytest.mark.parametrize("receiver", ["1.0.0", "2.0.0"])
async def test_others_hear_what_was_sent_and_the_sender_does_not(
    client: Client, connect: Connect, receiver: str
) -> None:
    async with connect(vsn=receiver) as other:
        await client.join("room")
        await other.join("room")
        await client.broadcast("room", "moved", {"x": 1})
        message = await other.next("broadcast", "realtime:room")
        assert message.payload == SENT
        assert message.ref is None
        assert message.join_ref is None
        await client.heartbeat()
        assert not client.waiting("broadcast")


async def test_self_hears_oneself(client: Client) -> None:
    await client.join("room", {"broadcast": {"self": True}})
    await client.broadcast("room", "moved", {"x": 1}, more="kept")
    assert (await client.next("broadcast")).payload == {**SENT, "more": "kept"}


async def test_ack_is_a_reply(client: Client) -> None:
    await client.join("room", {"broadcast": {"ack": True}})
    reply = await client.call("realtime:room", "broadcast", SENT)
    assert reply.payload == {"status": "ok", "response": {}}


async def test_without_ack_there_is_none(client: Client) -> None:
    await client.join("room")
    await client.broadcast("room", "moved", {}, ref="77")
    await client.heartbeat()
    assert not client.messages


async def test_too_large_with_ack_is_an_error_and_goes_nowhere(
    client: Client, connect: Connect, realtime: RealtimeStack
) -> None:
    realtime.set_limits(max_payload_kb=1)
    async with connect() as other:
        await client.join("room", {"broadcast": {"ack": True}})
        await other.join("room")
        big = {**SENT, "payload": {"text": "x" * 2000}}
        reply = await client.call("realtime:room", "broadcast", big)
        assert reply.payload == {"status": "error", "response": "payload_size_exceeded"}
        await client.broadcast("room", "small", {})
        assert (await other.next("broadcast")).payload["event"] == "small"


async def test_public_and_private_channels_of_a_name_are_apart(
    connect: Connect, realtime: RealtimeStack
) -> None:
    async with connect() as public, connect() as private:
        await public.join("hall:1")
        await private.join("hall:1", {"private": True, "broadcast": {"self": True}}, token=realtime.token())
        await public.broadcast("hall:1", "public", {})
        await public.heartbeat()
        await private.broadcast("hall:1", "private", {})
        assert (await private.next("broadcast")).payload["event"] == "private"
        await public.heartbeat()
        assert not public.waiting("broadcast")


async def test_a_user_broadcast_frame_reaches_both_serializers(connect: Connect) -> None:
    async with connect(vsn="2.0.0") as sender, connect(vsn="2.0.0") as two, connect() as one:
        for client in (sender, two, one):
            await client.join("room")
        await sender.connection.send(push("room", "moved", b'{"x":1}', is_json=True))
        assert (await two.next("broadcast")).payload == SENT
        assert isinstance(two.frames[-1], bytes)
        assert (await one.next("broadcast")).payload == SENT


async def test_a_binary_payload_reaches_version_2_only(connect: Connect) -> None:
    async with connect(vsn="2.0.0") as sender, connect(vsn="2.0.0") as two, connect() as one:
        for client in (sender, two, one):
            await client.join("room")
        await sender.connection.send(push("room", "raw", b"\xff\x00", is_json=False))
        assert (await two.next("broadcast")).payload["payload"] == b"\xff\x00"
        await sender.connection.send(
            bytes([0, 2, 1, 13, 9]) + b"j19" + b"realtime:room" + b"broadcast" + b"\xfe"
        )
        assert (await two.next("broadcast")).payload == b"\xfe"
        await sender.broadcast("room", "text", {})
        assert (await one.next("broadcast")).payload["event"] == "text"


def http(realtime: RealtimeStack, key: str | None = None, token: str | None = None) -> httpx.AsyncClient:
    headers = {"apikey": key or realtime.keys.publishable_key}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return httpx.AsyncClient(base_url=f"{realtime.url}/realtime/v1/api", headers=headers)


async def test_a_batch_over_http(client: Client, realtime: RealtimeStack) -> None:
    await client.join("a")
    await client.join("b")
    messages = [
        {"topic": "a", "event": "one", "payload": {"n": 1}},
        {"topic": "b", "event": "two", "payload": {"n": 2}, "id": "m2", "private": False},
        {"topic": "nobody", "event": "three", "payload": {}},
    ]
    async with http(realtime) as api:
        answer = await api.post("/broadcast", json={"messages": messages})
    assert (answer.status_code, answer.content) == (202, b"")
    assert (await client.next("broadcast", "realtime:a")).payload == {
        "type": "broadcast",
        "event": "one",
        "payload": {"n": 1},
    }
    assert (await client.next("broadcast", "realtime:b")).payload["meta"] == {"id": "m2"}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"messages": ["can't be blank"]}),
        ({"messages": []}, {"messages": ["can't be blank"]}),
        ({"messages": "x"}, {"messages": ["is invalid"]}),
        (
            {
                "messages": [
                    {"topic": "a", "event": "e", "payload": {}},
                    {"topic": "", "payload": [], "event": 1},
                ]
            },
            {
                "messages": [
                    {},
                    {"topic": ["can't be blank"], "payload": ["is invalid"], "event": ["is invalid"]},
                ]
            },
        ),
    ],
)
async def test_a_batch_with_faults_is_refused_whole(
    client: Client, realtime: RealtimeStack, body: Any, errors: Any
) -> None:
    await client.join("a")
    async with http(realtime) as api:
        answer = await api.post("/broadcast", json=body)
    assert (answer.status_code, answer.json()) == (422, {"errors": errors})
    await client.heartbeat()
    assert not client.waiting("broadcast")


async def test_http_needs_a_valid_token(realtime: RealtimeStack) -> None:
    body = {"messages": [{"topic": "a", "event": "e", "payload": {}}]}
    async with http(realtime, token=realtime.token(lasts_s=-5)) as api:
        answer = await api.post("/broadcast", json=body)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
        assert (await api.post("/broadcast/a/events/e", json={})).status_code == 401


async def test_a_private_batch_needs_the_policy_and_says_nothing(realtime: RealtimeStack) -> None:
    token = realtime.token()
    async with connected(realtime) as client:
        await client.join("hall:http", {"private": True}, token=token)
        await client.join("listen:http", {"private": True}, token=token)
        messages = [
            {"topic": "listen:http", "event": "forbidden", "payload": {}, "private": True},
            {"topic": "hall:http", "event": "allowed", "payload": {}, "private": True},
        ]
        async with http(realtime, token=token) as api:
            assert (await api.post("/broadcast", json={"messages": messages})).status_code == 202
        assert (await client.next("broadcast")).payload["event"] == "allowed"
        assert not client.waiting("broadcast")


@pytest.mark.parametrize("topic", ["plain", "with:colon", "with/slash", "mit ü"])
async def test_a_single_message_over_http(client: Client, realtime: RealtimeStack, topic: str) -> None:
    await client.join(topic)
    async with http(realtime) as api:
        answer = await api.post(
            f"/broadcast/{quote(topic, safe='')}/events/{quote('a/b', safe='')}", json=[1]
        )
    assert (answer.status_code, answer.content) == (202, b"")
    message = await client.next("broadcast", f"realtime:{topic}")
    assert message.payload == {"type": "broadcast", "event": "a/b", "payload": [1]}


async def test_a_single_binary_message_over_http(connect: Connect, realtime: RealtimeStack) -> None:
    async with connect(vsn="2.0.0") as client:
        await client.join("bin")
        async with http(realtime) as api:
            answer = await api.post(
                "/broadcast/bin/events/e",
                content=b"\x00\xff",
                headers={"content-type": "application/octet-stream"},
            )
            assert answer.status_code == 202
        assert (await client.next("broadcast")).payload["payload"] == b"\x00\xff"


async def test_single_messages_that_are_refused(realtime: RealtimeStack) -> None:
    async with http(realtime, token=realtime.token()) as api:
        other_type = await api.post(
            "/broadcast/a/events/e", content=b"x", headers={"content-type": "text/plain"}
        )
        assert other_type.status_code == 415
        malformed = await api.post(
            "/broadcast/a/events/e", content=b"{", headers={"content-type": "application/json"}
        )
        assert malformed.status_code == 400
        forbidden = await api.post("/broadcast/listen:1/events/e?private=true", json={})
        assert (forbidden.status_code, forbidden.json()) == (403, {"message": "Unauthorized"})
        allowed = await api.post("/broadcast/hall:1/events/e?private=true", json={})
        assert allowed.status_code == 202
    realtime.set_limits(max_payload_kb=1)
    async with http(realtime) as api:
        large = await api.post("/broadcast/a/events/e", json="x" * 2000)
        assert (large.status_code, large.json()) == (
            422,
            {"errors": {"payload": ["Payload size exceeds tenant limit"]}},
        )


async def test_a_body_without_end_is_cut_off(realtime: RealtimeStack) -> None:
    async with http(realtime) as api:
        answer = await api.post("/broadcast/a/events/e", content=b'"' + b"x" * 9_000_000 + b'"')
        assert answer.status_code == 413


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_the_database_sends_to_private_channels(
    connect: Connect, realtime: RealtimeStack, db: Db, vsn: str
) -> None:
    async with connect(vsn=vsn) as client:
        await client.join("hall:db", {"private": True}, token=realtime.token())
        await db.execute("""select realtime.send('{"n": 1}', 'progress', 'hall:db', true)""")
        payload = (await client.next("broadcast", "realtime:hall:db")).payload
        assert payload["event"] == "progress"
        assert payload["payload"]["n"] == 1
        assert payload["payload"]["id"] == payload["meta"]["id"]
        if vsn == "2.0.0":
            assert isinstance(client.frames[-1], bytes)


async def test_the_database_sends_to_public_channels_when_told_to(client: Client, db: Db) -> None:
    await client.join("room")
    await db.execute("select realtime.send('{}', 'private', 'room', true)")
    await db.execute("select realtime.send('{}', 'public', 'room', false)")
    assert (await client.next("broadcast")).payload["event"] == "public"


async def test_a_rolled_back_message_is_never_sent(connect: Connect, realtime: RealtimeStack, db: Db) -> None:
    async with connect() as client:
        await client.join("hall:tx", {"private": True}, token=realtime.token())
        transaction = db.transaction()
        await transaction.start()
        await db.execute("select realtime.send('{}', 'never', 'hall:tx', true)")
        await transaction.rollback()
        await db.execute("select realtime.send('{}', 'committed', 'hall:tx', true)")
        assert (await client.next("broadcast")).payload["event"] == "committed"


async def test_binary_messages_of_the_database(connect: Connect, realtime: RealtimeStack, db: Db) -> None:
    async with connect(vsn="2.0.0") as two, connect() as one:
        for client in (one, two):
            await client.join("hall:bin", {"private": True}, token=realtime.token())
        await db.execute(r"select realtime.send_binary('\x00ff', 'raw', 'hall:bin', true)")
        await db.execute("select realtime.send('{}', 'text', 'hall:bin', true)")
        assert (await two.next("broadcast")).payload["payload"] == b"\x00\xff"
        assert (await one.next("broadcast")).payload["event"] == "text"


async def test_messages_come_in_the_order_of_their_commits(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    async with connect() as client:
        await client.join("hall:order", {"private": True}, token=realtime.token())
        for n in range(50):
            await db.execute(f"select realtime.send('{{\"n\": {n}}}', 'e', 'hall:order', true)")
        got = [(await client.next("broadcast")).payload["payload"]["n"] for _ in range(50)]
        assert got == list(range(50))


async def test_a_message_that_is_too_large_is_dropped_at_the_reader(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    realtime.set_limits(max_payload_kb=1)
    async with connect() as client:
        await client.join("hall:size", {"private": True}, token=realtime.token())
        await db.execute(
            "select realtime.send(jsonb_build_object('x', repeat('x', 3000)), 'large', 'hall:size', true)"
        )
        await db.execute("select realtime.send('{}', 'small', 'hall:size', true)")
        assert (await client.next("broadcast")).payload["event"] == "small"


async def test_replication_ready_is_told(client: Client) -> None:
    await client.join("room", {"broadcast": {"replication_ready": True}})
    told = await client.next("system", "realtime:room")
    assert told.payload == {
        "extension": "system",
        "status": "ok",
        "message": "Replication connection established",
        "channel": "room",
    }


async def send_stored(db: Db, topic: str, count: int) -> None:
    for n in range(count):
        await db.execute(f"select realtime.send('{{\"n\": {n}}}', 'stored', $1, true)", topic)


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_replay_is_the_newest_oldest_first_then_live(
    connect: Connect, realtime: RealtimeStack, db: Db, vsn: str
) -> None:
    topic = f"hall:replay:{vsn}"
    since = int(time.time() * 1000) - 60_000
    await send_stored(db, topic, 30)
    async with connect(vsn=vsn) as client:
        replay = {"private": True, "broadcast": {"replay": {"since": since, "limit": 100}}}
        await client.join(topic, replay, token=realtime.token())
        replayed = [(await client.next("broadcast")).payload for _ in range(25)]
        assert [p["payload"]["n"] for p in replayed] == list(range(5, 30))
        assert all(p["meta"]["replayed"] is True and p["meta"]["id"] for p in replayed)
        await db.execute("select realtime.send('{\"n\": 99}', 'stored', $1, true)", topic)
        live = (await client.next("broadcast")).payload
        assert live["payload"]["n"] == 99
        assert "replayed" not in live["meta"]


async def test_replay_honours_its_limit_and_its_beginning(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    await send_stored(db, "hall:limited", 3)
    soon = int(time.time() * 1000) + 30_000
    async with connect() as client:
        config = {"private": True, "broadcast": {"replay": {"since": 0, "limit": 1}}}
        await client.join("hall:limited", config, token=realtime.token())
        assert (await client.next("broadcast")).payload["payload"]["n"] == 2
        await client.join(
            "hall:limited",
            {"private": True, "broadcast": {"replay": {"since": soon}}},
            token=realtime.token(),
        )
        await client.heartbeat()
        assert not client.waiting("broadcast")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            {"broadcast": {"replay": {"since": 0}}},
            "UnableToReplayMessages: Replay is not allowed for public channels",
        ),
        (
            {"private": True, "broadcast": {"replay": {"since": "yesterday"}}},
            "UnableToReplayMessages: Replay params are not valid",
        ),
        (
            {"private": True, "broadcast": {"replay": {"since": 10**18}}},
            "UnableToReplayMessages: Replay params are not valid",
        ),
        (
            {"private": True, "broadcast": {"replay": {"since": 0, "limit": None}}},
            "UnableToReplayMessages: Replay params are not valid",
        ),
    ],
)
async def test_replay_that_cannot_be(
    client: Client, realtime: RealtimeStack, config: dict[str, Any], reason: str
) -> None:
    reply = await client.try_join("hall:replay", config, token=realtime.token())
    assert reply.payload == {"status": "error", "response": {"reason": reason}}


async def test_replay_shows_nothing_to_who_may_not_read_broadcasts(
    connect: Connect, realtime: RealtimeStack
) -> None:
    async with connect() as client:
        config = {"private": True, "presence": {"enabled": True}, "broadcast": {"replay": {"since": 0}}}
        reply = await client.try_join("see:replay", config, token=realtime.token())
        assert reply.payload["response"]["reason"].startswith("Unauthorized: ")


async def test_the_json_of_the_database_comes_through_unchanged(client: Client, db: Db) -> None:
    await client.join("json")
    document = {"text": 'quote " \\ ü \u2028 🚀', "n": [1.5, -0, None, True, {"deep": {}}], "id": "mine"}
    await db.execute("select realtime.send($1, 'e', 'json', false)", json.dumps(document))
    assert (await client.next("broadcast")).payload["payload"] == document
