"""Connections are replaced before they end by themselves, without a hole, and never for another person."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace

import pytest

from headway.link import Gap, Message, RealtimeLink

from .harness import QUICK, Ear, House, proven, room, state_of

# A listener's queue holds 256, and more would be a gap: whoever sends waits for whoever hears.
AHEAD = 100


async def send_until(house: House, topic: str, link: RealtimeLink, ear: Ear, replacements: int) -> int:
    """Send without a pause until the link has been replaced so often; how many."""
    count = 0

    def keeps_up(listener: Ear) -> bool:
        last = listener.events[-1]
        return count < AHEAD or (isinstance(last, Message) and last.payload["n"] >= count - AHEAD)

    async with asyncio.timeout(60):
        while link.state.replacements < replacements:
            await house.send(topic, *range(count, count + 10))
            count += 10
            await ear.until(keeps_up)
    await house.send(topic, count)
    return count + 1


async def test_a_planned_replacement_loses_nothing_under_continuous_sends(house: House) -> None:
    topic = room()
    async with house.link(replace(QUICK, max_connection_age=0.4)) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        sent = await send_until(house, topic, link, ear, 4)
        await ear.until(lambda e: sent - 1 in e.numbers)
        assert sorted(set(ear.numbers)) == list(range(sent)), "no hole; duplicates are allowed"
        assert ear.story == "Lm"
        assert link.state.reconnects == 0


async def test_a_late_server_loses_nothing_either(house: House) -> None:
    """What is under way on the old connection is waited for."""
    topic = room()
    house.faults(delay_ms=60)
    async with house.link(replace(QUICK, max_connection_age=0.6)) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        sent = await send_until(house, topic, link, ear, 2)
        await ear.until(lambda e: sent - 1 in e.numbers)
        assert sorted(set(ear.numbers)) == list(range(sent))
        assert ear.story == "Lm"


async def test_connections_are_replaced_well_inside_their_tokens_life(house: House) -> None:
    subject, tokens = str(uuid.uuid4()), []

    async def token() -> str:
        tokens.append(house.token(subject, lasts_s=3))
        return tokens[-1]

    topic = f"user:{subject}:jobs"
    async with house.link(key=house.stack.keys.publishable_key, token=token) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        sent = await send_until(house, topic, link, ear, 2)
        await ear.until(lambda e: sent - 1 in e.numbers)
        assert sorted(set(ear.numbers)) == list(range(sent))
        assert ear.story == "Lm"
        assert len(tokens) == 3, "a fresh token for every connection"


async def test_a_token_that_expires_all_the_same_is_one_gap_and_a_fresh_token(house: House) -> None:
    subject, tokens = str(uuid.uuid4()), []

    async def token() -> str:
        tokens.append(house.token(subject, lasts_s=2.5))
        return tokens[-1]

    topic = f"user:{subject}:jobs"
    async with house.link(key=house.stack.keys.publishable_key, token=token) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        house.faults(refuse_connections=503)
        await ear.until(lambda e: bool(e.all(Gap)))
        assert "Token has expired" in ear.all(Gap)[0].reason
        house.faults(refuse_connections=0)
        await ear.listening(2)
        (channel,) = await house.only_channels(topic, 1)
        assert channel.token in tokens[1:]
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert ear.story == "LGLm"
        assert link.state.reconnects == 1


async def test_a_new_token_of_the_same_person_is_used_at_once_without_a_hole(house: House) -> None:
    subject, tokens = str(uuid.uuid4()), []

    async def token() -> str:
        tokens.append(house.token(subject))
        return tokens[-1]

    topic = f"user:{subject}:jobs"
    async with house.link(key=house.stack.keys.publishable_key, token=token) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await link.refresh_token()
        await state_of(link, lambda s: s.replacements == 1 and s.connections == 1)
        (channel,) = await house.only_channels(topic, 1)
        assert channel.token == tokens[-1] != tokens[0]
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert ear.story == "Lm"


async def test_another_person_hears_nothing_of_the_former_one(house: House) -> None:
    people = [str(uuid.uuid4()), str(uuid.uuid4())]
    now = 0

    async def token() -> str:
        return house.token(people[now])

    async with house.link(key=house.stack.keys.publishable_key, token=token) as link:
        former = house.ear(link.listen(f"user:{people[0]}:jobs"))
        latter = house.ear(link.listen(f"user:{people[1]}:jobs"))
        await former.listening()
        now = 1
        await link.refresh_token()
        await latter.listening()
        await former.until(lambda e: e.story.endswith("R"))
        assert former.story.startswith("LG")
        assert "identity changed" in former.all(Gap)[0].reason
        (channel,) = await house.only_channels("user:", 1)
        assert channel.identity.subject == people[1]
        await house.send(f"user:{people[0]}:jobs", 1)
        await house.send(f"user:{people[1]}:jobs", 2)
        await latter.until(lambda e: e.numbers == [2])
        assert former.numbers == []


async def test_a_token_function_that_fails_or_hangs_is_asked_again(house: House) -> None:
    subject, calls = str(uuid.uuid4()), 0

    async def token() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("the session is gone: sb_secret_notforlogs")
        if calls == 2:
            await asyncio.Event().wait()
        return house.token(subject)

    policy = replace(QUICK, token_timeout=0.2)
    async with house.link(policy, key=house.stack.keys.publishable_key, token=token) as link:
        state = await state_of(link, lambda s: s.last_error is not None)
        assert "RuntimeError: the session is gone" in (state.last_error or "")
        assert "notforlogs" not in (state.last_error or "")
        await proven(link)
        assert calls == 3


async def test_a_successor_that_does_not_come_about_leaves_the_old_one_in_service(house: House) -> None:
    topic = room()
    async with house.link(replace(QUICK, max_connection_age=0.3)) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        house.faults(refuse_connections=503)
        await state_of(link, lambda s: "HTTP 503" in (s.last_error or ""))
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert link.state.status == "proven"
        house.faults(refuse_connections=0)
        await state_of(link, lambda s: s.replacements >= 1)
        await house.send(topic, 2)
        await ear.until(lambda e: set(e.numbers) == {1, 2})
        assert ear.story == "Lm"
        assert link.state.reconnects == 0


async def test_a_topic_that_is_refused_to_the_successor_is_told(house: House) -> None:
    """Membership may have ended: a connection's rights are those of its beginning."""
    topic, other = room(), room()
    async with house.link(replace(QUICK, max_connection_age=0.5)) as link:
        ear, control = house.ear(link.listen(topic)), house.ear(link.listen(other))
        await ear.listening()
        await control.listening()
        house.faults(refuse_joins="Unauthorized: You do not have permissions", topic=topic)
        await ear.until(lambda e: "G" in e.story)
        assert ear.story.replace("RR", "R").startswith("LR"), "told before the old connection is let go"
        house.faults(refuse_joins="")
        await ear.listening(2)
        await house.send(topic, 1)
        await ear.until(lambda e: 1 in e.numbers)
        assert (control.story, link.state.reconnects) == ("L", 0)


async def test_a_fault_of_the_supervisor_is_survived(house: House, caplog: pytest.LogCaptureFixture) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        lane = link._lanes[0]

        async def broken(old: object) -> None:
            del lane._hand_over  # type: ignore[method-assign]
            raise LookupError("as a fault of ours would")

        lane._hand_over = broken  # type: ignore[method-assign, assignment]
        await link.refresh_token()
        await ear.listening(2)
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert (ear.story, link.state.connections) == ("LGLm", 1)
        assert "begins anew" in caplog.text


async def test_a_successor_that_is_never_answered_is_given_up(house: House) -> None:
    topic = room()
    policy = replace(QUICK, max_connection_age=0.3, handover_timeout=0.3, join_timeout=10)
    async with house.link(policy) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        before = len(house.channels(topic))
        house.faults(refuse_joins="QueryCanceled: too slow", topic="canary")
        await state_of(link, lambda s: "canary" in (s.last_error or "") or "in time" in (s.last_error or ""))
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert (before, ear.story) == (1, "Lm")
        house.faults(refuse_joins="")
        await state_of(link, lambda s: s.replacements >= 1)


@pytest.mark.parametrize("part", ["old", "new"])
async def test_a_cut_in_the_middle_of_a_replacement_is_survived(house: House, part: str) -> None:
    topic = room()
    # The overlap is so long that both are there when the cut comes.
    async with house.link(replace(QUICK, max_connection_age=0.5, overlap=20)) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        async with asyncio.timeout(30):
            while len(house.channels(topic)) < 2:
                await proven(link, after=link.state.last_proof or 0)
        lane = link._lanes[0]
        await asyncio.gather(*(c.settled() for c in lane.connections))
        old, new = house.channels(topic)
        chosen = old if part == "old" else new
        house.on_server(chosen.socket.cut)
        began = time.monotonic()
        await state_of(link, lambda s: s.connections == 1)
        assert time.monotonic() - began < 15, "it does not wait for the overlap"
        # The old one has heard everything all the time: of the new one's end nobody need know.
        if part == "old":
            await ear.listening(2)
        await house.send(topic, 1)
        await ear.until(lambda e: 1 in e.numbers)
        assert ear.story == ("LGLm" if part == "old" else "Lm")
