"""Beginning, ending, and what is left behind: nothing."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from realtime import AsyncRealtimeClient

from headway.link import RealtimeLink
from headway.link.channel import Channel
from support.stack import TestStack

from .harness import IMPATIENT, PATIENCE_S, QUICK, Ear, House, proven, room, state_of


@pytest.fixture
async def nothing_left(stack: TestStack) -> AsyncIterator[None]:
    """Fails the test when a task, a thread or a socket to the stack is left after it."""
    port = int(stack.url.rpartition(":")[2])

    def tasks() -> set[asyncio.Task[Any]]:
        return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    def sockets() -> int:
        gc.collect()
        return sum(isinstance(o, socket.socket) and _is_open_to(o, port) for o in gc.get_objects())

    former_tasks, former_threads, former_sockets = tasks(), set(threading.enumerate()), sockets()
    yield
    async with asyncio.timeout(10):
        while tasks() - former_tasks:
            await asyncio.sleep(0)
    assert sockets() <= former_sockets
    assert set(threading.enumerate()) <= former_threads


def _is_open_to(candidate: socket.socket, port: int) -> bool:
    try:
        return candidate.getpeername()[1:2] == (port,)
    except OSError:
        return False


@pytest.mark.usefixtures("nothing_left")
async def test_stopping_leaves_nothing(house: House) -> None:
    link = RealtimeLink(house.stack.url, house.stack.keys.secret_key, policy=QUICK)
    await link.start()
    await link.start()
    ears = [Ear(link.listen(room())) for _ in range(5)]
    for ear in ears:
        await ear.listening()
    await proven(link)
    await link.stop()
    for ear in ears:
        # Its consumer ends with the link.
        await asyncio.wait_for(asyncio.shield(ear._task), 10)
        await ear.close()
    await link.stop()
    assert (link.state.status, link.state.connections) == ("stopped", 0)
    await house.no_channels("room:")


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("moment", ["at once", "connecting", "joining", "silent", "replacing"])
async def test_stopping_at_any_moment_leaves_nothing(house: House, moment: str) -> None:
    policy = replace(QUICK, max_connection_age=0.2, overlap=30) if moment == "replacing" else QUICK
    if moment == "joining":
        house.faults(delay_ms=500)
    link = RealtimeLink(house.stack.url, house.stack.keys.secret_key, policy=policy)
    await link.start()
    ear = Ear(link.listen(room()))
    if moment == "connecting":
        await asyncio.sleep(0)
    elif moment == "joining":
        await state_of(link, lambda s: s.connections == 1)
    elif moment == "silent":
        await ear.listening()
        house.faults(silent=True)
    elif moment == "replacing":
        await state_of(link, lambda s: s.connections == 2)
    began = time.monotonic()
    await link.stop()
    assert time.monotonic() - began < 10
    await ear.close()
    house.healthy()


@pytest.mark.usefixtures("nothing_left")
async def test_a_server_that_accepts_and_says_nothing_costs_a_time_limit(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        async with house.link(replace(IMPATIENT, connect_timeout=0.2), url=url) as link:
            state = await state_of(link, lambda s: s.last_error is not None)
            assert "no answer to the handshake" in (state.last_error or "")
            assert state.status == "connecting"


@pytest.mark.usefixtures("nothing_left")
async def test_nobody_at_the_address_is_tried_again_and_again(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with house.link(url=f"http://127.0.0.1:{port}") as link:
        await state_of(link, lambda s: "ConnectionRefused" in (s.last_error or ""))
        listener = link.listen(room())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(listener)
        await listener.close()


@pytest.mark.usefixtures("nothing_left")
async def test_a_wrong_key_is_told(house: House) -> None:
    async with house.link(key="sb_secret_wrong_key_0123456789") as link:
        state = await state_of(link, lambda s: s.last_error is not None)
        assert "HTTP 401" in (state.last_error or "")


async def test_a_cancelled_consumer_releases_its_topic(house: House) -> None:
    topic = room()
    async with house.link() as link:

        async def consume() -> None:
            async with link.listen(topic) as listener:
                async for _ in listener:
                    heard.set()

        heard = asyncio.Event()
        consumer = asyncio.create_task(consume())
        await asyncio.wait_for(heard.wait(), 20)
        assert len(house.channels(topic)) == 1
        consumer.cancel()
        await asyncio.wait({consumer})
        await house.no_channels(topic)
        assert consumer.cancelled()


# The package asks in a deprecated way why its socket has gone; as an error, that would end its reader early.
@pytest.mark.filterwarnings("ignore:ConnectionClosed:DeprecationWarning")
async def test_what_cannot_be_sent_any_more_leaves_no_timer(house: House) -> None:
    topic = room()
    client = AsyncRealtimeClient(
        f"{house.stack.url}/realtime/v1", house.stack.keys.secret_key, auto_reconnect=False
    )
    await client.connect()
    channel = Channel(client, topic, private=True, purpose="canary", socket_lost=lambda _: None)
    try:
        assert await channel.join(PATIENCE_S) is None
        await channel.send("one", {"n": 1})
        house.drop(topic)
        await asyncio.wait_for(channel.ended, PATIENCE_S)
        await asyncio.gather(*channel.release(), return_exceptions=True)
        before = asyncio.all_tasks()
        await channel.send("two", {"n": 2})
        late = Channel(client, topic, private=True, purpose="canary", socket_lost=lambda _: None)
        refused = await late.join(PATIENCE_S)
        assert refused is not None
        assert refused.code == "ConnectionLost"
        assert asyncio.all_tasks() == before
    finally:
        channel.release()
        await client.close()


async def test_two_links_in_one_loop_do_not_know_each_other(house: House) -> None:
    topic = room()
    async with house.link() as first, house.link() as second:
        one, two = house.ear(first.listen(topic)), house.ear(second.listen(topic))
        await one.listening()
        await two.listening()
        await first.stop()
        await house.send(topic, 1)
        await two.until(lambda e: e.numbers == [1])
        assert one.numbers == []
        assert second.state.status == "proven"


async def test_listeners_made_before_the_start_are_served(house: House) -> None:
    link = RealtimeLink(house.stack.url, house.stack.keys.secret_key, policy=QUICK)
    ear = Ear(link.listen(room()))
    assert link.state.status == "connecting"
    await link.start()
    await ear.listening()
    await link.stop()
    await ear.close()


async def test_every_change_of_state_is_told(house: House) -> None:
    topic = room()
    async with house.link() as link:
        states: list[Any] = []

        async def watch() -> None:
            async for state in link.states():
                states.append(state)

        watching = asyncio.create_task(watch())
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await proven(link)
        house.drop(topic)
        await ear.listening(2)
        await proven(link)
        await link.stop()
        await asyncio.wait_for(watching, 10)
        statuses = [s.status for n, s in enumerate(states) if n == 0 or states[n - 1].status != s.status]
        assert statuses == ["connecting", "proven", "deaf", "proven", "stopped"]
        assert all(a.since <= b.since for a, b in itertools.pairwise(states))


async def test_no_key_and_no_token_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    tokens: list[str] = []

    async def token() -> str:
        tokens.append(house.token())
        return tokens[-1]

    # What the official clients log with everything switched on; the stack's own logs are another matter.
    names = ("realtime", "websockets.client", "headway.link")
    for name in names:
        caplog.set_level(logging.DEBUG, name)
    caplog.set_level(logging.DEBUG, "realtime._async.client")
    key = house.stack.keys.anon_key
    async with house.link(key=key, token=token) as link:
        await proven(link)
        await link.refresh_token()
        await state_of(link, lambda s: s.replacements == 1 or s.reconnects == 1)
    lines = [r.getMessage() + (r.exc_text or "") for r in caplog.records if r.name.startswith(names)]
    assert any("apikey=" in line for line in lines), "the URL was logged"
    for secret in (key, *tokens):
        assert not any(secret in line for line in lines)
