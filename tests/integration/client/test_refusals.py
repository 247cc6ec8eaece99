"""Whatever is wrong between an app and its project: an error of our tree, and the remedy in one line."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import time
import uuid
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest

from headway.client import AsyncHeadway
from headway.errors import (
    ApiError,
    ConfigError,
    ConnectFailed,
    Denied,
    HeadwayError,
    InvalidRequest,
    SchemaMismatch,
    TimedOut,
    TransportError,
)
from headway.link.tokens import read_token
from integration.worker_services.mail_server import certificate
from support.stack import SUPABASE_DIR, project_config, running_stack
from support.wire import wire_to

from .gate import Answer, gate_to
from .harness import QUICK, QUICK_LINK, Ear, Shop, within

KEY = "sb_publishable_whatever"
IMPATIENT = replace(QUICK, attempts=2)


def speaks(error: HeadwayError, *words: str) -> None:
    """An error says what to do, in one line."""
    assert error.hint
    assert "\n" not in error.hint
    assert all(word in error.hint for word in words), error.hint


def ours(url: str, key: str = KEY, **options: Any) -> AsyncHeadway:
    return AsyncHeadway(url=url, key=key, policy=IMPATIENT, link_policy=QUICK_LINK, **options)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "config_invalid"),
        ({"url": "http://a"}, "config_invalid"),
        ({"key": KEY}, "config_invalid"),
        ({"url": "ftp://a", "key": KEY}, "url_invalid"),
        ({"url": "abc.supabase.co", "key": KEY}, "url_invalid"),
        ({"url": "https://abc.supabase.co/rest/v1/", "key": KEY}, "url_invalid"),
        ({"url": "https://user:secret@abc.supabase.co", "key": KEY}, "url_invalid"),
        ({"url": "http://a:99999", "key": KEY}, "url_invalid"),
        ({"url": "http://a b", "key": KEY}, "url_invalid"),
        ({"url": "http://a", "key": b"bytes"}, "key_invalid"),
        ({"url": "http://a", "key": ""}, "key_invalid"),
        ({"url": "http://a", "key": "two words"}, "key_invalid"),
        ({"url": "http://a", "key": KEY, "access_token": ""}, "access_token_invalid"),
        ({"client": b"no client"}, "config_invalid"),
    ],
    ids=str,
)
def test_what_cannot_be_right_is_said_at_once(arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        AsyncHeadway(**arguments)
    assert refusal.value.code == code
    speaks(refusal.value)
    assert "secret" not in str(refusal.value)


async def test_tls_that_fails_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, chain = certificate(tmp_path)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    plain = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    secure = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with plain, secure:
        ports = [server.sockets[0].getsockname()[1] for server in (plain, secure)]
        async with ours(f"https://127.0.0.1:{ports[0]}") as hw:
            with pytest.raises(ConnectFailed) as refusal:
                await hw.list()
            assert refusal.value.code == "tls_failed"
            speaks(refusal.value, "SUPABASE_URL", "https://")
        async with ours(f"https://127.0.0.1:{ports[1]}") as hw:
            with pytest.raises(ConnectFailed, match="certificate") as refusal:
                await hw.list()
            assert refusal.value.code == "tls_certificate"
            speaks(refusal.value, "clock", "SSL_CERT_FILE")
        # What the hint says helps: it is spoken to then.
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        async with ours(f"https://127.0.0.1:{ports[1]}") as hw:
            with pytest.raises(TransportError) as broken:
                await hw.list()
            assert broken.value.code == "connection_broken"
        async with ours(f"http://127.0.0.1:{ports[1]}") as hw:
            with pytest.raises(TransportError) as broken:
                await hw.list()
            speaks(broken.value, "SUPABASE_URL")


async def test_nobody_is_at_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with ours(f"http://127.0.0.1:{port}") as hw:
        with pytest.raises(ConnectFailed) as refusal:
            await hw.submit("test.any")
        speaks(refusal.value, "SUPABASE_URL")
    async with ours("http://no-such-host.invalid") as hw:
        with pytest.raises(ConnectFailed) as refusal:
            await hw.submit("test.any")
        speaks(refusal.value, "SUPABASE_URL")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(200, b"<html>Welcome", {"content-type": "text/html"}), ConfigError, "SUPABASE_URL"),
        (Answer(302, b"", {"location": "https://elsewhere"}), ConfigError, "SUPABASE_URL"),
        (Answer(404, b"<html>", {"content-type": "text/html"}), ApiError, ""),
        (
            Answer(401, b'{"message": "Invalid API key"}', {"content-type": "application/json"}),
            ConfigError,
            "key",
        ),
        (Answer(413, b"<html>too large"), InvalidRequest, "Storage"),
        (Answer(540, b"paused"), TransportError, "restore"),
        (
            Answer(406, b'{"code": "PGRST106", "message": "Invalid schema: headway", "hint": null}'),
            ConfigError,
            "exposed schemas",
        ),
        (
            Answer(404, b'{"code": "PGRST202", "message": "Could not find the function headway.submit"}'),
            SchemaMismatch,
            "migrations",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_another_answers_in_its_place(answer: Answer, kind: type[HeadwayError], words: str) -> None:
    async with gate_to() as gate, ours(gate.url) as hw:
        gate.always = answer
        with pytest.raises(kind) as refusal:
            await hw.submit("test.any")
        if words:
            speaks(refusal.value, words)
        assert "<html" not in str(refusal.value)


async def test_a_wrong_key_is_told_from_a_missing_session(shop: Shop) -> None:
    queue = await shop.kind()
    async with ours(shop.stack.url, "sb_publishable_wrong") as hw:
        with pytest.raises((ConfigError, Denied)) as refusal:
            await hw.submit(queue.kind)
        speaks(refusal.value, "key")
    async with ours(shop.stack.url, shop.stack.keys.publishable_key) as hw:
        with pytest.raises(Denied) as denied:
            await hw.submit(queue.kind)
        speaks(denied.value, "Sign in")
        with pytest.raises(Denied):
            await hw.list()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 520])
async def test_what_passes_is_waited_for(shop: Shop, status: int) -> None:
    queue = await shop.kind()
    token = await shop.token(await shop.person())
    async with (
        gate_to(shop.stack.url) as gate,
        ours(gate.url, shop.stack.keys.publishable_key, access_token=token) as hw,
    ):
        gate.answer(Answer(status, b"<html>try later"))
        job = await hw.submit(queue.kind)
        assert len(gate.requests) == 2
        gate.answer(*[Answer(status, b"{}")] * 2)
        with pytest.raises(TransportError) as gone:
            await hw.get(job.id)
        assert gone.value.status == status
        speaks(gone.value)
        assert len(gate.requests) == 4


async def test_a_server_that_asks_for_a_pause_is_given_it(shop: Shop) -> None:
    token = await shop.token(await shop.person())
    async with (
        gate_to(shop.stack.url) as gate,
        ours(gate.url, shop.stack.keys.publishable_key, access_token=token) as hw,
    ):
        gate.answer(Answer(429, b"{}", {"retry-after": "0.2"}))
        began = time.monotonic()
        await hw.list()
        assert time.monotonic() - began >= 0.2
        gate.answer(Answer(429, b"{}", {"retry-after": "3600"}))
        with pytest.raises(TransportError) as asked:
            await hw.list()
        assert (asked.value.retry_after, len(gate.requests)) == (3600, 3)


async def test_a_lost_answer_is_asked_for_again_and_nothing_is_done_twice(shop: Shop) -> None:
    queue = await shop.kind()
    token = await shop.token(await shop.person())
    async with (
        gate_to(shop.stack.url) as gate,
        ours(gate.url, shop.stack.keys.publishable_key, access_token=token) as hw,
    ):
        gate.answer(Answer(after=True, silent=True))
        job = await hw.submit(queue.kind)
        assert (job.created, job.merged) == (False, "id")
        gate.answer(Answer(after=True, silent=True))
        batch = await hw.submit_many([{"kind": queue.kind}] * 3)
        assert len(await hw.list(kind=queue.kind)) == 4
        gate.answer(Answer(after=True, silent=True))
        assert (await job.cancel()).status == "cancelled"
        # A second run might be opened by a second retry.
        gate.answer(Answer(after=True, silent=True))
        with pytest.raises(TransportError):
            await job.retry()
        assert (await job.snapshot()).run == 2
        assert len(batch) == 3


async def test_nothing_is_sent_again_that_was_refused(shop: Shop) -> None:
    token = await shop.token(await shop.person())
    async with (
        gate_to(shop.stack.url) as gate,
        ours(gate.url, shop.stack.keys.publishable_key, access_token=token) as hw,
    ):
        with pytest.raises(InvalidRequest):
            await hw.submit("no.such.kind")
        assert len(gate.requests) == 1


async def test_a_server_that_says_nothing_is_not_waited_for_for_ever() -> None:
    async with gate_to() as gate:
        gate.always = Answer(hang=True)
        policy = replace(IMPATIENT, timeout=0.2)
        async with AsyncHeadway(url=gate.url, key=KEY, policy=policy) as hw:
            with pytest.raises(TimedOut) as late:
                await within(hw.list(), 10)
            speaks(late.value)


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_to() as gate:
        gate.always = Answer(403, b"no")
        monkeypatch.setenv("HTTPS_PROXY", gate.url)
        async with ours("https://abc.supabase.co") as hw:
            with pytest.raises(ConnectFailed) as refusal:
                await hw.list()
            speaks(refusal.value, "HTTPS_PROXY")


async def test_a_proxy_is_used(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await shop.token(await shop.person())

    async with gate_to("") as gate:
        monkeypatch.setenv("HTTP_PROXY", gate.url)
        async with ours(shop.stack.url, shop.stack.keys.publishable_key, access_token=token) as hw:
            assert len(await hw.list()) == 0
        assert gate.requests[0].startswith(f"GET {shop.stack.url}/rest/v1/jobs")


@pytest.mark.parametrize("skew_s", [-7200, 7200], ids=["behind", "ahead"])
async def test_a_clock_that_is_wrong_does_not_matter_while_tokens_are_right(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, skew_s: float
) -> None:
    queue = await shop.kind()
    client = await shop.person()
    token = await shop.token(client)
    skewed = partial(read_token, wall=lambda: time.time() + skew_s)
    for reader in ("headway.client.identity", "headway.link.lane"):
        monkeypatch.setattr(f"{reader}.read_token", skewed)
    async with ours(shop.stack.url, shop.stack.keys.publishable_key, access_token=lambda: token) as hw:
        job = await hw.submit(queue.kind)
        ear = Ear(job.watch())
        await ear.until(lambda e: bool(e.updates))
        await (await queue.take()).finish()
        await ear.end()


async def test_an_issuer_whose_clock_is_wrong_is_named(shop: Shop) -> None:
    queue = await shop.kind()
    ahead = int(time.time()) + 7200
    claims = {"sub": str(uuid.uuid4()), "role": "authenticated", "aud": "authenticated", "iat": ahead}
    token = jwt.encode({**claims, "exp": ahead + 3600}, shop.stack.keys.jwt_secret, algorithm="HS256")
    async with ours(shop.stack.url, shop.stack.keys.publishable_key, access_token=token) as hw:
        with pytest.raises(Denied) as refusal:
            await hw.submit(queue.kind)
        speaks(refusal.value, "clock")


async def test_the_network_goes_away_and_comes_back_under_a_watch(shop: Shop) -> None:
    queue = await shop.kind()
    token = await shop.token(await shop.person())
    loop = asyncio.get_running_loop()
    manager = wire_to(shop.stack.url)
    wire = await loop.run_in_executor(None, manager.__enter__)
    try:
        async with ours(wire.url, shop.stack.keys.publishable_key, access_token=token) as hw:
            job = await hw.submit(queue.kind)
            ear = Ear(job.watch())
            await ear.until(lambda e: bool(e.updates))
            hand = await queue.take()
            for n in range(5):
                # Both the socket and the requests, in the middle of whatever they say.
                wire.cut_after_receiving(50, 60, 70, 400)
                await hand.emit(n)
                await ear.until(lambda e, n=n: n in e.outputs)  # type: ignore[misc]
            wire.heal()
            await hand.finish()
            await ear.end()
            assert ear.types == ["submitted", "started", *["emitted"] * 5, "completed"]
            assert wire.cuts > 0
    finally:
        await loop.run_in_executor(None, manager.__exit__, None, None, None)


async def test_a_project_without_the_migrations_or_the_schema_says_what_to_do(tmp_path: Path) -> None:
    empty = tmp_path / "supabase"
    (empty / "migrations").mkdir(parents=True)
    shutil.copy(SUPABASE_DIR / "config.toml", empty / "config.toml")
    hidden = project_config(api={"schemas": ["public"]})
    loop = asyncio.get_running_loop()
    for name, options, words in (
        ("bare", {"supabase_dir": empty}, "igrations"),
        ("hidden", {"config": hidden}, "exposed schemas"),
    ):
        manager = running_stack(tmp_path / name, **options)  # type: ignore[arg-type]
        stack = await loop.run_in_executor(None, manager.__enter__)
        try:
            async with ours(stack.url, stack.keys.secret_key) as hw:
                with pytest.raises((ConfigError, SchemaMismatch)) as refusal:
                    await hw.submit("test.any")
                speaks(refusal.value, words)
                with pytest.raises((ConfigError, SchemaMismatch)):
                    await anext(hw.watch(uuid.uuid4()))
        finally:
            await loop.run_in_executor(None, manager.__exit__, None, None, None)


def test_a_key_that_is_pasted_wrong_never_appears_in_an_error() -> None:
    with pytest.raises(ConfigError) as refusal:
        AsyncHeadway(url="http://a", key="sb_secret_0123456789 abc")
    assert "0123456789" not in json.dumps(str(refusal.value))
