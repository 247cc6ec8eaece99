"""The rows of the field report that an app meets through a watch; docs/watching.md has the table."""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import replace

import pytest

from headway.client import JobHandle
from headway.core.message import job_topic
from headway.errors import NotFound
from headway.local.realtime.limits import RealtimeLimits

from .harness import DEAF_TO_TIME, QUICK, QUICK_LINK, Ear, Hand, Shop

IMPATIENT_LINK = replace(
    QUICK_LINK, join_timeout=0.6, canary_interval=0.1, canary_timeout=0.3, connect_timeout=2
)


async def followed(shop: Shop, **options: object) -> tuple[Ear, Hand, JobHandle]:
    """A job that is being worked on, watched by Realtime alone unless said otherwise."""
    queue = await shop.kind()
    hw = await shop.headway(**{"policy": DEAF_TO_TIME, **options})
    job = await hw.submit(queue.kind)
    ear = Ear(job.watch())
    await ear.until(lambda e: "submitted" in e.types)
    hand = await queue.take()
    await ear.until(lambda e: "started" in e.types)
    return ear, hand, job


async def goes_on(ear: Ear, hand: Hand, *, already: int = 0) -> None:
    """The watch tells what happens now, and nothing twice."""
    await hand.emit("now")
    await ear.until(lambda e: "now" in e.outputs)
    await hand.finish()
    await ear.end()
    assert ear.seqs == list(range(1, 5 + already))


async def test_a_silent_server_is_noticed_and_read_around(shop: Shop) -> None:
    # Rows 2 and 27: no exception, no close, nothing.
    ear, hand, _ = await followed(shop, policy=QUICK, link_policy=IMPATIENT_LINK)
    shop.faults(silent=True)
    await hand.emit("while it is silent")
    await ear.until(lambda e: e.outputs == ["while it is silent"])
    shop.healthy()
    await goes_on(ear, hand, already=1)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_a_close_of_any_kind_is_caught_up_with(shop: Shop, code: int) -> None:
    # Row 3: a clean close ends the official client's reader for good.
    ear, hand, job = await followed(shop)
    shop.on_server(lambda: shop.realtime.close_sockets(code, topic=job_topic(job.id)))
    await goes_on(ear, hand)


async def test_unanswered_heartbeats_are_survived(shop: Shop) -> None:
    # Row 2 again: heartbeats that nobody answers.
    shop.faults(swallow_heartbeats=True)
    ear, hand, _ = await followed(shop)
    await goes_on(ear, hand)


async def test_reconnecting_never_gives_up(shop: Shop) -> None:
    # Row 4: the official client gives up after five tries, and after a refused join.
    ear, hand, job = await followed(shop)
    shop.faults(refuse_connections=503)
    shop.on_server(lambda: shop.realtime.drop_sockets(topic=job_topic(job.id)))
    link = ear.watch._connection.hearing.link
    assert link is not None
    before = link.state.reconnects
    async with asyncio.timeout(30):
        async for state in link.states():
            if state.status == "deaf" and state.reconnects > before:
                break
    shop.faults(refuse_joins="UnableToConnectToProject: later", refuse_connections=0)
    await shop.until(lambda: shop.sockets() > 0)
    shop.healthy()
    await goes_on(ear, hand)


async def test_nothing_between_joining_and_reading_is_missed(shop: Shop) -> None:
    # Row 11: SUBSCRIBED is not listening. Watches begin at every moment of a busy job.
    queue = await shop.kind()
    hw = await shop.headway(policy=DEAF_TO_TIME)
    job = await hw.submit(queue.kind)
    hand = await queue.take()
    ears = []
    for n in range(60):
        if n % 2 == 0:
            ears.append(Ear(hw.watch(job.id)))
        await hand.emit(n)
    await hand.finish()
    for ear in ears:
        await ear.end()
        first = ear.updates[0]
        assert first.snapshot is not None
        assert ear.seqs == list(range(first.seq + 1, 64))


async def test_missed_rows_are_caught_up_with(shop: Shop) -> None:
    # Rows 1, 12, 13, 14 and 16: what was never delivered is nowhere to be had but in the event table.
    ear, hand, job = await followed(shop)
    shop.faults(lose=1.0)
    await hand.emit(*range(40))
    shop.healthy()
    shop.on_server(lambda: shop.realtime.drop_sockets(topic=job_topic(job.id)))
    await ear.until(lambda e: len(e.outputs) == 40)
    await goes_on(ear, hand, already=40)


async def test_messages_late_doubled_and_mixed_up_are_told_in_order(shop: Shop) -> None:
    # Row 1.
    ear, hand, _ = await followed(shop)
    shop.faults(duplicate=0.7, reorder=0.7, seed=7)
    for n in range(60):
        await hand.emit(n)
    await ear.until(lambda e: len(e.outputs) == 60)
    assert ear.outputs == list(range(60))
    shop.healthy()
    await goes_on(ear, hand, already=60)


async def test_a_plan_that_is_exceeded_is_survived(shop: Shop) -> None:
    # Row 17: beyond the plan's rate, channels are closed and messages dropped.
    ear, hand, _ = await followed(shop, policy=QUICK)

    def limit(**limits: float) -> None:
        shop.on_server(lambda: setattr(shop.realtime, "limits", RealtimeLimits(**limits)))  # type: ignore[arg-type]

    limit(max_events_per_second=3, rate_window_s=0.5)
    try:
        for n in range(30):
            await hand.emit(n)
        await ear.until(lambda e: len(e.outputs) == 30)
    finally:
        limit()
    await goes_on(ear, hand, already=30)


async def test_whoever_loses_the_right_to_read_is_told(shop: Shop) -> None:
    # Row 24: Realtime remembers rights until the next token; the engine does not.
    queue = await shop.kind()
    person = await shop.person()
    user = (await person.auth.get_user()).user  # type: ignore[union-attr]
    org = await shop.engine.organization()
    await shop.engine.admin.execute(
        "insert into public.organization_members (organization_id, user_id, role) values ($1, $2, 'editor')",
        org,
        uuid.UUID(user.id),
    )
    hw = await shop.headway(person)
    job = await hw.submit(queue.kind, organization_id=org)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    await shop.engine.admin.execute("delete from public.organization_members where organization_id = $1", org)
    with pytest.raises(NotFound):
        await ear.end()


async def test_a_machine_that_has_slept_catches_up(shop: Shop) -> None:
    # Row 28.
    ear, hand, _ = await followed(shop)
    link = ear.watch._connection.hearing.link
    assert link is not None
    shop.faults(lose=1.0)
    await hand.emit("while it slept")
    shop.healthy()
    link._resumed(3600)
    await ear.until(lambda e: e.outputs == ["while it slept"])
    await goes_on(ear, hand, already=1)


async def test_neither_key_nor_token_is_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    # Row 9: the official client logs the key in the URL, and the join with its token.
    caplog.set_level(logging.DEBUG)
    person = await shop.person()
    hw = await shop.headway(person)
    token = await shop.token(person)
    caplog.clear()
    queue = await shop.kind()
    job = await hw.submit(queue.kind)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    await (await queue.take()).finish()
    await ear.end()
    await hw.close()
    ours = [record for record in caplog.records if not record.name.startswith(("headway.local", "uvicorn"))]
    said = "\n".join(f"{record.name} {record.getMessage()}" for record in ours)
    assert said
    assert token not in said
    assert token.split(".")[2] not in said
    assert shop.stack.keys.publishable_key not in said
