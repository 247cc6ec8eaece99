"""Housekeeping: dead workers' jobs, what is due, what is past its retention."""

from __future__ import annotations

import asyncio
import json

import pytest

from support.engine import Engine, Refused


async def test_a_job_whose_worker_died_is_tried_again_at_once_and_then_after_pauses(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "backoff_base_seconds": 100})
    user = await engine.user()
    answer = await user.submit("k.a")
    lease = await worker.claim_one()
    await worker.beat(lease, percent=60)
    assert (await engine.service.call("sweep"))["lost"] == 0
    await engine.expire(answer["id"])

    swept = await engine.service.call("sweep")

    job = await user.job(answer["id"])
    assert (swept["lost"], swept["promoted"]) == (1, 0)
    assert swept["next_run_at"] is None
    assert (job["status"], job["failures"], job["error_code"], float(job["percent"])) == (
        "pending",
        1,
        "lost",
        0,
    )
    assert job["run_at"] == job["updated_at"]
    (attempt,) = await user.fetch("select * from headway.attempts")
    assert (attempt["outcome"], attempt["error_code"]) == ("lost", "lost")
    event = (await user.events(job["id"]))[-1]
    assert (event["type"], event["data"]["failures"], event["data"]["code"]) == ("lost", 1, "lost")
    assert (await engine.service.call("sweep"))["lost"] == 0

    for shortest in (1, 3):
        await worker.claim_one()
        await engine.expire(answer["id"])
        swept = await engine.service.call("sweep")
        assert swept["run_seconds"] <= 10 * shortest
        job = await user.job(answer["id"])
        assert shortest <= (job["run_at"] - job["updated_at"]).total_seconds() <= 10 * shortest
        await engine.make_due(answer["id"])


async def test_jobs_that_are_lost_together_again_do_not_meet_again(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "max_attempts": 9})
    await engine.service.submit_many([{"kind": "k.a"}] * 40)
    for _ in range(2):
        assert len(await worker.claim(40)) == 40
        await engine.admin.execute("update headway.leases set expires_at = now() - interval '1 minute'")
        assert (await engine.service.call("sweep"))["lost"] == 40
    pauses = [
        row["pause"]
        for row in await engine.admin.fetch(
            "select extract(epoch from run_at - updated_at)::float8 as pause from headway.jobs"
        )
    ]
    assert all(1 <= pause <= 10 for pause in pauses)
    assert len({round(pause) for pause in pauses}) > 5


async def test_a_sweep_says_what_is_due_next_and_that_its_worker_is_still_there(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "retention_seconds": 100}, "k.b")
    swept = await engine.service.call("sweep", worker_id=worker.id)
    assert {name: swept[name] for name in swept if name.endswith("_seconds")} == {
        "lease_seconds": None,
        "run_seconds": None,
        "schedule_seconds": None,
        "delivery_seconds": None,
        "retention_seconds": None,
    }
    assert swept["ready"] is False
    schedule = json.dumps({"name": "s", "cron": "@hourly", "job": {"kind": "k.a"}})
    await engine.service.value("select headway.put_schedule($1::json)", schedule)
    await engine.service.submit("k.a", delay_seconds=50)
    await engine.service.submit("k.a")
    assert (await engine.service.call("sweep", worker_id=worker.id))["ready"] is True
    await worker.finish(await worker.claim_one(kinds=["k.a"]))
    await engine.service.submit("k.b")
    await worker.claim_one(kinds=["k.b"], lease_seconds=20)
    await engine.admin.execute("update headway.workers set last_seen_at = now() - interval '1 hour'")

    swept = await engine.service.call("sweep", worker_id=worker.id)

    assert swept["ready"] is False
    assert 15 < swept["lease_seconds"] <= 20
    assert 40 < swept["run_seconds"] <= 50
    assert 0 <= swept["schedule_seconds"] <= 3600
    assert 90 < swept["retention_seconds"] <= 100
    assert await engine.admin.fetchval(
        "select last_seen_at > now() - interval '1 minute' from headway.workers where id = $1", worker.id
    )
    await engine.service.call("stop_worker", worker_id=worker.id)
    with pytest.raises(Refused, match="HW002"):
        await engine.service.call("sweep", worker_id=worker.id)


async def test_a_poison_job_stops_crashing_workers_after_its_attempts(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "max_attempts": 3, "backoff_base_seconds": 0})
    answer = await engine.service.submit("k.a")
    for _ in range(3):
        await worker.claim_one()
        await engine.expire(answer["id"])
        await engine.service.call("sweep")
    job = await engine.service.job(answer["id"])
    assert (job["status"], job["error_code"], job["failures"]) == ("failed", "lost", 3)
    assert "memory" in job["error_hint"]
    assert (await engine.service.events(answer["id"]))[-1]["type"] == "failed"


async def test_an_attempt_past_its_timeout_is_taken_away_though_its_worker_beats(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "timeout_seconds": 60})
    answer = await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await engine.shift("leases", "deadline_at", answer["id"], -120)
    await engine.shift("leases", "expires_at", answer["id"], -60)
    await worker.beat(lease)
    assert (await engine.service.call("sweep"))["lost"] == 1
    assert (await engine.service.job(answer["id"]))["error_code"] == "timeout"


async def test_a_lost_job_that_was_to_be_cancelled_is_cancelled(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    await worker.claim_one()
    await user.call("cancel", job_id=answer["id"])
    await engine.expire(answer["id"])
    await engine.service.call("sweep")
    assert (await user.job(answer["id"]))["status"] == "cancelled"


async def test_what_was_lost_or_handed_back_does_not_queue_again(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit_many([{"kind": "k.a", "payload": n} for n in range(8)])
    first, second, third = await worker.claim(3)
    await engine.expire(first["job_id"])
    await engine.service.call("sweep")
    await worker.finish(second, "release")
    await worker.finish(third, "snooze", delay_seconds=0)
    claimed = [lease["payload"] for lease in await worker.claim(10)]
    assert claimed == [0, 1, 3, 4, 5, 6, 7, 2]


async def test_sweepers_side_by_side_take_each_lost_job_once(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit_many([{"kind": "k.a"}] * 60)
    await worker.claim(60)
    await engine.admin.execute("update headway.leases set expires_at = now() - interval '1 minute'")
    sweepers = [await engine.caller("service_role") for _ in range(4)]
    answers = await asyncio.gather(*(sweeper.call("sweep", max_jobs=25) for sweeper in sweepers))
    assert sum(answer["lost"] for answer in answers) == 60
    assert await engine.admin.fetchval("select count(*) from headway.attempts") == 60


async def test_a_sweep_promotes_what_is_due_and_tells_when_to_come_back(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    due = await engine.service.submit("k.a", 1, delay_seconds=50)
    later = await engine.service.submit("k.a", 2, delay_seconds=90)
    await engine.make_due(due["id"])
    await engine.forget_messages()

    swept = await engine.service.call("sweep")

    assert swept["promoted"] == 1
    assert swept["next_run_at"][:19] == later["run_at"][:19]
    assert [message["topic"] for message in await engine.messages()] == ["queue:default"]
    assert [lease["payload"] for lease in await worker.claim(5)] == [1]


async def test_jobs_past_their_retention_go_with_their_rows_and_list_their_files(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    shared = {"name": "cv", "bucket": "cvs", "path": f"{user.sub}/a.pdf"}
    await engine.admin.execute(
        "insert into storage.objects (bucket_id, name, owner_id) values ('cvs', $1, $2)",
        shared["path"],
        str(user.sub),
    )
    old = await user.submit("k.a", files=[shared])
    lease = await worker.claim_one()
    output = {"name": "out", "bucket": "results", "path": "o.json"}
    held = {key: lease[key] for key in ("job_id", "attempt", "lease_token")}
    assert await engine.service.call("add_files", **held, files=[output]) == 1
    assert await engine.service.call("add_files", **held, files=[output]) == 0
    await worker.finish(lease, result=1)
    young = await user.submit("k.a", files=[shared])
    assert (await engine.service.call("prune"))["jobs"] == 0
    await engine.shift("jobs", "delete_after", old["id"], -8 * 86400)

    pruned = await engine.service.call("prune")

    assert pruned == {"jobs": 1, "files": [{"bucket": "results", "path": "o.json"}]}
    assert await user.value("select count(*) from headway.jobs") == 1
    for table in ("job_events", "job_inputs", "attempts", "job_files"):
        owners = await engine.admin.fetch(f"select distinct job_id::text as id from headway.{table}")
        assert {row["id"] for row in owners} <= {young["id"]}, table
    assert (await engine.service.call("prune"))["files"] == pruned["files"], "until they are ticked off"
    assert await engine.service.call("files_removed", files=pruned["files"]) == 1
    assert await engine.service.call("files_removed", files=pruned["files"]) == 0

    await worker.finish(await worker.claim_one())
    await engine.shift("jobs", "delete_after", young["id"], -8 * 86400)
    assert (await engine.service.call("prune"))["files"] == [{"bucket": "cvs", "path": shared["path"]}]


async def test_files_that_storage_will_not_remove_come_again_later(engine: Engine) -> None:
    await engine.admin.execute(
        "insert into headway.file_removals (bucket, path) values ('cvs', 'a'), ('cvs', 'b')"
    )
    listed = (await engine.service.call("prune"))["files"]
    assert len(listed) == 2
    assert await engine.service.call("files_postponed", files=listed[:1], delay_seconds=60) == 1
    assert (await engine.service.call("prune"))["files"] == listed[1:]
    await engine.admin.execute("update headway.file_removals set due_at = now()")
    assert len((await engine.service.call("prune"))["files"]) == 2
    for delay in (0, None, 604801):
        with pytest.raises(Refused) as refusal:
            await engine.service.call("files_postponed", files=[], delay_seconds=delay)
        assert (refusal.value.code, refusal.value.field) == ("HW103", "delay_seconds")


async def test_prune_works_in_small_batches_and_never_takes_what_is_going_on(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit_many([{"kind": "k.a"}] * 9, batch={"name": "b"})
    for lease in await worker.claim(6):
        await worker.finish(lease)
    await worker.claim(1)
    await engine.admin.execute(
        "update headway.jobs set delete_after = now() - interval '1 s' where finished_at is not null"
    )
    assert [(await engine.service.call("prune", max_jobs=4))["jobs"] for _ in range(3)] == [4, 2, 0]
    assert await engine.admin.fetchval("select count(*) from headway.jobs") == 3


async def test_prune_keeps_within_its_time_whatever_plan_its_session_has_kept(engine: Engine) -> None:
    """Such as one that was made when there was nothing to remove."""
    session = await engine.connect("postgres")
    await engine.admin.execute("vacuum analyze headway_private.claim_requests")
    for _ in range(8):
        await session.fetchval("select headway.prune()")
    await engine.admin.execute(
        "insert into headway_private.claim_requests (request_id, worker_id, at)"
        " select gen_random_uuid(), gen_random_uuid(), now() - interval '2 hours'"
        " from generate_series(1, 30000)"
    )
    # As long as hosted Supabase lets a statement take.
    await session.execute("set statement_timeout = '8s'")
    await session.fetchval("select headway.prune()")
    left = "select count(*) from headway_private.claim_requests where at < now() - interval '1 hour'"
    assert await engine.admin.fetchval(left) == 0


async def test_a_job_deleted_by_hand_leaves_no_lease_behind(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await engine.admin.execute("delete from headway.jobs where id = $1", lease["job_id"])
    assert await engine.admin.fetchval("select count(*) from headway.leases") == 0
    assert (await worker.finish(lease))["state"] == "lost"


@pytest.mark.parametrize(("function", "most"), [("sweep", 10001), ("prune", 5001)])
async def test_senseless_sizes_are_refused(engine: Engine, function: str, most: int) -> None:
    for size in (0, most, None):
        with pytest.raises(Refused) as refusal:
            await engine.service.call(function, max_jobs=size)
        assert (refusal.value.code, refusal.value.field) == ("HW103", "max_jobs")
