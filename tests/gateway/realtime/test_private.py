"""Private channels: who is let in, who may speak, and what a new or expired token changes."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest

from .client import Client, connected
from .conftest import Connect
from .harness import RealtimeStack

Db = asyncpg.Connection
PRIVATE = {"private": True}


def unauthorized(topic: str) -> dict[str, Any]:
    text = f"Unauthorized: You do not have permissions to read from this Channel topic: {topic}"
    return {"status": "error", "response": {"reason": text}}


async def test_one_joins_ones_own_topic_and_nobody_elses(client: Client, realtime: RealtimeStack) -> None:
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    await client.join(f"user:{mine}", PRIVATE, token=realtime.token(mine))
    reply = await client.try_join(f"user:{other}", PRIVATE, token=realtime.token(mine))
    assert reply.payload == unauthorized(f"user:{other}")


async def test_the_key_alone_does_not_open_a_private_topic(client: Client) -> None:
    reply = await client.try_join(f"user:{uuid.uuid4()}", PRIVATE)
    assert reply.payload["status"] == "error"


async def test_a_public_join_of_a_private_topic_hears_nothing_private(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    victim = str(uuid.uuid4())
    async with connect() as attacker, connect() as user:
        await attacker.join(f"user:{victim}", token=realtime.token())
        await user.join(f"user:{victim}", PRIVATE, token=realtime.token(victim))
        await db.execute("select realtime.send('{}', 'secret', $1, true)", f"user:{victim}")
        await user.next("broadcast")
        await user.broadcast(f"user:{victim}", "mine", {})
        await user.heartbeat()
        await attacker.heartbeat()
        assert not attacker.waiting("broadcast")


@pytest.mark.parametrize(
    "topic",
    [
        "user:{victim} ",
        "USER:{victim}",
        "user:{victim}\u0000",
        "user:%",
        "user:' or true --",
        "user:{victim}'; set role service_role; --",
        "realtime:user:{victim}",
    ],
)
async def test_no_spelling_of_a_topic_gets_around_the_policy(
    connect: Connect, realtime: RealtimeStack, db: Db, topic: str
) -> None:
    victim = str(uuid.uuid4())
    async with connect() as client:
        reply = await client.try_join(topic.format(victim=victim), PRIVATE, token=realtime.token())
        assert reply.payload["status"] == "error"
        await db.execute("select realtime.send('{}', 'secret', $1, true)", f"user:{victim}")
        await client.heartbeat()
        assert not client.waiting("broadcast")


@pytest.mark.parametrize("role", ["nonexistent_role", "supabase_admin; --", "", "anon"])
async def test_a_role_that_is_none_reads_nothing(
    connect: Connect, realtime: RealtimeStack, role: str
) -> None:
    mine = str(uuid.uuid4())
    async with connect() as client:
        token = realtime.token(mine, role=role)
        reply = await client.try_join(f"user:{mine}", PRIVATE, token=token)
        assert reply.payload["status"] == "error"


async def test_the_service_role_reads_and_writes_everything(service: Client, connect: Connect) -> None:
    async with connect() as client:
        await service.join("anything:at:all", {"private": True, "broadcast": {"self": True}})
        await service.broadcast("anything:at:all", "e", {})
        await service.next("broadcast")
        await client.heartbeat()


async def test_who_may_not_write_is_not_heard_and_gets_no_reply(
    connect: Connect, realtime: RealtimeStack
) -> None:
    async with connect() as reader, connect() as other:
        await reader.join("listen:1", {"private": True, "broadcast": {"ack": True}}, token=realtime.token())
        await other.join("listen:1", PRIVATE, token=realtime.token())
        await reader.broadcast("listen:1", "e", {}, ref="55")
        await reader.heartbeat()
        await other.heartbeat()
        assert not [m for m in reader.messages if m.ref == "55"]
        assert not other.waiting("broadcast")


async def test_nobody_speaks_into_anothers_topic(connect: Connect, realtime: RealtimeStack) -> None:
    victim = str(uuid.uuid4())
    async with connect() as user, connect() as attacker:
        await user.join(f"user:{victim}", PRIVATE, token=realtime.token(victim))
        await attacker.try_join(f"user:{victim}", PRIVATE, token=realtime.token())
        reply = await attacker.call(f"realtime:user:{victim}", "broadcast", {"event": "e", "payload": {}})
        assert reply.payload["response"] == {"reason": "unmatched topic"}
        await attacker.join(f"user:{victim}")
        await attacker.broadcast(f"user:{victim}", "e", {})
        await attacker.heartbeat()
        await user.heartbeat()
        assert not user.waiting("broadcast")


async def test_rights_are_kept_apart_by_extension(connect: Connect, realtime: RealtimeStack) -> None:
    both: dict[str, Any] = {"private": True, "presence": {"enabled": True, "key": "k"}}
    async with connect() as listener, connect() as watcher:
        await listener.join("listen:2", both, token=realtime.token())
        await listener.heartbeat()
        assert not listener.waiting("presence_state")
        tracked = await listener.call("realtime:listen:2", "presence", {"event": "track", "payload": {}})
        assert tracked.payload == {"status": "error", "response": {}}
        await watcher.join("see:2", both, token=realtime.token())
        await watcher.next("presence_state")
        tracked = await watcher.call("realtime:see:2", "presence", {"event": "track", "payload": {}})
        assert tracked.payload["status"] == "ok"


async def test_who_sees_presence_only_hears_no_broadcast(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    async with connect() as watcher:
        await watcher.join("see:3", {"private": True, "presence": {"enabled": True}}, token=realtime.token())
        await db.execute("select realtime.send('{}', 'e', 'see:3', true)")
        async with connect(realtime.keys.secret_key) as service:
            await service.join("see:3", {"private": True, "broadcast": {"self": True}})
            await service.broadcast("see:3", "e", {})
            await service.next("broadcast")
        await watcher.heartbeat()
        assert not watcher.waiting("broadcast")


async def test_a_policy_that_raises_lets_nobody_in_and_nobody_down(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    await db.execute(
        """
        create policy broken on realtime.messages for select to authenticated
          using ((select realtime.topic()) like 'broken:%'
                 and 1 / (length((select realtime.topic())) - 8) = 1)
        """
    )
    try:
        async with connect() as client:
            reply = await client.try_join("broken:1", PRIVATE, token=realtime.token())
            assert reply.payload == unauthorized("broken:1")
            await client.join("hall:1", PRIVATE, token=realtime.token())
    finally:
        await db.execute("drop policy broken on realtime.messages")


async def test_policies_see_claims_and_headers_and_leave_nothing_behind(
    realtime: RealtimeStack, db: Db
) -> None:
    await db.execute(
        """
        create policy by_context on realtime.messages for select to authenticated using (
          (select realtime.topic()) like 'context:%'
          and auth.jwt() ->> 'team' = 'blue'
          and current_setting('request.jwt.claim.sub') = auth.uid()::text
          and current_setting('request.headers')::jsonb ? 'x-client-info')
        """
    )
    try:
        before = await db.fetchval("select count(*) from realtime.messages")
        async with connected(realtime) as client:
            reply = await client.try_join("context:1", PRIVATE, token=realtime.token(team="red"))
            assert reply.payload["status"] == "error"
            reply = await client.try_join("context:1", PRIVATE, token=realtime.token(team="blue"))
            assert reply.payload["status"] == "error"  # no such header
        import websockets

        async with websockets.connect(
            realtime.websocket_url(), additional_headers={"X-Client-Info": "test"}
        ) as connection:
            client = Client(connection, "1.0.0")
            await client.join("context:1", PRIVATE, token=realtime.token(team="blue"))
        assert await db.fetchval("select count(*) from realtime.messages") == before
    finally:
        await db.execute("drop policy by_context on realtime.messages")


async def test_private_only_refuses_public_channels(client: Client, realtime: RealtimeStack) -> None:
    realtime.set_limits(private_only=True)
    reply = await client.try_join("room")
    assert reply.payload["response"]["reason"] == "PrivateOnly: This project only allows private channels"
    await client.join("hall:1", PRIVATE, token=realtime.token())


async def closed(client: Client, name: str) -> str:
    system = await client.next("system", f"realtime:{name}", status="error")
    assert system.payload["extension"] == "system"
    assert system.payload["channel"] == name
    await client.next("phx_close", f"realtime:{name}")
    return str(system.payload["message"])


async def test_an_expired_token_closes_the_channel_and_leaves_the_socket(
    client: Client, realtime: RealtimeStack, db: Db
) -> None:
    await client.join("hall:expiry", PRIVATE, token=realtime.token(lasts_s=1.5))
    await client.join("hall:stays", PRIVATE, token=realtime.token())
    message = await closed(client, "hall:expiry")
    assert message.startswith("Token has expired ")
    assert message.endswith(" seconds ago")
    await db.execute("select realtime.send('{}', 'late', 'hall:expiry', true)")
    await db.execute("select realtime.send('{}', 'fine', 'hall:stays', true)")
    assert (await client.next("broadcast")).payload["event"] == "fine"
    assert not client.waiting("broadcast")
    reply = await client.call("realtime:hall:expiry", "broadcast", {})
    assert reply.payload["response"] == {"reason": "unmatched topic"}


async def test_a_refreshed_token_keeps_the_channel_open(client: Client, realtime: RealtimeStack) -> None:
    user = str(uuid.uuid4())
    await client.join(f"user:{user}", PRIVATE, token=realtime.token(user, lasts_s=1.5))
    await client.join("hall:clock", PRIVATE, token=realtime.token(lasts_s=1.5))
    await client.send(f"realtime:user:{user}", "access_token", {"access_token": realtime.token(user)})
    await closed(client, "hall:clock")
    await client.heartbeat()
    assert not client.messages


async def test_a_new_token_without_the_right_closes_the_channel(
    client: Client, realtime: RealtimeStack, db: Db
) -> None:
    user = str(uuid.uuid4())
    await client.join(f"user:{user}", PRIVATE, token=realtime.token(user))
    await client.send(f"realtime:user:{user}", "access_token", {"access_token": realtime.token()})
    text = f"You do not have permissions to read from this Channel topic: user:{user}"
    assert await closed(client, f"user:{user}") == text
    await db.execute("select realtime.send('{}', 'secret', $1, true)", f"user:{user}")
    await client.heartbeat()
    assert not client.waiting("broadcast")


async def test_a_right_that_is_lost_in_part_closes_the_channel_too(
    client: Client, realtime: RealtimeStack, db: Db
) -> None:
    await db.execute(
        """
        create policy by_level on realtime.messages for select to authenticated using (
          (select realtime.topic()) like 'level:%'
          and (extension = 'broadcast' or auth.jwt() ->> 'level' = 'high'))
        """
    )
    try:
        config = {"private": True, "presence": {"enabled": True}}
        await client.join("level:1", config, token=realtime.token(level="high"))
        await client.send("realtime:level:1", "access_token", {"access_token": realtime.token(level="low")})
        assert await closed(client, "level:1") == (
            "You no longer have permission to read from this Channel topic: level:1"
        )
    finally:
        await db.execute("drop policy by_level on realtime.messages")


async def test_a_policy_change_takes_effect_with_the_next_token(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    user = str(uuid.uuid4())
    await db.execute("create table public.members (topic text, user_id uuid)")
    await db.execute("grant select on public.members to authenticated")
    await db.execute("insert into public.members values ('team:1', $1)", user)
    await db.execute(
        """
        create policy members on realtime.messages for select to authenticated using (exists (
          select from public.members
           where topic = (select realtime.topic()) and user_id = (select auth.uid())))
        """
    )
    try:
        async with connect() as client:
            await client.join("team:1", PRIVATE, token=realtime.token(user))
            await db.execute("delete from public.members")
            await db.execute("select realtime.send('{}', 'cached', 'team:1', true)")
            assert (await client.next("broadcast")).payload["event"] == "cached"
            token = realtime.token(user, lasts_s=1800)
            await client.send("realtime:team:1", "access_token", {"access_token": token})
            await closed(client, "team:1")
            await db.execute("select realtime.send('{}', 'revoked', 'team:1', true)")
            await client.heartbeat()
            assert not client.waiting("broadcast")
            reply = await client.try_join("team:1", PRIVATE, token=token)
            assert reply.payload["status"] == "error"
    finally:
        await db.execute("drop policy members on realtime.messages; drop table public.members")


@pytest.mark.parametrize("payload", [{}, None, [], {"access_token": None}, {"access_token": 5}])
async def test_access_token_messages_that_say_nothing_are_ignored(client: Client, payload: Any) -> None:
    await client.join("room")
    await client.send("realtime:room", "access_token", payload, ref="8")
    await client.heartbeat()
    assert not client.messages


async def test_opaque_and_equal_tokens_are_ignored(client: Client, realtime: RealtimeStack) -> None:
    token = realtime.token()
    await client.join("hall:1", PRIVATE, token=token)
    for same in (token, realtime.keys.publishable_key):
        await client.send("realtime:hall:1", "access_token", {"access_token": same})
    await client.heartbeat()
    assert not client.messages


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda r: "nonsense", "The token provided is not a valid JWT"),
        (lambda r: r.token(exp=None), "Fields `role` and `exp` are required in JWT"),
        (lambda r: r.token()[:-4] + "AAAA", ":signature_error"),
    ],
)
async def test_a_new_token_that_is_not_accepted_closes_the_channel(
    client: Client, realtime: RealtimeStack, make: Any, message: str
) -> None:
    await client.join("room")
    await client.send("realtime:room", "access_token", {"access_token": make(realtime)})
    assert await closed(client, "room") == message
    await client.heartbeat()


async def test_many_join_at_once(realtime: RealtimeStack) -> None:
    async with connected(realtime) as client:
        users = [str(uuid.uuid4()) for _ in range(60)]
        await asyncio.gather(
            *(client.join(f"user:{user}", PRIVATE, token=realtime.token(user)) for user in users)
        )
