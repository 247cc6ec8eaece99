"""Every way in which a connection ends or goes deaf is noticed, told as one gap, and made good."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from realtime import RealtimeSubscribeStates

from headway.link import Gap, Listening, Message, RealtimeLink
from support.stack import running_stack

from .harness import IMPATIENT, PATIENCE_S, QUICK, Ear, House, proven, room, state_of


async def heard_again(house: House, topic: str, ear: Ear, *, story: str) -> Gap:
    """After one gap the server listens again and messages come; the gap."""
    await ear.listening(2)
    await house.send(topic, 7)
    await ear.until(lambda e: e.numbers[-1:] == [7])
    assert ear.story == story
    gap = ear.all(Gap)[-1]
    assert isinstance(gap, Gap)
    return gap


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4000])
async def test_a_close_of_any_kind_is_one_gap(house: House, code: int) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await proven(link)
        house.on_server(lambda: house.realtime.close_sockets(code, "because", topic=topic))
        gap = await heard_again(house, topic, ear, story="LGLm")
        assert str(code) in gap.reason
        state = await proven(link)
        assert (state.reconnects, state.connections) == (1, 1)
        assert str(code) in (state.last_error or "")


async def test_a_cut_is_one_gap(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        house.drop(topic)
        await heard_again(house, topic, ear, story="LGLm")


async def test_a_silent_server_is_noticed_and_replaced_when_it_speaks_again(house: House) -> None:
    topic = room()
    async with house.link(IMPATIENT) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await proven(link)
        house.faults(silent=True)
        deaf = await state_of(link, lambda s: s.status == "deaf")
        assert "canary" in (deaf.last_error or "")
        # New sockets are accepted and as silent: nobody is fooled by that.
        again = await state_of(link, lambda s: s.reconnects >= 2)
        assert again.status == "deaf"
        house.faults(silent=False)
        await heard_again(house, topic, ear, story="LGLm")
        await proven(link)


async def test_messages_that_stop_coming_are_noticed_although_joins_are_answered(house: House) -> None:
    topic = room()
    async with house.link(IMPATIENT) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await proven(link)
        house.faults(lose=1.0)
        await state_of(link, lambda s: s.status == "deaf")
        house.faults(lose=0.0)
        await proven(link)
        await ear.until(lambda e: e.story.endswith("GL"))
        await house.send(topic, 7)
        await ear.until(lambda e: e.numbers == [7])


async def test_unanswered_heartbeats_alone_are_no_reason_to_reconnect(house: House) -> None:
    house.faults(swallow_heartbeats=True)
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        for _ in range(3):
            await proven(link, after=link.state.last_proof or 0)
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert (link.state.reconnects, ear.story) == (0, "Lm")


async def test_a_restart_of_realtime_is_one_gap(house: House) -> None:
    topic = room()

    async def restart() -> None:
        del house.stack.stack._mounted["realtime"]
        await house.realtime.stop()
        await house.realtime.start()
        house.stack.stack._mounted["realtime"] = house.realtime.app

    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await proven(link)
        await asyncio.to_thread(house.on_server, restart)
        await heard_again(house, topic, ear, story="LGLm")


async def test_a_restart_of_everything_on_the_same_port(tmp_path: Path) -> None:
    link: RealtimeLink | None = None
    loop = asyncio.get_running_loop()

    @contextlib.asynccontextmanager
    async def up(port: int) -> Any:
        manager = running_stack(tmp_path / "stack", api_port=port)
        stack = await loop.run_in_executor(None, manager.__enter__)
        try:
            yield stack
        finally:
            await loop.run_in_executor(None, manager.__exit__, None, None, None)

    topic = room()
    async with up(0) as stack:
        port = int(stack.url.rpartition(":")[2])
        link = RealtimeLink(stack.url, stack.keys.secret_key, policy=QUICK)
        await link.start()
        ear = Ear(link.listen(topic))
        await ear.listening()
        await proven(link)
    down = await state_of(link, lambda s: s.status == "deaf")
    assert down.connections == 0
    async with up(port) as stack:
        await ear.listening(2)
        await asyncio.to_thread(stack.run, _send(stack, topic))
        await ear.until(lambda e: e.numbers == [7])
        assert ear.story == "LGLm"
        await ear.close()
        await link.stop()


async def _send(stack: Any, topic: str) -> None:
    connection = await stack.database.connect("postgres")
    await connection.execute("""select realtime.send('{"n": 7}', 'counted', $1, true)""", topic)
    await connection.close()


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_refused_handshakes_are_told_and_tried_again(house: House, status: int) -> None:
    topic = room()
    house.faults(refuse_connections=status)
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        state = await state_of(link, lambda s: s.last_error is not None)
        assert state.status == "connecting"
        assert f"HTTP {status}" in (state.last_error or "")
        house.faults(refuse_connections=0)
        await ear.listening()
        assert ear.story == "L"


async def test_the_end_of_a_channel_with_an_error_and_a_close_is_one_gap(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear, other = house.ear(link.listen(topic)), house.ear(link.listen(room()))
        await ear.listening()
        await other.listening()
        (channel,) = house.channels(topic)
        house.on_server(lambda: channel.shut_down("Too many messages per second"))
        gap = await heard_again(house, topic, ear, story="LGLm")
        assert "Too many messages" in gap.reason
        # The package's own rejoin would have collided with ours by now: it comes after a second.
        before = link.state.last_proof or 0
        async with asyncio.timeout(20):
            while (link.state.last_proof or 0) < before + 1.2:
                await proven(link, after=link.state.last_proof or 0)
        assert ear.story == "LGLm"
        assert (link.state.reconnects, other.story) == (0, "L")


async def test_a_late_close_of_an_earlier_channel_is_survived(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        (channel,) = house.channels(topic)
        # The server thinks that it goes on; the package drops the channel, comparing no refs.
        house.on_server(lambda: channel.push("phx_close", {}))
        await heard_again(house, topic, ear, story="LGLm")
        assert len(house.channels(topic)) == 1
        assert link.state.reconnects == 0


async def test_a_crashed_channel_is_joined_again(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        (channel,) = house.channels(topic)
        house.on_server(lambda: channel.push("phx_error", {"reason": "channel_crash"}))
        gap = await heard_again(house, topic, ear, story="LGLm")
        assert "ChannelCrashed" in gap.reason
        assert link.state.reconnects == 0


async def test_a_false_alarm_of_a_timed_out_join_is_ignored(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        (connection,) = link._lanes[0].connections
        for channel in connection._channels:
            channel._channel._notify_subscribe_state(RealtimeSubscribeStates.TIMED_OUT, None)
        await proven(link, after=link.state.last_proof or 0)
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert (ear.story, link.state.reconnects) == ("Lm", 0)


async def test_a_reader_that_dies_is_replaced(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        (connection,) = link._lanes[0].connections

        def explode(frame: Any) -> None:
            raise RuntimeError("as a careless callback would")

        (channel,) = (c for c in connection._channels if c._full_topic == f"realtime:{topic}")
        channel._channel.on_broadcast("*", explode)
        await house.send(topic, 1)
        await ear.until(lambda e: e.story == "LmGL")
        assert "reader died" in ear.all(Gap)[0].reason


async def test_a_frame_that_the_package_cannot_read_harms_nobody(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        (channel,) = house.channels(topic)
        for payload in ([1], "text", None, {"event": 5, "payload": {}}, {"event": "a", "payload": [1]}):
            house.on_server(lambda payload=payload: channel.push("broadcast", payload))
        house.on_server(lambda: channel.push("no such event", {}))
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert (ear.story, link.state.reconnects) == ("Lm", 0)


async def test_between_listening_and_gap_there_is_never_a_hole(house: House) -> None:
    """Whatever is done to it, a consumer that reads a snapshot at each Listening misses nothing."""
    topic, chance = room(), random.Random(11)
    started = 0
    last: int | None = None

    async with house.link(replace(QUICK, stable_after=0.01)) as link, link.listen(topic) as listener:
        covered, holes, story = 0, list[str](), ""
        caught_up = asyncio.Event()

        async def consume() -> None:
            nonlocal covered, story
            hears = False
            async for event in listener:
                if isinstance(event, Listening):
                    # The snapshot; what is being committed now may or may not be in it, and comes anyway.
                    hears, covered, story = True, max(covered, started), story + "L"
                elif isinstance(event, Gap):
                    hears, story = False, story + "G"
                elif isinstance(event, Message) and hears:
                    number = event.payload["n"]
                    if number > covered + 1:
                        holes.append(f"{number} after {covered}")
                    covered = max(covered, number)
                if last is not None and covered >= last:
                    caught_up.set()

        consumer = asyncio.create_task(consume())
        await state_of(link, lambda s: s.status == "proven")

        def harm() -> Any:
            channels = house.channels(topic)
            what = chance.choice(["cut", "close", "end", "stale close", "crash"])
            if what == "close":
                code = chance.choice([1000, 1001, 1011, 1012])
                return lambda: house.realtime.close_sockets(code, topic=topic)
            if what == "cut" or not channels:
                return lambda: house.realtime.drop_sockets(topic=topic)
            if what == "end":
                return lambda: channels[0].shut_down("Too many messages per second")
            if what == "stale close":
                return lambda: channels[0].push("phx_close", {})
            return lambda: channels[0].push("phx_error", {})

        # How often it is heard again meanwhile depends on the machine; what counts is that it was lost often.
        while started < 399 or story.count("G") < 5:
            started += 1
            await house.send(topic, started)
            if chance.random() < 0.06:
                await asyncio.to_thread(house.on_server, harm())
        last = started = started + 1
        async with asyncio.timeout(PATIENCE_S):
            while not caught_up.is_set():
                if link.state.status == "proven" and house.channels(topic):
                    await house.send(topic, last)
                await proven(link, after=link.state.last_proof or 0)
        consumer.cancel()
        await asyncio.wait({consumer})
        assert holes == []
        assert "GG" not in story


async def test_waking_up_after_sleep_suspects_every_connection(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await proven(link)
        link._resumed(3600)
        gap = await heard_again(house, topic, ear, story="LGLm")
        assert "slept for 3600 s" in gap.reason
