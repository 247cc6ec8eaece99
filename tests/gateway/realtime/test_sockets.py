"""The handshake, the protocol's replies, and refusals, as the real server words them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
import websockets

from .client import Client, Message, connected
from .conftest import Connect
from .harness import RealtimeStack


async def refused(url: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with websockets.connect(url):
            pass
    response = refusal.value.response
    assert response.body is not None
    return response.status_code, json.loads(response.body)


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"lasts_s": -10}, "Token has expired"),
        ({"role": None}, "Fields `role` and `exp` are required in JWT"),
        ({"exp": None}, "Fields `role` and `exp` are required in JWT"),
    ],
)
async def test_a_token_that_is_not_accepted_ends_the_handshake(
    realtime: RealtimeStack, claims: dict[str, Any], error: str
) -> None:
    status, body = await refused(f"{realtime.bare_url}?apikey={realtime.token(**claims)}")
    assert (status, body) == (401, {"error": error})


async def test_a_token_of_another_stack_is_not_accepted(realtime: RealtimeStack) -> None:
    forged = realtime.token()[:-4] + "AAAA"
    status, body = await refused(f"{realtime.bare_url}?apikey={forged}")
    assert (status, body) == (401, {"error": "Failed to validate JWT signature"})


@pytest.mark.parametrize(
    ("query", "error"),
    [("", "API key is missing"), ("?apikey=nonsense", "The token provided is not a valid JWT")],
)
async def test_a_missing_or_senseless_token(realtime: RealtimeStack, query: str, error: str) -> None:
    assert await refused(realtime.bare_url + query) == (401, {"error": error})


async def test_there_is_but_one_socket(realtime: RealtimeStack) -> None:
    assert (await refused(realtime.bare_url.replace("/websocket", "/other")))[0] == 404


async def test_a_key_that_is_no_key_is_refused_by_the_gateway(realtime: RealtimeStack) -> None:
    assert (await refused(realtime.websocket_url("sb_publishable_nonsense")))[0] == 401
    assert (await refused(realtime.websocket_url("")))[0] == 401


async def test_an_unknown_serializer_is_refused(realtime: RealtimeStack) -> None:
    assert (await refused(realtime.websocket_url(vsn="3.0.0")))[0] == 403


@pytest.mark.parametrize("key", ["publishable_key", "secret_key", "anon_key", "service_role_key"])
async def test_every_key_opens_a_socket(realtime: RealtimeStack, connect: Connect, key: str) -> None:
    async with connect(getattr(realtime.keys, key)) as client:
        await client.join("room")


async def test_the_key_may_come_in_a_header(realtime: RealtimeStack) -> None:
    url = realtime.websocket_url("").replace("apikey=&", "")
    async with websockets.connect(
        url, additional_headers={"x-api-key": realtime.keys.publishable_key}
    ) as connection:
        await connection.send('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}')
        assert json.loads(await connection.recv())["payload"]["status"] == "ok"


async def test_heartbeats_are_answered_with_the_ref_they_came_with(client: Client) -> None:
    for ref in ("1", None, 7):
        await client.send("phoenix", "heartbeat", {}, ref=ref)
        reply = await client.next("phx_reply", "phoenix")
        assert (reply.ref, reply.payload) == (ref, {"status": "ok", "response": {}})


async def test_protocol_pings_are_answered(client: Client) -> None:
    async with asyncio.timeout(10):
        await (await client.connection.ping())


async def test_a_join_echoes_its_bindings_in_order_with_ids(client: Client) -> None:
    bindings = [
        {"event": "INSERT", "schema": "public", "table": "notes", "filter": "id=eq.1"},
        {"event": "*", "schema": "public"},
        {"event": "*", "schema": "public"},
    ]
    response = await client.join("room", {"postgres_changes": bindings})
    ids = [echo.pop("id") for echo in response["postgres_changes"]]
    assert response == {"postgres_changes": bindings}
    assert ids[0] != ids[1] == ids[2]
    assert all(isinstance(one, int) and one > 0 for one in ids)


async def test_a_join_without_bindings_says_so(client: Client) -> None:
    assert await client.join("room") == {"postgres_changes": []}


async def test_leaving_is_answered_and_then_closed(client: Client) -> None:
    reply = await client.try_join("room")
    left = await client.call("realtime:room", "phx_leave", {}, join_ref=reply.join_ref)
    assert left.payload == {"status": "ok", "response": {}}
    closed = await client.next("phx_close", "realtime:room")
    assert closed.payload == {}
    assert closed.ref == closed.join_ref == reply.join_ref or client.vsn == "1.0.0"
    again = await client.call("realtime:room", "phx_leave", {})
    assert again.payload["status"] == "ok"


async def test_messages_to_a_topic_that_is_not_joined(client: Client) -> None:
    reply = await client.call("realtime:nowhere", "broadcast", {})
    assert reply.payload == {"status": "error", "response": {"reason": "unmatched topic"}}


async def test_rejoining_closes_the_former_channel_after_the_new_reply(client: Client) -> None:
    await client.send("realtime:room", "phx_join", {"config": {}}, ref="1", join_ref="1")
    await client.send("realtime:room", "phx_join", {"config": {}}, ref="2", join_ref="2")
    order = [await client.until(lambda m: m.topic == "realtime:room") for _ in range(3)]
    assert [(m.event, m.ref) for m in order] == [("phx_reply", "1"), ("phx_reply", "2"), ("phx_close", "1")]
    await client.broadcast("room", "e", {}, ref="3")
    await client.heartbeat()
    assert not client.waiting("phx_close")


async def test_a_leave_of_an_earlier_join_is_ignored(client: Client) -> None:
    await client.send("realtime:room", "phx_join", {"config": {}}, ref="1", join_ref="1")
    await client.send("realtime:room", "phx_join", {"config": {}}, ref="2", join_ref="2")
    await client.next("phx_close", "realtime:room")
    await client.send("realtime:room", "phx_leave", {}, ref="3", join_ref="1")
    await client.heartbeat()
    assert not [m for m in client.messages if m.ref == "3"]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("realtime:", {"config": {}}, "TopicNameRequired: You must provide a topic name"),
        ("room", {"config": {}}, "unmatched topic"),
        ("realtime:room", [], "UnknownErrorOnChannel: expected a map"),
        (
            "realtime:room",
            {"config": {}, "access_token": "nonsense"},
            "MalformedJWT: The token provided is not a valid JWT",
        ),
    ],
)
async def test_refused_joins(client: Client, topic: str, payload: Any, reason: str) -> None:
    reply = await client.call(topic, "phx_join", payload)
    assert reply.payload == {"status": "error", "response": {"reason": reason}}
    await client.heartbeat()


async def test_refused_tokens(client: Client, realtime: RealtimeStack) -> None:
    async def reason(token: str) -> str:
        reply = await client.try_join("room", token=token)
        assert reply.payload["status"] == "error"
        return str(reply.payload["response"]["reason"])

    expired = await reason(realtime.token(lasts_s=-100))
    assert expired.startswith("InvalidJWTToken: Token has expired 10")
    assert expired.endswith(" seconds ago")
    fields = "InvalidJWTToken: Fields `role` and `exp` are required in JWT"
    assert await reason(realtime.token(exp=None)) == fields
    assert await reason(realtime.token(role=None)) == fields
    forged = realtime.token()[:-4] + "AAAA"
    assert await reason(forged) == "JwtSignatureError: Failed to validate JWT signature"


async def test_an_opaque_key_as_token_leaves_the_connections_own(
    client: Client, realtime: RealtimeStack
) -> None:
    await client.join("room", token=realtime.keys.publishable_key)


async def test_a_token_with_blanks_is_still_one(client: Client, realtime: RealtimeStack) -> None:
    await client.join("room", token=f" {realtime.token()}\n")


async def test_malformed_messages_are_dropped_and_the_socket_stays(client: Client) -> None:
    for garbage in ("", "x", "[]", "{}", "null", '{"topic":', b"\xff\x00", b""):
        await client.connection.send(garbage)
    await client.heartbeat()


async def test_unknown_events_are_ignored(client: Client) -> None:
    await client.join("room")
    await client.send("realtime:room", "nonsense", {"a": 1}, ref="9")
    await client.heartbeat()
    assert not client.messages


async def test_frames_are_exactly_the_real_servers(realtime: RealtimeStack) -> None:
    async with connected(realtime) as one, connected(realtime, vsn="2.0.0") as two:
        await one.send("realtime:r", "phx_join", {"config": {}}, ref="1")
        await one.until(lambda m: m.event == "phx_reply")
        await two.send("realtime:r", "phx_join", {"config": {}}, ref="1", join_ref="1")
        await two.until(lambda m: m.event == "phx_reply")
    response = {"status": "ok", "response": {"postgres_changes": []}}
    assert json.loads(one.frames[0]) == {
        "topic": "realtime:r",
        "event": "phx_reply",
        "payload": response,
        "ref": "1",
    }
    assert json.loads(two.frames[0]) == ["1", "1", "realtime:r", "phx_reply", response]


async def test_a_legacy_join_names_its_table_in_the_topic(service: Client, db: Any) -> None:
    await service.send("realtime:public:board", "phx_join", {}, ref="1")
    reply = await service.next("phx_reply")
    (echo,) = reply.payload["response"]["postgres_changes"]
    assert (echo["schema"], echo["table"]) == ("public", "board")
    await service.next("system", status="ok")
    await db.execute("insert into public.board values (901, 'old')")
    message: Message = await service.next("INSERT", "realtime:public:board")
    assert message.payload["record"] == {"id": 901, "title": "old", "secret": None}


async def test_health_and_ping(realtime: RealtimeStack, client: Client) -> None:
    async with httpx.AsyncClient(
        base_url=realtime.url, headers={"apikey": realtime.keys.publishable_key}
    ) as http:
        ping = await http.get("/realtime/v1/api/ping")
        assert (ping.status_code, ping.json()) == (200, {"message": "Success"})
        for path in ("/realtime/v1/api/health", "/realtime/v1/api/tenants/realtime-dev/health"):
            health = await http.get(path)
            assert health.status_code == 200
            assert health.json()["data"]["healthy"] is True
            assert health.json()["data"]["replication_connected"] is True
            assert health.json()["data"]["connected_cluster"] >= 1
        assert (await http.get("/realtime/v1/api/nothing")).status_code == 404


async def test_status_counts(realtime: RealtimeStack, client: Client) -> None:
    before = realtime.call(realtime.service.status)
    await client.join("counted:1")
    await client.watch("counted:2", {"event": "*", "schema": "public", "table": "board"})
    after = realtime.call(realtime.service.status)
    assert after["connections"] == before["connections"]
    assert after["channels"] == before["channels"] + 2
    assert after["subscriptions"] == before["subscriptions"] + 1
    assert after["changes"]["streaming"]
    assert after["messages"]["streaming"]
    json.dumps(after)
