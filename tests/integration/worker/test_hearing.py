"""How a worker learns that there is something to do, and what it does when it does not hear."""

from __future__ import annotations

import asyncio
import uuid
from typing import Literal

import pytest

from headway import Context, Worker

from .harness import PATIENCE, Noted, Office


def _worker(office: Office) -> Worker:
    worker = Worker()

    @worker.job(office.kind(), queue=office.queue)
    async def handler(ctx: Context) -> str:
        return "done"

    return worker


async def _hears(noted: Noted) -> None:
    """Until every topic is heard on a proven link."""
    async with asyncio.timeout(PATIENCE):
        await noted.runtime.heard.wait()


async def _learns_of_one(office: Office, noted: Noted, how: str) -> None:
    """Submit until the worker learns of a job in a way: the sweep, or the last of another, may be faster."""
    async with asyncio.timeout(PATIENCE):
        noted.learnt.clear()
        while (office.kind(), how) not in noted.learnt:
            await office.completed(await office.submit(office.kind()))


@pytest.mark.parametrize("wake", ["broadcast", "changes"])
async def test_an_insert_wakes_the_worker(office: Office, wake: Literal["broadcast", "changes"]) -> None:
    async with office.running(_worker(office), wake=wake) as noted:
        await _hears(noted)
        await _learns_of_one(office, noted, wake)


async def test_ten_thousand_jobs_at_once_are_one_message(office: Office) -> None:
    worker = Worker()

    @worker.job(office.kind(), queue=office.queue, push="watched")
    async def handler(ctx: Context) -> None:
        pass

    async with office.running(worker, concurrency=100) as noted:
        await _hears(noted)
        jobs = [{"id": str(uuid.uuid4()), "kind": office.kind()} for _ in range(10_000)]
        await office.rpc("submit_many", {"jobs": jobs})
        await noted.until(lambda: len(noted.ends) == 10_000)
        topic = f"queue:{office.queue}"
        wakes = await office.admin.fetchval("select count(*) from realtime.messages where topic = $1", topic)
    assert wakes == 1
    assert {outcome for _, outcome, _ in noted.ends} == {"completed"}


async def test_a_worker_that_does_not_hear_polls_and_hears_again(office: Office) -> None:
    async with office.running(_worker(office)) as noted:
        await _hears(noted)
        office.faults(refuse_connections=503)
        try:
            office.cut_sockets(f"queue:{office.queue}")
            await noted.until(lambda: "deaf" in noted.links)
            await _learns_of_one(office, noted, "poll")
        finally:
            office.faults(refuse_connections=0)
        noted.links.clear()
        await _hears(noted)
        await _learns_of_one(office, noted, "broadcast")


async def test_messages_that_are_lost_on_the_way_are_made_up_for_by_the_sweep(office: Office) -> None:
    async with office.running(_worker(office)) as noted:
        await _hears(noted)
        office.faults(lose=1, topic="queue:")
        try:
            await _learns_of_one(office, noted, "sweep")
        finally:
            office.faults(lose=0, topic="")


async def test_delayed_jobs_start_when_they_are_due_and_other_queues_are_looked_into(office: Office) -> None:
    other = f"{office.queue}-other"
    async with office.running(_worker(office)) as noted:
        await _hears(noted)
        await office.register(office.kind("x"), queue=other)
        delayed = await office.submit(office.kind(), delay_seconds=1)
        elsewhere = await office.submit(office.kind(), queue=other)
        await office.completed(delayed)
        await office.completed(elsewhere)
    assert (office.kind(), "sweep") in noted.learnt
