"""What is past its retention goes, rows and Storage objects, orphans too; what is in use stays."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from storage3 import AsyncStorageClient

from headway.link import RealtimeLink
from headway.worker.observations import Observations
from headway.worker.retention import Retention
from headway.worker.service import ServiceContext
from headway.worker.side_services import side_services
from support.service_life import stress_start_and_stop

from .harness import Bench, Told


@asynccontextmanager
async def retaining(bench: Bench, told: Told, **changes: Any) -> AsyncIterator[ServiceContext]:
    """A worker's retention at work."""
    context = bench.context(observations=Observations([told]), **changes)
    (retention,) = [service for service in side_services(context) if isinstance(service, Retention)]
    await retention.start()
    try:
        context.agenda.put("retention", 0)
        yield context
    finally:
        await retention.stop()


async def upload(bench: Bench, bucket: str, *names: str, owner: str | None = None) -> list[str]:
    """Objects in the folder of somebody new; their paths."""
    folder = owner or str(uuid.uuid4())
    paths = [f"{folder}/{name}" for name in names]
    for path in paths:
        await bench.storage.from_(bucket).upload(path, b"content", {"content-type": "text/plain"})
    return paths


async def stored(bench: Bench, bucket: str, paths: list[str]) -> set[str]:
    rows = await bench.admin.fetch(
        "select name from storage.objects where bucket_id = $1 and name = any($2)", bucket, paths
    )
    return {row["name"] for row in rows}


async def removals(bench: Bench, paths: list[str]) -> list[Any]:
    return list(await bench.admin.fetch("select * from headway.file_removals where path = any($1)", paths))


async def past_jobs(bench: Bench, paths: list[str], bucket: str = "job-files") -> list[str]:
    """A job past its retention for each object."""
    ids = []
    for path in paths:
        ids += await bench.end_jobs(files=[{"name": "f", "bucket": bucket, "path": path}])
    await bench.admin.execute(
        "update headway.jobs set delete_after = now() - interval '1 s' where id = any($1)",
        [uuid.UUID(job_id) for job_id in ids],
    )
    return ids


async def alive(bench: Bench, ids: list[str]) -> int:
    count = await bench.admin.fetchval(
        "select count(*) from headway.jobs where id = any($1)", [uuid.UUID(job_id) for job_id in ids]
    )
    return int(count)


async def test_old_jobs_go_with_their_objects(bench: Bench, told: Told) -> None:
    old, young = await upload(bench, "job-files", "a b.txt", "kept.txt")
    ids = await past_jobs(bench, [old])
    (kept,) = await bench.end_jobs(files=[{"name": "f", "bucket": "job-files", "path": young}])
    async with retaining(bench, told):
        await told.until(lambda: told.gone.get("files", 0) >= 1)
    assert await alive(bench, [*ids, kept]) == 1
    assert await stored(bench, "job-files", [old, young]) == {young}
    assert await removals(bench, [old, young]) == []
    with pytest.raises(Exception, match=r"(?i)not.?found"):
        await bench.storage.from_("job-files").download(old)
    assert await bench.storage.from_("job-files").download(young) == b"content"


async def test_objects_that_are_gone_already_are_ticked_off(bench: Bench, told: Told) -> None:
    there, gone = await upload(bench, "job-files", "there.txt", "gone.txt")
    await past_jobs(bench, [there, gone])
    await bench.storage.from_("job-files").remove([gone])
    await bench.admin.execute(
        "insert into headway.file_removals (bucket, path) values ('no-such-bucket', $1)", gone
    )
    async with retaining(bench, told):
        await told.until(lambda: told.gone.get("files", 0) >= 2)
    assert await removals(bench, [there, gone]) == []
    assert told.failures == []


async def test_one_name_that_storage_refuses_keeps_no_other_from_going(bench: Bench, told: Told) -> None:
    good = await upload(bench, "job-files", *(f"{n}.txt" for n in range(9)))
    bad = f"{uuid.uuid4()}/\x07bell"
    await bench.admin.executemany(
        "insert into headway.file_removals (bucket, path, due_at)"
        " values ('job-files', $1, now() - interval '1 day')",
        [(path,) for path in (*good[:4], bad, *good[4:])],
    )
    storage = _Refusing(bench.storage, bad)
    async with retaining(bench, told, storage=storage):
        await told.until(lambda: told.gone.get("files", 0) >= 9)
    assert await stored(bench, "job-files", good) == set()
    (left,) = await removals(bench, [*good, bad])
    assert left["path"] == bad
    wait = await bench.admin.fetchval("select due_at - now() from headway.file_removals where path = $1", bad)
    assert wait.total_seconds() > 3000, "it comes again later, behind everything else"
    await bench.admin.execute("delete from headway.file_removals where path = $1", bad)


class _Refusing:
    """Storage as it is, but for one name that it does not accept."""

    def __init__(self, storage: AsyncStorageClient, name: str) -> None:
        self._storage = storage
        self._name = name

    def from_(self, bucket: str) -> Any:
        real, name = self._storage.from_(bucket), self._name

        class Bucket:
            async def remove(self, paths: list[str]) -> Any:
                if name in paths:
                    request = httpx.Request("DELETE", "http://storage/object")
                    answer = httpx.Response(400, json={"message": "Invalid key"}, request=request)
                    raise httpx.HTTPStatusError("refused", request=request, response=answer)
                return await real.remove(paths)

        return Bucket()


async def test_while_storage_is_away_nothing_is_forgotten(bench: Bench, told: Told) -> None:
    paths = await upload(bench, "job-files", "a.txt")
    ids = await past_jobs(bench, paths)
    async with httpx.AsyncClient() as http:
        nowhere = AsyncStorageClient("http://127.0.0.1:1/storage/v1/", {}, http_client=http)
        async with retaining(bench, told, storage=nowhere):
            await told.until(lambda: ("retention", "connect_failed") in told.failures)
    assert await alive(bench, ids) == 0
    assert len(await removals(bench, paths)) == 1
    async with retaining(bench, told):
        await told.until(lambda: told.gone.get("files", 0) >= 1)
    assert await stored(bench, "job-files", paths) == set()


async def test_many_workers_remove_everything_once(bench: Bench, told: Told) -> None:
    paths = await upload(bench, "job-files", *(f"{n}.txt" for n in range(30)))
    ids = await past_jobs(bench, paths)
    async with retaining(bench, told), retaining(bench, told), retaining(bench, told):
        await told.until(lambda: told.gone.get("jobs", 0) >= 30)
        async with asyncio.timeout(30):
            while await stored(bench, "job-files", paths):
                await asyncio.sleep(0.05)
    assert await alive(bench, ids) == 0
    assert told.gone["jobs"] == 30
    assert told.failures == []


async def test_orphans_are_found_and_removed(bench: Bench, told: Told) -> None:
    orphan, fresh, used = await upload(bench, "cvs", "orphan.txt", "fresh.txt", "used.txt")
    await bench.end_jobs(files=[{"name": "f", "bucket": "cvs", "path": used}])
    platform = await asyncpg.connect(**bench.stack.database.connect_kwargs("supabase_admin"))
    try:
        # Without the trigger that says when an object was changed.
        await platform.execute("set session_replication_role = replica")
        await platform.execute(
            "update storage.objects"
            " set created_at = now() - interval '8 days', updated_at = now() - interval '8 days'"
            " where name = any($1)",
            [orphan, used],
        )
    finally:
        await platform.close()
    await bench.admin.execute("update headway.cleaned_buckets set next_scan_at = now()")
    async with retaining(bench, told):
        await told.until(lambda: told.gone.get("orphans", 0) >= 1 and told.gone.get("files", 0) >= 1)
    assert await stored(bench, "cvs", [orphan, fresh, used]) == {fresh, used}


async def test_what_becomes_old_bit_by_bit_goes_together(bench: Bench, told: Told) -> None:
    """A worker that stays asks once for all that becomes old within a minute or two, not once for each."""
    link = RealtimeLink(bench.stack.url, bench.stack.keys.secret_key)
    await past_jobs(bench, await upload(bench, "job-files", "a.txt"))
    async with retaining(bench, told, link=link) as context:
        await told.until(lambda: "messages" in told.gone)
        ids = await past_jobs(bench, await upload(bench, "job-files", "b.txt"))
        asked = len(bench.store.calls)
        context.agenda.put("retention", 0)
        await asyncio.sleep(0.2)
        assert (len(bench.store.calls), context.agenda.anything_due) == (asked, True)
    assert await alive(bench, ids) == 1


async def test_nothing_is_searched_while_a_worker_starts(bench: Bench, told: Told) -> None:
    """Orphans have time: a worker that was started a moment ago does nothing but what is due."""
    context = bench.context(observations=Observations([told]))
    (retention,) = [service for service in side_services(context) if isinstance(service, Retention)]
    await retention.start()
    await asyncio.sleep(0.1)
    await retention.stop()
    assert bench.store.calls == []


async def test_old_messages_go_too(bench: Bench, told: Told) -> None:
    endpoint = await bench.endpoint("https://hooks.example.com/")
    await bench.end_jobs()
    await bench.admin.execute(
        "update headway.outbox set status = 'dead', finished_at = now() - interval '31 days'"
        " where endpoint_id = $1",
        uuid.UUID(endpoint["id"]),
    )
    async with retaining(bench, told):
        await told.until(lambda: told.gone.get("messages", 0) >= 1)
    assert await bench.messages(endpoint) == []


async def test_life(bench: Bench) -> None:
    def build(settings: Mapping[str, Any] | None = None) -> Retention:
        context = bench.context(settings=settings)
        context.agenda.put("retention", 0)
        (retention,) = [service for service in side_services(context) if isinstance(service, Retention)]
        return retention

    await stress_start_and_stop(build)
