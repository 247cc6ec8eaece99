"""Whom a client speaks for: one party, by fresh tokens, for its whole life."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import uuid
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import jwt
import pytest
from supabase import AsyncClient, ClientOptions, create_client
from supabase.lib.client_options import SyncClientOptions

from headway.client import AsyncHeadway, Headway
from headway.errors import (
    ConfigError,
    ConnectFailed,
    Denied,
    HeadwayError,
    InvalidRequest,
    NotFound,
    TransportError,
)
from headway.settings import ClientSettings

from .gate import Answer, gate_to
from .harness import DEAF_TO_TIME, QUICK, QUICK_LINK, Ear, Shop


def made_token(shop: Shop, subject: uuid.UUID, *, lasts_s: float = 3600) -> str:
    now = time.time()
    claims = {"sub": str(subject), "role": "authenticated", "aud": "authenticated", "jti": str(uuid.uuid4())}
    times = {"iat": int(now), "exp": int(now + lasts_s)}
    return jwt.encode({**claims, **times}, shop.stack.keys.jwt_secret, algorithm="HS256")


async def somebody(shop: Shop) -> uuid.UUID:
    user = await shop.engine.user()
    assert user.sub is not None
    return user.sub


async def id_of(client: AsyncClient) -> str:
    response = await client.auth.get_user()
    assert response is not None
    return response.user.id


async def test_a_signed_in_client_brings_its_user(shop: Shop) -> None:
    queue = await shop.kind()
    client = await shop.person()
    hw = await shop.headway(client)
    job = await hw.submit(queue.kind)
    assert str((await job.snapshot()).owner_id) == await id_of(client)
    assert await hw.connection.owner() == await id_of(client)


async def test_a_synchronous_client_brings_its_user_too(shop: Shop) -> None:
    queue = await shop.kind()
    with httpx.Client() as session:
        options = SyncClientOptions(httpx_client=session, auto_refresh_token=False)
        client = await asyncio.to_thread(
            create_client, shop.stack.url, shop.stack.keys.publishable_key, options
        )
        await asyncio.to_thread(client.auth.sign_in_anonymously)
        async with AsyncHeadway(client, policy=QUICK, link_policy=QUICK_LINK) as hw:
            job = await hw.submit(queue.kind)
            ear = Ear(job.watch())
            await (await queue.take()).finish()
            await ear.end()
            me = (await asyncio.to_thread(client.auth.get_user)).user.id  # type: ignore[union-attr]
            assert str((await job.snapshot()).owner_id) == me


async def test_a_client_made_with_a_users_header_brings_that_user(shop: Shop) -> None:
    queue = await shop.kind()
    me = await somebody(shop)
    headers = {**ClientOptions().headers, "Authorization": f"Bearer {made_token(shop, me)}"}
    hw = await shop.headway(await shop.official(headers=headers))
    assert (await (await hw.submit(queue.kind)).snapshot()).owner_id == me


async def test_a_token_for_one_request_of_a_server(shop: Shop) -> None:
    queue = await shop.kind()
    ann, bob = await somebody(shop), await somebody(shop)
    server = await shop.headway(key=shop.stack.keys.publishable_key)
    async with (
        server.as_user(made_token(shop, ann)) as of_ann,
        server.as_user(made_token(shop, bob)) as of_bob,
    ):
        job = await of_ann.submit(queue.kind)
        assert (await job.snapshot()).owner_id == ann
        with pytest.raises(NotFound):
            await of_bob.get(job.id)
        assert of_ann.connection.http is server.connection.http is of_bob.connection.http
    # What was shared is still there.
    with pytest.raises(Denied):
        await server.submit(queue.kind)


async def test_settings_bring_the_project(shop: Shop) -> None:
    settings = ClientSettings.load(url=shop.stack.url, key=shop.stack.keys.publishable_key)
    me = await somebody(shop)
    async with AsyncHeadway.from_settings(settings, access_token=made_token(shop, me)) as hw:
        assert len(await hw.list()) == 0


@pytest.mark.parametrize("kind", [AsyncHeadway, Headway])
@pytest.mark.parametrize("key", ["secret_key", "service_role_key"])
async def test_a_secret_key_does_not_pass_for_the_public_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: type[Any], key: str
) -> None:
    monkeypatch.setenv("SUPABASE_URL", shop.stack.url)
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", getattr(shop.stack.keys, key))
    with pytest.raises(ConfigError, match="SUPABASE_PUBLISHABLE_KEY") as refusal:
        kind.from_settings()
    assert refusal.value.code == "key_is_secret"
    assert getattr(shop.stack.keys, key) not in str(refusal.value)


def test_missing_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="SUPABASE_URL"):
        AsyncHeadway.from_settings()


def test_a_client_and_an_identity_beside_it_contradict_each_other() -> None:
    client = create_client("http://a.invalid", "sb_publishable_x")
    with pytest.raises(ConfigError):
        AsyncHeadway(client, access_token="x")
    with pytest.raises(ConfigError):
        AsyncHeadway(client, url="http://b")


@pytest.mark.parametrize("form", ["async", "sync", "coroutine"])
async def test_a_function_is_asked_for_a_token_when_one_is_needed(shop: Shop, form: str) -> None:
    me = await somebody(shop)
    made: list[str] = []

    def make() -> str:
        made.append(made_token(shop, me, lasts_s=3600 if made else 8))
        return made[-1]

    async def make_async() -> str:
        return make()

    function: Any = {"async": make_async, "sync": make, "coroutine": partial(make_async)}[form]
    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=function)
    await hw.list()
    assert len(made) == 1
    # The first has less than ten seconds left: it is replaced before it expires.
    await hw.list()
    await hw.list()
    assert len(made) == 2


async def test_a_token_that_the_server_refuses_is_made_anew(shop: Shop) -> None:
    me = await somebody(shop)
    tokens = [made_token(shop, me, lasts_s=-7200), made_token(shop, me)]
    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=lambda: tokens.pop(0))
    assert len(await hw.list()) == 0
    assert tokens == []


async def test_a_token_that_cannot_be_made_anew_says_so(shop: Shop) -> None:
    me = await somebody(shop)
    token = made_token(shop, me, lasts_s=-7200)
    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=token)
    with pytest.raises(Denied) as refusal:
        await hw.list()
    assert "fresh access token" in str(refusal.value.hint)


async def test_a_function_that_fails_says_why(shop: Shop) -> None:
    def broken() -> str:
        raise ZeroDivisionError("the vault is closed")

    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=broken)
    with pytest.raises(ZeroDivisionError):
        await hw.list()
    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=lambda: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigError):
        await hw.list()


async def age(client: AsyncClient, left_s: int) -> None:
    """Let an official client believe that its token has so many seconds left."""
    stored = json.loads(str(await client.auth._storage.get_item(client.auth._storage_key)))
    stored["expires_at"] = int(time.time()) + left_s
    await client.auth._storage.set_item(client.auth._storage_key, json.dumps(stored))


async def test_a_session_is_refreshed_before_it_expires(shop: Shop) -> None:
    client = await shop.person()
    hw = await shop.headway(client)
    await hw.list()
    before = await shop.token(client)
    await age(client, 5)
    # Many at once, and one refresh: a second with the same refresh token would end the session.
    await asyncio.gather(*(hw.list() for _ in range(20)))
    after = await shop.token(client)
    assert after != before
    assert (await hw.connection.headers())["Authorization"] == f"Bearer {after}"


async def test_a_session_that_ends_is_an_error_and_nobody_speaks(shop: Shop) -> None:
    queue = await shop.kind()
    client = await shop.person()
    hw = await shop.headway(client)
    job = await hw.submit(queue.kind)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    await client.auth.sign_out({"scope": "local"})
    with pytest.raises(Denied) as refusal:
        await hw.submit(queue.kind)
    assert refusal.value.code == "signed_out"
    await client.auth.sign_in_anonymously()
    with pytest.raises(Denied) as refusal:
        await job.snapshot()
    assert refusal.value.code == "identity_changed"
    with pytest.raises(Denied):
        await ear.end()


async def test_a_session_that_cannot_be_refreshed_is_no_reason_to_be_nobody(shop: Shop) -> None:
    client = await shop.person()
    hw = await shop.headway(client)
    await hw.list()
    stored = json.loads(str(await client.auth._storage.get_item(client.auth._storage_key)))
    stored |= {"expires_at": int(time.time()) - 10, "refresh_token": "no such token"}
    await client.auth._storage.set_item(client.auth._storage_key, json.dumps(stored))
    with pytest.raises(HeadwayError) as refusal:
        await hw.list()
    assert isinstance(refusal.value, Denied) or refusal.value.code == "refresh_token_not_found"
    assert refusal.value.hint


async def test_auth_that_is_away_is_waited_for(shop: Shop) -> None:
    async with gate_to(shop.stack.url) as gate:
        client = await shop.person()
        client.auth._url = f"{gate.url}/auth/v1"
        hw = await shop.headway(client)
        await hw.list()
        await age(client, 5)
        gate.answer(Answer(503, b"{}"))
        await hw.list()
        assert len(gate.requests) == 2
        await age(client, 5)
        gate.always = Answer(503, b"{}")
        with pytest.raises(TransportError):
            await hw.list()


async def test_a_function_may_not_change_whom_it_speaks_for(shop: Shop) -> None:
    tokens = [made_token(shop, await somebody(shop), lasts_s=5), made_token(shop, await somebody(shop))]
    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=lambda: tokens.pop(0))
    await hw.list()
    with pytest.raises(Denied) as refusal:
        await hw.list()
    assert refusal.value.code == "identity_changed"


async def test_a_watch_outlives_many_tokens(shop: Shop) -> None:
    queue = await shop.kind()
    me = await somebody(shop)
    made: list[str] = []

    async def make() -> str:
        made.append(made_token(shop, me, lasts_s=2))
        return made[-1]

    hw = await shop.headway(
        key=shop.stack.keys.publishable_key,
        access_token=make,
        policy=DEAF_TO_TIME,
        link_policy=replace(QUICK_LINK, token_life_used=0.25),
    )
    job = await hw.submit(queue.kind)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    hand = await queue.take()
    link = hw.connection.hearing.link
    assert link is not None
    n = 0
    while link.state.replacements < 5:
        await hand.emit(n)
        await ear.until(lambda e, n=n: n in e.outputs)  # type: ignore[misc]
        n += 1
    await hand.finish()
    await ear.end()
    assert ear.outputs == list(range(n))
    assert link.state.reconnects == 0
    assert len(made) >= 5


async def test_a_watch_outlives_an_issuer_that_cannot_be_reached(shop: Shop) -> None:
    queue = await shop.kind()
    me = await somebody(shop)
    is_down, refused = False, asyncio.Semaphore(0)

    async def make() -> str:
        if is_down:
            refused.release()
            raise httpx.ConnectError("the issuer is away")
        # So short-lived that every request asks for one.
        return made_token(shop, me, lasts_s=5)

    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=make)
    job = await hw.submit(queue.kind)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    is_down = True
    async with asyncio.timeout(60):
        for _ in range(3):
            await refused.acquire()
    with pytest.raises(ConnectFailed, match="access_token"):
        await hw.get(job.id)
    is_down = False
    await (await queue.take()).finish()
    await ear.end()
    assert ear.types == ["submitted", "started", "completed"]


async def test_a_subject_of_another_issuer_is_told_so(shop: Shop) -> None:
    claims = {
        "sub": "auth0|7",
        "role": "authenticated",
        "aud": "authenticated",
        "exp": int(time.time()) + 600,
    }
    token = jwt.encode(claims, shop.stack.keys.jwt_secret, algorithm="HS256")
    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=token)
    with pytest.raises(InvalidRequest) as refusal:
        await anext(hw.watch_all())
    assert refusal.value.details == "user"
    assert refusal.value.hint


async def test_a_client_belongs_to_one_loop_and_says_so(shop: Shop) -> None:
    token = made_token(shop, await somebody(shop))
    hw = await shop.headway(key=shop.stack.keys.publishable_key, access_token=token)
    await hw.list()

    def elsewhere() -> None:
        asyncio.run(_list(hw))

    with pytest.raises(ConfigError) as refusal:
        await asyncio.to_thread(elsewhere)
    assert refusal.value.code == "wrong_event_loop"


def test_a_client_may_be_used_on_one_loop_after_the_other(stack: Any) -> None:
    me = uuid.uuid4()
    now = int(time.time())
    claims = {"sub": str(me), "role": "authenticated", "aud": "authenticated", "iat": now, "exp": now + 3600}
    token = jwt.encode(claims, stack.keys.jwt_secret, algorithm="HS256")
    hw = AsyncHeadway(url=stack.url, key=stack.keys.publishable_key, access_token=token)
    with warnings.catch_warnings():
        # A loop that has ended cannot close what was left open on it; the garbage collection does.
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(3):
            asyncio.run(_list(hw))
        asyncio.run(hw.close())
        gc.collect()
        # What the first has let go of is in a circle of its own.
        gc.collect()


async def _list(hw: AsyncHeadway) -> None:
    assert len(await hw.list()) == 0


async def test_a_client_of_a_request_that_is_forgotten_leaves_no_socket(shop: Shop) -> None:
    queue = await shop.kind()
    me = await somebody(shop)
    server = await shop.headway(key=shop.stack.keys.publishable_key)

    async def request() -> str:
        # As a view does it that never heard of closing.
        job = await server.as_user(made_token(shop, me)).submit(queue.kind)
        async for _ in job.watch():
            break
        return f"job:{job.id}"

    topics = [await request() for _ in range(3)]
    await shop.until(lambda: shop.topics().isdisjoint(topics))
    # What was cancelled may lie in a circle; without a collection the idle link closes after a while.
    await shop.until(lambda: gc.collect() >= 0 and shop.sockets() == 0)
    # Temporary or not, a watch keeps what it needs.
    queue = await shop.kind()
    job = await server.as_user(made_token(shop, me)).submit(queue.kind)
    ear = Ear(server.as_user(made_token(shop, me)).watch(job.id))
    await (await queue.take()).finish()
    await ear.end()
    assert ear.updates[-1].ended


async def test_clients_are_closed_with_the_one_that_they_were_made_of(shop: Shop) -> None:
    before = asyncio.all_tasks()
    me = await somebody(shop)
    server = await shop.headway(key=shop.stack.keys.publishable_key)
    user = server.as_user(made_token(shop, me))
    ear = Ear(user.watch_all())
    await shop.until(lambda: any(topic == f"user:{me}:jobs" for topic in shop.topics()))
    await server.close()
    with pytest.raises(TransportError) as ended:
        await ear.end()
    assert ended.value.code == "client_closed"
    assert asyncio.all_tasks() == before


async def test_a_connection_that_nobody_listens_to_is_closed_and_made_anew(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway(policy=replace(QUICK, link_idle=0.05))
    for _ in range(2):
        job = await hw.submit(queue.kind)
        ear = Ear(job.watch())
        await ear.until(lambda e: bool(e.updates))
        await shop.joined(f"job:{job.id}")
        await (await queue.take()).finish()
        await ear.end()
        await shop.until(lambda: shop.sockets() == 0)
        assert hw.connection.hearing.link is None
