"""Waiting for what a job answers, and being told what it died of."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from headway.client import outcome
from headway.client.reading import read_result
from headway.errors import Conflict, Denied, JobCancelled, JobFailed, NotFound, SchemaMismatch, TimedOut

from .gate import Answer, gate_to
from .harness import DEAF_TO_TIME, Shop, within


class Profile(BaseModel):
    name: str
    skills: list[str] = []


LARGE = {"name": "Ada", "skills": [f"skill {n}" for n in range(30_000)]}


@pytest.mark.parametrize("answer", [{"name": "Ada"}, LARGE, None, [1], "x"], ids=lambda a: str(a)[:12])
async def test_a_result_of_any_size_is_waited_for_or_found(shop: Shop, answer: Any) -> None:
    queue = await shop.kind(result_limit=2_000_000)
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    waiting = asyncio.create_task(job.result(timeout=30))
    await shop.joined(f"job:{job.id}")

    await (await queue.take()).finish(result=answer)

    assert await waiting == answer
    assert await hw.result(job.id) == answer
    if isinstance(answer, dict):
        profile = await hw.job(job.id).result(into=Profile)
        assert profile.name == "Ada"
        assert await hw.result(str(job.id), into=dict[str, Any]) == answer


async def test_an_end_that_is_told_before_others_can_read_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Postgres shows it: a commit is in the log, which Realtime reads, before other sessions see it."""
    asked = 0

    async def read(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked <= 2:
            raise NotFound("there is no result", code="HW301")
        return await read_result(*arguments)

    monkeypatch.setattr(outcome, "read_result", read)
    queue = await shop.kind(result_limit=2_000_000)
    hw = await shop.headway(policy=DEAF_TO_TIME)
    job = await hw.submit(queue.kind)
    waiting = asyncio.create_task(job.result(timeout=30))
    await shop.joined(f"job:{job.id}")
    await (await queue.take()).finish(result=LARGE)
    assert await waiting == LARGE
    assert asked >= 3


async def test_a_result_of_another_type_is_refused_without_being_shown(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    await (await queue.take()).finish(result={"name": ["secret"]})
    with pytest.raises(SchemaMismatch) as mismatch:
        await job.result(into=Profile)
    assert mismatch.value.details == "name"
    assert "secret" not in str(mismatch.value)


async def test_a_failure_is_raised_with_what_the_job_died_of(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    error = {"code": "cv_unreadable", "message": "the file is no CV", "hint": "Send a PDF.", "step": "read"}
    await (await queue.take()).finish("failed", error=error)
    for handle in (job, hw.job(job.id)):
        with pytest.raises(JobFailed) as failed:
            await handle.result(timeout=10)
        assert (failed.value.message, failed.value.hint) == ("the file is no CV", "Send a PDF.")
        assert failed.value.code == "cv_unreadable"
        assert failed.value.snapshot.error.step == "read"
        assert failed.value.snapshot.attempts[0].outcome == "failed"


async def test_a_result_can_be_looked_for_without_waiting(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    for none in (0, -1):
        with pytest.raises(TimedOut, match="it is pending") as late:
            await job.result(timeout=none)
        assert late.value.code == "result_timeout"
    await (await queue.take()).finish(result={"name": "Ada"})
    assert (await job.result(timeout=0, into=Profile)).name == "Ada"
    failing = await hw.submit(queue.kind)
    await (await queue.take()).finish("failed", error={"code": "c", "message": "m"})
    with pytest.raises(JobFailed):
        await failing.result(timeout=0)


async def test_a_wait_that_has_heard_nothing_claims_nothing(shop: Shop) -> None:
    queue = await shop.kind()
    client = await shop.person()
    job = await (await shop.headway(client)).submit(queue.kind)
    async with gate_to(shop.stack.url) as gate:
        gate.always = Answer(hang=True)
        deaf = await shop.headway(
            url=gate.url, key=shop.stack.keys.publishable_key, access_token=await shop.token(client)
        )
        with pytest.raises(TimedOut, match="nothing was heard of the job"):
            await deaf.result(job.id, timeout=0.2)


async def test_a_bill_of_many_pages_is_exact(shop: Shop) -> None:
    """Calls that were recorded at one moment, beyond one page: each of them once."""
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    await shop.engine.admin.execute(
        """
        insert into headway.usage (
          id, job_id, kind, attempt, tenant_id, owner_id, provider, unit, state, cost, day, at
        )
        select gen_random_uuid(), j.id, j.kind, 1, j.tenant_id, j.owner_id, 'p', 'call', 'recorded', 0.01,
          current_date, j.created_at
        from headway.jobs j, generate_series(1, 1203)
        where j.id = $1
        """,
        job.id,
    )
    calls = await job.usage()
    assert len({call.id for call in calls}) == len(calls) == 1203
    assert sum(call.cost for call in calls) == Decimal("12.03")


async def test_a_cancelled_job_says_so(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    waiting = asyncio.create_task(job.result())
    await shop.joined(f"job:{job.id}")
    answer = await job.cancel("not needed")
    assert (answer.status, answer.changed) == ("cancelled", True)
    with pytest.raises(JobCancelled, match="not needed") as cancelled:
        await waiting
    assert cancelled.value.snapshot.status == "cancelled"
    with pytest.raises(JobCancelled, match="not needed"):
        await hw.job(job.id).result()
    assert (await job.cancel()).changed is False


async def test_waiting_has_a_limit_and_the_job_has_not(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    with pytest.raises(TimedOut) as late:
        await job.result(timeout=0.2)
    assert late.value.code == "result_timeout"
    assert late.value.hint
    await shop.left(f"job:{job.id}")
    await (await queue.take()).finish(result=1)
    assert await within(job.result()) == 1


async def test_a_waiter_is_told_of_the_progress(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    seen: list[str] = []
    waiting = asyncio.create_task(job.result(on_update=lambda update: seen.append(update.status)))
    await shop.joined(f"job:{job.id}")
    await (await queue.take()).finish()
    await waiting
    assert seen[-1] == "completed"


async def test_a_retry_answers_anew(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    await (await queue.take()).finish("failed", error={"code": "x", "message": "y"})
    with pytest.raises(JobFailed):
        await job.result()
    retried = await job.retry()
    assert (retried.status, retried.run, retried.changed) == ("pending", 2, True)
    await (await queue.take()).finish(result="second")
    assert await job.result() == "second"
    with pytest.raises(Conflict):
        await job.retry(from_step="no such step")


async def test_signals_are_delivered_once(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    job = await hw.submit(queue.kind)
    assert (await job.signal("answer", Profile(name="Ada"))).state == "stored"
    assert (await job.signal("answer", 2)).state == "repeated"
    assert (await queue.take()).lease["signals"]["answer"] == {"name": "Ada", "skills": []}


async def test_everything_about_a_job_can_be_read_whole(shop: Shop) -> None:
    queue = await shop.kind()
    hw, stranger = await shop.headway(), await shop.headway()
    job = await hw.submit(queue.kind)
    hand = await queue.take()
    for n in range(520):
        await hand.step(f"step {n}", {"n": n, "text": "x" * 20 if n else "x" * 20_000})
    await hand.emit({"level": "INFO", "message": "hello"}, name="log")
    call = {"call_id": "6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b", "provider": "openai", "unit": "token"}
    await queue.worker.service.call(
        "record_usage",
        **{key: hand.lease[key] for key in ("job_id", "attempt", "lease_token")},
        **call,
        cost=Decimal("0.000000000001"),
        quantity=Decimal(7),
    )
    await hand.finish(result=1)

    steps = await job.steps()
    assert [step.name for step in steps] == [f"step {n}" for n in range(520)]
    assert len(steps[0].result["text"]) == 20_000
    assert [event.seq for event in await job.timeline()] == list(range(1, 525))
    assert [event.type for event in await job.timeline(522)] == ["emitted", "completed"]
    (line,) = await job.logs()
    assert (line.level, line.message, line.attempt) == ("INFO", "hello", 1)
    (paid,) = await job.usage()
    assert (paid.cost, paid.quantity, paid.provider) == (Decimal("0.000000000001"), Decimal(7), "openai")
    assert await job.files() == ()
    for ask in (stranger.steps, stranger.usage, stranger.files, stranger.timeline, stranger.get):
        with pytest.raises(NotFound):
            await ask(job.id)


async def test_a_reader_of_the_organization_may_look_and_not_touch(shop: Shop) -> None:
    import uuid

    queue = await shop.kind()
    editor, viewer = await shop.person(), await shop.person()
    org = await shop.engine.organization()
    for person, role in ((editor, "editor"), (viewer, "viewer")):
        user = (await person.auth.get_user()).user  # type: ignore[union-attr]
        await shop.engine.admin.execute(
            "insert into public.organization_members (organization_id, user_id, role) values ($1, $2, $3)",
            org,
            uuid.UUID(user.id),
            role,
        )
    job = await (await shop.headway(editor)).submit(queue.kind, organization_id=org)
    looking = await shop.headway(viewer)
    assert (await looking.get(job.id)).id == job.id
    with pytest.raises(Denied) as refusal:
        await looking.cancel(job.id)
    assert refusal.value.hint
