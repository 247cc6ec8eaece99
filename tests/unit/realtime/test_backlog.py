"""Changes between the reader and the delivery."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from headway.local.realtime.changes.backlog import Backlog
from headway.local.realtime.wal.pgoutput import Begin, Relation, RowChange

RELATION = Relation(1, "public", "t", "d", ())


def change(size: int = 10) -> RowChange:
    return RowChange(RELATION, "INSERT", [], None, False, size, Begin(1, datetime.now(UTC)))


async def test_batches_keep_the_order_and_are_bounded() -> None:
    backlog = Backlog()
    changes = [change() for _ in range(450)]
    for one in changes:
        backlog.put(one)
    taken = []
    while len(taken) < len(changes):
        batch = await backlog.take()
        assert len(batch) <= 200
        taken += batch
    assert taken == changes
    assert len(backlog) == 0


async def test_it_is_full_by_rows_or_by_bytes() -> None:
    by_rows, by_bytes = Backlog(), Backlog()
    for _ in range(1_000):
        assert not by_rows.full()
        by_rows.put(change())
    assert by_rows.full()
    by_bytes.put(change(9 * 1024 * 1024))
    assert by_bytes.full()


async def test_the_reader_goes_on_when_half_is_gone() -> None:
    backlog = Backlog()
    for _ in range(1_000):
        backlog.put(change())
    waiting = asyncio.create_task(backlog.drained())
    await backlog.take()
    await asyncio.sleep(0)
    assert not waiting.done()
    while not waiting.done():
        await backlog.take()
        await asyncio.sleep(0)
    assert len(backlog) <= 500


async def test_take_waits_for_a_change() -> None:
    backlog = Backlog()
    taking = asyncio.create_task(backlog.take())
    await asyncio.sleep(0)
    assert not taking.done()
    backlog.put(one := change())
    assert await taking == [one]
