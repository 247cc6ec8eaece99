"""Watching lists and batches: whatever changes, jobs that appear later among it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from headway.errors import Denied, InvalidRequest

from .gate import gate_to
from .harness import DEAF_TO_TIME, QUICK, Ear, Shop


def told(ear: Ear, job_id: Any, status: str) -> bool:
    return any(u.job.id == job_id and u.job.status == status for u in ear.updates)


async def test_a_persons_jobs_are_followed_those_that_appear_later_too(shop: Shop) -> None:
    queue, other = await shop.kind(), await shop.kind()
    hw, stranger = await shop.headway(), await shop.headway()
    earlier = await hw.submit(queue.kind)
    ear = Ear(hw.watch_all())
    await ear.until(lambda e: told(e, earlier.id, "pending"))

    later = await hw.submit(queue.kind)
    foreign = await stranger.submit(other.kind)
    await ear.until(lambda e: told(e, later.id, "pending"))
    hand = await queue.take()
    await hand.progress(stage="read", percent=50)
    await ear.until(lambda e: any(u.job.stage == "read" and u.job.percent == 50 for u in e.updates))
    await hand.finish()
    await ear.until(lambda e: told(e, earlier.id, "completed"))

    appeared = [u.job.id for u in ear.updates if u.appeared]
    assert appeared == [earlier.id, later.id]
    assert [u.ended for u in ear.updates if u.job.id == earlier.id][-1] is True
    assert foreign.id not in {u.job.id for u in ear.updates}
    await ear.close()
    await shop.until(lambda: not any(topic.endswith(":jobs") for topic in shop.topics()))


async def test_projects_and_organizations_have_lists(shop: Shop) -> None:
    queue = await shop.kind()
    client, stranger = await shop.person(), await shop.headway()
    user = (await client.auth.get_user()).user  # type: ignore[union-attr]
    org = await shop.engine.organization()
    await shop.engine.admin.execute(
        "insert into public.organization_members (organization_id, user_id, role) values ($1, $2, 'editor')",
        org,
        uuid.UUID(user.id),
    )
    project = await shop.engine.project(organization=org)
    hw = await shop.headway(client)
    of_org, of_project = Ear(hw.watch_all(organization=org)), Ear(hw.watch_all(project=project))
    own = Ear(hw.watch_all())
    in_org = await hw.submit(queue.kind, organization_id=org)
    in_project = await hw.submit(queue.kind, organization_id=org, project_id=project)
    mine = await hw.submit(queue.kind)
    await of_org.until(lambda e: told(e, in_org.id, "pending") and told(e, in_project.id, "pending"))
    await of_project.until(lambda e: told(e, in_project.id, "pending"))
    await own.until(lambda e: told(e, mine.id, "pending"))
    assert {u.job.id for u in of_project.updates} == {in_project.id}
    assert {u.job.id for u in own.updates} == {mine.id}
    for ear in (of_org, of_project, own):
        await ear.close()
    with pytest.raises(Denied):
        await anext(stranger.watch_all(organization=org))
    with pytest.raises(InvalidRequest):
        await anext(hw.watch_all(organization=org, project=project))


async def test_active_jobs_alone_or_with_the_latest_ends(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    done = await hw.submit_many([{"kind": queue.kind} for _ in range(4)])
    for _ in range(4):
        await (await queue.take()).finish()
    running = await hw.submit(queue.kind)

    with_ends = Ear(hw.watch_all(recent=2))
    await with_ends.until(lambda e: told(e, running.id, "pending"))
    active = Ear(hw.watch_all(active_only=True))
    await active.until(lambda e: told(e, running.id, "pending"))
    await (await queue.take()).finish()
    await active.until(lambda e: told(e, running.id, "completed"))
    assert {u.job.id for u in active.updates} == {running.id}
    ended = {job.id for job in done.jobs} & {u.job.id for u in with_ends.updates if u.job.ended}
    assert len(ended) >= 2
    await active.close()
    await with_ends.close()


async def test_a_list_that_begins_with_nothing_reads_no_history(shop: Shop) -> None:
    queue = await shop.kind()
    client = await shop.person()
    async with gate_to(shop.stack.url) as gate:
        hw = await shop.headway(client)
        batch = await hw.submit_many([{"kind": queue.kind} for _ in range(510)], batch_name="past")
        assert await batch.cancel() == 510
        watching = await shop.headway(
            url=gate.url, key=shop.stack.keys.publishable_key, access_token=await shop.token(client)
        )
        ear = Ear(watching.watch_all(active_only=True))

        def later_readings() -> list[str]:
            return [path for path in gate.requests if "order=updated_at" in path]

        # Realtime does not pass this gate, so it reads again and again.
        await shop.until(lambda: len(later_readings()) >= 4)
        assert all("updated_at=gte." in path for path in later_readings())
        job = await hw.submit(queue.kind)
        await ear.until(lambda e: told(e, job.id, "pending"))
        await job.cancel()
        await ear.until(lambda e: told(e, job.id, "cancelled"))
        assert {update.job.id for update in ear.updates} == {job.id}
        await ear.close()


async def test_what_is_no_list_is_refused_by_name(shop: Shop) -> None:
    hw = await shop.headway()
    for wrong, field in (
        ({"user": "me"}, "user"),
        ({"organization": "acme"}, "organization"),
        ({"project": 7}, "project"),
        ({"recent": -1}, "recent"),
        ({"recent": 501}, "recent"),
    ):
        with pytest.raises(InvalidRequest, match=field) as refusal:
            hw.watch_all(**wrong)
        assert refusal.value.details == field
    me = await hw.connection.owner()
    assert me is not None
    queue = await shop.kind()
    job = await hw.submit(queue.kind)
    # An id may be text, in capitals too.
    async with hw.watch_all(user=me.upper()) as watch:
        assert (await anext(watch)).job.id == job.id


@pytest.mark.parametrize("realtime", [True, False], ids=["with realtime", "without"])
async def test_hundreds_at_once_are_all_told(shop: Shop, realtime: bool) -> None:
    if not realtime:
        shop.faults(refuse_connections=503)
    queue = await shop.kind()
    hw = await shop.headway()
    first = await hw.submit(queue.kind)
    ear = Ear(hw.watch_all())
    await ear.until(lambda e: bool(e.updates))

    batch = await hw.submit_many([{"kind": queue.kind} for _ in range(1200)])

    wanted = {job.id for job in batch.jobs} | {first.id}
    await ear.until(lambda e: wanted <= {u.job.id for u in e.updates})
    await hw.cancel(first.id)
    await ear.until(lambda e: told(e, first.id, "cancelled"))
    # Each state once, and never an older one after a newer.
    seen: dict[Any, tuple[int, int]] = {}
    for update in ear.updates:
        mark = (update.job.seq, update.job.revision)
        assert mark > seen.get(update.job.id, (0, 0))
        seen[update.job.id] = mark
    await ear.close()


async def test_what_a_list_has_missed_is_read(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    ear = Ear(hw.watch_all())
    first = await hw.submit(queue.kind)
    await ear.until(lambda e: told(e, first.id, "pending"))
    shop.faults(lose=1.0)
    second = await hw.submit(queue.kind)
    await first.cancel()
    await ear.until(lambda e: told(e, second.id, "pending") and told(e, first.id, "cancelled"))
    await ear.close()


async def test_lists_hold_the_lease_of_jobs_pushed_only_while_watched(shop: Shop) -> None:
    queue = await shop.kind(push="watched")
    hw = await shop.headway(policy=replace(DEAF_TO_TIME, lease=0.2))
    ear = Ear(hw.watch_all())
    first = await hw.submit(queue.kind)
    await ear.until(lambda e: told(e, first.id, "pending"))
    await (await queue.take()).finish()
    await ear.until(lambda e: told(e, first.id, "completed"))
    await ear.close()


async def test_a_batch_is_followed_to_its_end(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    batch = await hw.submit_many([{"kind": queue.kind} for _ in range(5)], batch_name="five")
    ear = Ear(batch.watch())
    await ear.until(lambda e: bool(e.updates))
    await (await queue.take()).finish()
    await ear.until(lambda e: e.updates[-1].completed == 1)
    await (await queue.take()).finish("failed", error={"code": "x", "message": "y"})
    await batch.cancel("enough")
    await ear.end()
    last = ear.updates[-1]
    assert (last.total, last.completed, last.failed, last.cancelled, last.open) == (5, 1, 1, 3, 0)
    assert last.finished_at is not None
    again = Ear(hw.batch(str(batch.id)).watch())
    await again.end()
    assert again.updates == [last.model_copy(update={"at": again.updates[0].at})]


async def test_a_batch_of_the_service_is_followed_too(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.service(policy=replace(QUICK, poll=0.1))
    batch = await hw.submit_many([{"kind": queue.kind} for _ in range(2)], batch_name="two")
    ear = Ear(batch.watch())
    await ear.until(lambda e: bool(e.updates))
    for _ in range(2):
        await (await queue.take()).finish()
    await ear.end()
    with pytest.raises(InvalidRequest) as refusal:
        await anext(hw.watch_all())
    assert refusal.value.details == "user"
