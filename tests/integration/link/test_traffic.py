"""Messages that are lost, doubled, mixed up, too many or too long; and consumers that are slow."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from headway.link import Gap, LinkPolicy, Listening, Message

from .harness import QUICK, House, proven, room


async def test_lost_doubled_and_mixed_up_messages_are_passed_on_as_they_come(house: House) -> None:
    """Nobody can know of these but by the sequence in the messages: the link claims nothing."""
    topic = room()
    async with house.link() as link:
        ear, control = house.ear(link.listen(topic)), room()
        other = house.ear(link.listen(control))
        await ear.listening()
        await other.listening()
        house.faults(lose=0.3, duplicate=0.3, reorder=0.3, topic=topic, seed=7)
        await house.send(topic, *range(100))
        house.faults(lose=0.0, duplicate=0.0, reorder=0.0)
        await house.send(topic, 100)
        await ear.until(lambda e: 100 in e.numbers)
        heard = ear.numbers
        assert 40 < len(set(heard)) < 100, "some are lost"
        assert len(heard) > len(set(heard)), "some are doubled"
        assert heard != sorted(heard), "some are mixed up"
        assert (ear.story, other.story) == ("Lm", "L")
        assert link.state.reconnects == 0


async def test_a_third_of_lost_canaries_is_no_deafness(house: House) -> None:
    house.faults(lose=0.3, topic="canary", seed=7)
    policy = replace(QUICK, canary_interval=0.03, canary_timeout=0.3, canary_attempts=8)
    async with house.link(policy) as link:
        ear = house.ear(link.listen(room()))
        await ear.listening()
        for _ in range(10):
            await proven(link, after=link.state.last_proof or 0)
        assert (link.state.reconnects, ear.story) == (0, "L")


async def test_a_slow_consumer_gets_its_own_gap_and_nobody_elses(house: House) -> None:
    topic = room()
    async with house.link() as link:
        slow = link.listen(topic, queue_size=8)
        quick = house.ear(link.listen(topic))
        await quick.listening()
        assert await anext(slow) == Listening()
        await house.send(topic, *range(50))
        await quick.until(lambda e: e.numbers == list(range(50)))
        events = [await anext(slow) for _ in range(2)]
        assert isinstance(events[0], Gap)
        assert "slow" in events[0].reason
        assert events[1] == Listening()
        assert slow.overflows > 0
        assert quick.story == "Lm"
        # From Listening on there is no hole.
        rest = [e for e in [await anext(slow) for _ in range(len(slow._mailbox))] if isinstance(e, Message)]
        assert [e.payload["n"] for e in rest] == list(range(50 - len(rest), 50))
        await house.send(topic, 50)
        message = await anext(slow)
        assert isinstance(message, Message)
        assert message.payload["n"] == 50
        await slow.close()


async def test_frames_of_megabytes_are_heard(house: House) -> None:
    topic = room()
    assert LinkPolicy().max_frame_bytes == QUICK.max_frame_bytes
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await house.send(topic, 1, text="x" * 2_500_000)
        await ear.until(lambda e: e.numbers == [1])
        assert len(ear.all(Message)[0].payload["text"]) == 2_500_000
        assert link.state.reconnects == 0


async def test_a_frame_beyond_the_limit_is_a_gap_that_says_so(house: House) -> None:
    topic = room()
    async with house.link(replace(QUICK, max_frame_bytes=50_000)) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await house.send(topic, 1, text="x" * 100_000)
        await ear.listening(2)
        (gap,) = ear.all(Gap)
        assert "LinkPolicy.max_frame_bytes" in (link.state.last_error or "")
        assert "LinkPolicy.max_frame_bytes" in gap.reason
        await house.send(topic, 2)
        await ear.until(lambda e: e.numbers == [2])
        assert ear.story == "LGLm"


async def test_a_channel_closed_for_too_many_messages_is_joined_again(house: House) -> None:
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await proven(link)
        house.limits(max_events_per_second=3, rate_window_s=0.5)
        await house.send(topic, *range(30))
        await ear.until(lambda e: "G" in e.story)
        house.limits()
        await ear.until(lambda e: e.story.endswith("GL"))
        await house.send(topic, 99)
        await ear.until(lambda e: 99 in e.numbers)


async def test_the_loop_is_never_held_up(house: House) -> None:
    """A burst of a thousand messages leaves the loop to others."""
    topic = room()
    async with house.link() as link:
        ear = house.ear(link.listen(topic, queue_size=2000))
        await ear.listening()
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        await house.database.execute(
            "select realtime.send(jsonb_build_object('n', n), 'counted', $1, true)"
            " from generate_series(0, 999) n",
            topic,
        )
        await ear.until(lambda e: len(e.numbers) == 1000)
        turning.cancel()
        await asyncio.wait({turning})
        assert ear.numbers == list(range(1000))
        assert turns > 10
