"""Watching one job: every step once and in order, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from headway.client import AsyncHeadway, JobHandle
from headway.core.feed import Update
from headway.core.message import job_topic
from headway.errors import InvalidRequest, NotFound, TransportError

from .harness import DEAF_TO_TIME, QUICK, Ear, Hand, Queue, Shop, within


async def submitted(shop: Shop, **options: Any) -> tuple[AsyncHeadway, JobHandle, Queue]:
    """A client, a job of it, and its queue."""
    queue = await shop.kind(**options.pop("kind", {}))
    hw = await shop.headway(**options)
    return hw, await hw.submit(queue.kind), queue


async def work(hand: Hand) -> None:
    """A job with stages, progress, metrics, partial output and a step."""
    await hand.progress(stage="read", percent=10, message="opening")
    await hand.emit({"slide": 1}, {"slide": 2})
    await hand.step("read", {"pages": 3})
    await hand.progress(percent=60, metrics={"pages": 3})
    await hand.progress(stage="write", percent=70)
    await hand.finish(result={"ok": True})


STORY = [
    "submitted",
    "started",
    "stage_started",
    "emitted",
    "emitted",
    "step_completed",
    "stage_started",
    "completed",
]


async def test_whoever_submits_is_told_the_whole_story(shop: Shop) -> None:
    _, job, queue = await submitted(shop)
    await work(await queue.take())

    ear = Ear(job.watch())
    await ear.end()

    assert ear.types == STORY
    assert ear.seqs == list(range(1, 9))
    assert ear.outputs == [{"slide": 1}, {"slide": 2}]
    last = ear.updates[-1]
    assert (last.status, last.percent, last.stage, last.ended) == ("completed", 100, "write", True)
    assert (last.metrics, last.output) == ({"pages": 3}, {"ok": True})


async def test_progress_comes_as_it_is_made_and_by_realtime_alone(shop: Shop) -> None:
    _, job, queue = await submitted(shop, policy=DEAF_TO_TIME)
    ear = Ear(job.watch())
    await ear.until(lambda e: e.types == ["submitted"])
    hand = await queue.take()
    for percent in (10, 20, 30):
        await hand.progress(percent=percent, message=f"{percent} of 100")
        await ear.until(lambda e, percent=percent: e.updates[-1].percent == percent)  # type: ignore[misc]
    assert ear.updates[-1].message == "30 of 100"
    assert ear.updates[-1].event is None
    await hand.finish(result=1)
    await ear.end()
    assert ear.types == ["submitted", "started", "completed"]


async def test_a_watch_begins_with_the_present_unless_told_otherwise(shop: Shop) -> None:
    hw, job, queue = await submitted(shop)
    hand = await queue.take()
    await hand.progress(stage="read", percent=10)

    ear = Ear(hw.job(job.id).watch())
    await ear.until(lambda e: bool(e.updates))
    first = ear.updates[0]
    assert first.snapshot is not None
    assert (first.event, first.seq, first.stage, first.percent) == (None, 3, "read", 10)
    await hand.emit("x")
    await hand.finish()
    await ear.end()
    assert ear.types == ["emitted", "completed"]


async def test_a_watch_goes_on_where_an_earlier_one_was_left(shop: Shop) -> None:
    _, job, queue = await submitted(shop)
    hand = await queue.take()
    await hand.progress(stage="read", percent=10)
    seen: list[Update] = []
    async for update in job.watch():
        seen.append(update)
        if update.event is not None and update.event.type == "started":
            break
    await hand.emit("a", "b")
    await hand.finish()

    other = await shop.headway(key=shop.stack.keys.secret_key)
    ear = Ear(other.watch(str(job.id), after_seq=seen[-1].seq))
    await ear.end()

    assert [u.event.seq for u in seen if u.event is not None] + ear.seqs == [1, 2, 3, 4, 5, 6]


async def test_what_has_ended_is_told_without_realtime(shop: Shop) -> None:
    hw, job, queue = await submitted(shop)
    await work(await queue.take())
    shop.faults(refuse_connections=503)

    ear = Ear(hw.watch(job.id))
    await ear.end()

    (only,) = ear.updates
    assert only.snapshot is not None
    assert (only.status, only.snapshot.result) == ("completed", {"ok": True})
    assert hw.connection.hearing.link is None


async def test_all_watches_of_a_client_share_one_socket(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway(policy=DEAF_TO_TIME)
    batch = await hw.submit_many([{"kind": queue.kind} for _ in range(20)])
    ears = [Ear(job.watch()) for job in batch.jobs for _ in range(2)]
    for ear in ears:
        await ear.until(lambda e: bool(e.updates))
    link = hw.connection.hearing.link
    assert link is not None
    assert link.state.connections == 1
    for _ in range(20):
        await (await queue.take()).finish()
    for ear in ears:
        await ear.end()
        assert ear.updates[-1].ended


async def leave_by_break(job: JobHandle) -> None:
    async for _ in job.watch():
        break


async def leave_by_raising(job: JobHandle) -> None:
    async def fail() -> None:
        async for _ in job.watch():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def leave_by_closing(job: JobHandle) -> None:
    async with job.watch() as watch:
        await anext(watch)


async def leave_by_cancelling(job: JobHandle) -> None:
    heard = asyncio.Event()

    async def listen() -> None:
        async for _ in job.watch():
            heard.set()

    task = asyncio.create_task(listen())
    await heard.wait()
    task.cancel()
    await asyncio.wait({task})


async def leave_by_forgetting(job: JobHandle) -> None:
    watch = job.watch()
    await anext(watch)
    del watch
    gc.collect()


@pytest.mark.parametrize(
    "leave",
    [leave_by_break, leave_by_raising, leave_by_closing, leave_by_cancelling, leave_by_forgetting],
    ids=lambda leave: leave.__name__,
)
async def test_leaving_early_releases_everything(shop: Shop, leave: Any) -> None:
    before = asyncio.all_tasks()
    hw, job, _ = await submitted(shop)

    await within(leave(job))

    await shop.left(job_topic(job.id))
    async with asyncio.timeout(10):
        while any(task.get_name() == "headway watch" for task in asyncio.all_tasks()):
            await asyncio.sleep(0)
    await hw.close()
    assert asyncio.all_tasks() == before


async def test_waiting_for_one_update_may_be_given_up_and_taken_up(shop: Shop) -> None:
    _, job, queue = await submitted(shop)
    watch = job.watch()
    types = []
    hand: Hand | None = None
    for _ in range(1000):
        try:
            update = await asyncio.wait_for(anext(watch), 0.01)
        except TimeoutError:
            if hand is None:
                hand = await queue.take()
                await hand.emit(*range(20))
                await hand.finish()
            continue
        except StopAsyncIteration:
            break
        if update.event is not None:
            types.append(update.event.type)
    assert types == ["submitted", "started", *["emitted"] * 20, "completed"]


async def test_a_slow_callback_does_not_hold_up_the_stream(shop: Shop) -> None:
    _, job, queue = await submitted(shop)
    told: list[Update] = []
    may_go_on = asyncio.Event()

    async def slow(update: Update) -> None:
        await may_go_on.wait()
        told.append(update)

    ear = Ear(job.watch(on_update=slow))
    await work(await queue.take())
    await ear.until(lambda e: bool(e.updates) and e.updates[-1].ended)
    assert told == []
    may_go_on.set()
    await ear.end()
    assert [u.event.type for u in told if u.event is not None] == STORY
    assert told[-1].ended


async def test_a_callback_that_raises_harms_nothing(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    _, job, queue = await submitted(shop)
    calls: list[str] = []

    def raising(update: Update) -> None:
        # On a thread, as it may block.
        assert threading.current_thread() is not threading.main_thread()
        calls.append(update.status)
        raise ZeroDivisionError("the app's own fault")

    await work(await queue.take())
    ear = Ear(job.watch(on_update=raising))
    await ear.end()
    assert ear.types == STORY
    assert calls[-1] == "completed"
    assert "on_update raised" in caplog.text


async def test_a_callback_that_never_returns_is_given_up(shop: Shop) -> None:
    _, job, queue = await submitted(shop, policy=replace(QUICK, callback_grace=0.05))

    async def stuck(update: Update) -> None:
        await asyncio.Event().wait()

    await work(await queue.take())
    ear = Ear(job.watch(on_update=stuck))
    await ear.end()
    assert ear.types == STORY


async def test_without_realtime_it_reads(shop: Shop) -> None:
    shop.faults(refuse_connections=503)
    _, job, queue = await submitted(shop)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    await work(await queue.take())
    await ear.end()
    assert ear.types == STORY


async def test_refused_joins_are_no_reason_to_be_silent(shop: Shop) -> None:
    shop.faults(refuse_joins="Unauthorized: You do not have permissions", topic="job:")
    _, job, queue = await submitted(shop)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    hand = await queue.take()
    await hand.emit("while it is refused")
    await ear.until(lambda e: e.outputs != [])
    shop.healthy()
    await shop.joined(job_topic(job.id))
    await hand.finish()
    await ear.end()
    assert ear.types == ["submitted", "started", "emitted", "completed"]


async def test_when_a_job_will_end_is_told_while_it_runs(shop: Shop) -> None:
    """Messages do not say it: the watch looks, once an attempt has begun and now and then, and tells."""
    queue = await shop.kind()
    learnt = "insert into headway.durations values ($1, '', 20, $2, 1, now())"
    await shop.engine.admin.execute(learnt, queue.kind, 600.0)
    hw = await shop.headway(policy=replace(DEAF_TO_TIME, estimate=1.5))
    job = await hw.submit(queue.kind)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    hand = await queue.take()
    await ear.until(lambda e: e.updates[-1].status == "processing" and e.updates[-1].eta is not None)
    assert 400 < ear.updates[-1].eta.seconds <= 600
    # What is learnt meanwhile is told, too, in whatever silence.
    await shop.engine.admin.execute("update headway.durations set seconds = 60 where kind = $1", queue.kind)
    await ear.until(lambda e: e.updates[-1].eta is not None and e.updates[-1].eta.seconds < 100)
    await hand.finish()
    await ear.end()
    assert ear.types == ["submitted", "started", "completed"]
    assert ear.updates[-1].eta is None


async def test_the_last_message_may_be_lost(shop: Shop) -> None:
    _, job, queue = await submitted(shop)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    await shop.joined(job_topic(job.id))
    shop.faults(lose=1.0)
    await work(await queue.take())
    await ear.end()
    assert ear.types == STORY


async def test_a_message_that_makes_no_sense_is_read_about(shop: Shop) -> None:
    _, job, queue = await submitted(shop, policy=DEAF_TO_TIME)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    await shop.joined(job_topic(job.id))
    hand = await queue.take()
    await ear.until(lambda e: "started" in e.types)
    for nonsense in ({"job_id": str(job.id)}, {"job_id": str(job.id), "seq": "x" * 100}, {}):
        await shop.engine.admin.execute(
            "select realtime.send($1::jsonb, 'job', $2, true)", json.dumps(nonsense), job_topic(job.id)
        )
    await hand.finish()
    await ear.end()
    assert ear.types == ["submitted", "started", "completed"]


async def test_more_events_than_a_message_holds(shop: Shop) -> None:
    _, job, queue = await submitted(shop)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    hand = await queue.take()
    large = ["x" * 20_000, "y" * 1000, "z" * 50_000]
    await hand.emit(*large)
    for start in range(0, 1200, 50):
        await hand.emit(*range(start, start + 50))
    await hand.finish()
    await ear.end()
    assert ear.outputs == [*large, *range(1200)]
    assert ear.seqs == list(range(1, 1207))


async def test_a_consumer_that_sleeps_misses_nothing(shop: Shop) -> None:
    _, job, queue = await submitted(shop, policy=replace(QUICK, waiting=5))
    watch = job.watch()
    await anext(watch)
    hand = await queue.take()
    for start in range(0, 700, 50):
        await hand.emit(*range(start, start + 50))
    await hand.finish()
    outputs = [update.output async for update in watch if update.event and update.event.type == "emitted"]
    assert outputs == list(range(700))


async def test_jobs_that_are_pushed_only_while_watched(shop: Shop) -> None:
    _, job, queue = await submitted(shop, kind={"push": "watched"}, policy=replace(DEAF_TO_TIME, lease=0.2))
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    topic = job_topic(job.id)

    async def expiry() -> Any:
        return await shop.engine.admin.fetchval(
            "select expires_at from headway_private.watches where topic = $1", topic
        )

    begun = await expiry()
    async with asyncio.timeout(10):
        while await expiry() == begun:
            await asyncio.sleep(0.01)
    hand = await queue.take()
    await hand.progress(percent=50)
    await ear.until(lambda e: e.updates[-1].percent == 50)
    await hand.finish()
    await ear.end()


async def test_a_retry_by_a_person_is_another_story(shop: Shop) -> None:
    hw, job, queue = await submitted(shop)
    await (await queue.take()).finish("failed", error={"code": "bad", "message": "broken"})
    first = Ear(job.watch())
    await first.end()
    following = Ear(hw.watch(job.id, after_seq=0, follow_retries=True))
    await following.until(lambda e: "failed" in e.types)
    assert (await job.retry()).run == 2
    await (await queue.take()).finish(result=2)
    await following.until(lambda e: "completed" in e.types)
    await following.close()
    assert following.types == ["submitted", "started", "failed", "retried", "started", "completed"]
    second = Ear(hw.watch(job.id, after_seq=first.updates[-1].seq))
    await second.end()
    assert second.types == ["retried", "started", "completed"]


async def test_nobody_watches_what_is_not_theirs(shop: Shop) -> None:
    _, job, _ = await submitted(shop)
    stranger = await shop.headway()
    with pytest.raises(NotFound):
        await anext(stranger.watch(job.id))
    with pytest.raises(InvalidRequest) as refusal:
        stranger.watch("not an id")
    assert refusal.value.details == "job_id"


async def test_a_seq_of_another_job_is_refused(shop: Shop) -> None:
    hw, job, _ = await submitted(shop)
    with pytest.raises(InvalidRequest) as refusal:
        await anext(hw.watch(job.id, after_seq=99))
    assert refusal.value.details == "after_seq"
    with pytest.raises(InvalidRequest):
        hw.watch(job.id, after_seq=-1)


async def test_a_job_that_is_removed_ends_its_watch(shop: Shop) -> None:
    _, job, _ = await submitted(shop)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    await shop.engine.admin.execute("delete from headway.jobs where id = $1", job.id)
    with pytest.raises(NotFound):
        await ear.end()


async def test_closing_the_client_ends_its_watches(shop: Shop) -> None:
    before = asyncio.all_tasks()
    hw, job, _ = await submitted(shop)
    ear = Ear(job.watch())
    await ear.until(lambda e: bool(e.updates))
    await hw.close()
    with pytest.raises(TransportError) as ended:
        await ear.end()
    assert ended.value.code == "client_closed"
    with pytest.raises(TransportError):
        await job.snapshot()
    await hw.close()
    assert asyncio.all_tasks() == before
