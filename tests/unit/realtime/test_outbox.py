"""What waits for one socket."""

from __future__ import annotations

import asyncio

import pytest

from headway.local.realtime.faults import RealtimeFaults
from headway.local.realtime.sockets.outbox import Outbox


class Line:
    """A connection that can be held up."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.overflows = 0
        self.faults = RealtimeFaults()
        self.outbox = Outbox(self.send, self.faults, 100, self.overflow)

    async def send(self, frame: str | bytes) -> None:
        await self.open.wait()
        self.sent.append(frame)

    def overflow(self) -> None:
        self.overflows += 1


async def test_frames_go_in_order() -> None:
    line = Line()
    for n in range(30):
        line.outbox.put(str(n))
    await line.outbox.flushed(5)
    assert line.sent == [str(n) for n in range(30)]
    assert line.outbox.waiting_bytes == 0


async def test_who_takes_nothing_is_given_up_once() -> None:
    line = Line()
    line.open.clear()
    for _ in range(30):
        line.outbox.put("x" * 10)
    assert line.overflows == 1
    assert line.outbox.closed
    assert line.outbox.waiting_bytes == 0
    line.open.set()
    line.outbox.put("more")
    await asyncio.sleep(0)
    assert line.sent == []


async def test_blocked_time_counts_only_while_something_waits() -> None:
    line = Line()
    assert line.outbox.blocked_for(1e9) == 0
    line.open.clear()
    line.outbox.put("x")
    await asyncio.sleep(0)
    assert line.outbox.blocked_for(1e12) > 1e9
    line.open.set()
    await line.outbox.flushed(5)
    assert line.outbox.blocked_for(1e12) == 0


async def test_a_lost_connection_ends_it_quietly() -> None:
    async def fail(frame: str | bytes) -> None:
        raise ConnectionError

    outbox = Outbox(fail, RealtimeFaults(), 100, lambda: None)
    outbox.put("x")
    await outbox.flushed(5)
    assert outbox.closed
    outbox.put("y")
    assert outbox.waiting_bytes <= 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"silent": True}, []),
        ({"lose": 1.0}, ["reply"]),
        ({"duplicate": 1.0}, ["m1", "m1", "reply", "m2", "m2"]),
        ({"reorder": 1.0}, ["reply", "m1", "m2"]),
        ({"lose": 1.0, "topic": "other"}, ["m1", "reply", "m2"]),
        ({"delay_ms": 1}, ["m1", "reply", "m2"]),
    ],
)
async def test_faults(fault: dict[str, object], expected: list[str]) -> None:
    line = Line()
    line.faults.set(fault)
    line.outbox.put("m1", message_of="realtime:x")
    line.outbox.put("reply")
    line.outbox.put("m2", message_of="realtime:x")
    async with asyncio.timeout(5):
        while len(line.sent) < len(expected):
            await asyncio.sleep(0.001)
    assert line.sent == expected
