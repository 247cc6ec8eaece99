"""Claiming: who gets what, in which order, within which limits."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest

from support.engine import Engine, Refused, Row


def owned_by(owners: list[str], *numbers: int, **fields: object) -> list[Row]:
    """Jobs for several owners, so many for each."""
    return [
        {"kind": "k.a", "owner_id": owner, **fields}
        for owner, number in zip(owners, numbers, strict=True)
        for _ in range(number)
    ]


async def test_a_claimed_job_is_processing_under_a_lease(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "timeout_seconds": 120})
    user = await engine.user()
    answer = await user.submit("k.a", {"n": 1}, tags=["t"])

    lease = await worker.claim_one(lease_seconds=40)

    job = await user.job(answer["id"])
    assert (job["status"], job["attempt"], job["seq"]) == ("processing", 1, 2)
    assert (lease["job_id"], lease["attempt"], lease["kind"], lease["payload"]) == (
        job["id"],
        1,
        "k.a",
        {"n": 1},
    )
    assert (lease["tags"], lease["tenant_id"], lease["steps"], lease["signals"]) == (["t"], user.sub, {}, {})
    assert 39 < (lease["lease_expires_at"] - job["started_at"]).total_seconds() <= 40
    assert 119 < (lease["deadline_at"] - job["started_at"]).total_seconds() <= 120
    assert [event["type"] for event in await user.events(job["id"])] == ["submitted", "started"]
    assert await worker.claim() == []


async def test_the_same_request_answers_the_same_leases_and_never_new_ones(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit_many([{"kind": "k.a"} for _ in range(6)])
    request = uuid.uuid4()

    first = await worker.claim(3, request_id=request)
    again = await worker.claim(3, request_id=request)
    assert again == first
    await worker.finish(first[0])
    assert await worker.claim(3, request_id=request) == first[1:]
    for lease in first[1:]:
        await worker.finish(lease)
    assert await worker.claim(3, request_id=request) == []
    assert len(await worker.claim(6)) == 3


async def test_an_idle_claim_writes_nothing(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    before = await engine.admin.fetchval("select pg_current_wal_insert_lsn()")
    async with worker.service.request() as connection:
        assert await connection.fetch("select * from headway.claim($1, $2)", worker.id, uuid.uuid4()) == []
        assert await connection.fetchval("select pg_current_xact_id_if_assigned()") is None
    assert before is not None


async def test_higher_priorities_go_first_and_the_rest_in_order(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit_many(
        [{"kind": "k.a", "payload": n, "priority": priority} for n, priority in enumerate([5, 1, 9, 5, 9, 0])]
    )
    assert [lease["payload"] for lease in await worker.claim(10)] == [2, 4, 0, 3, 1, 5]


async def test_only_the_kinds_and_queues_asked_for_are_claimed(engine: Engine) -> None:
    worker = await engine.worker("k.a", {"kind": "k.b", "queue": "slow"}, "k.c")
    await engine.service.submit_many([{"kind": kind} for kind in ("k.a", "k.b", "k.c")])
    await engine.service.submit("k.a", queue="slow")
    assert [lease["kind"] for lease in await worker.claim(9, kinds=["k.c"])] == ["k.c"]
    assert [lease["kind"] for lease in await worker.claim(9, queues=["default"])] == ["k.a"]
    assert sorted(lease["kind"] for lease in await worker.claim(9)) == ["k.a", "k.b"]
    await engine.worker({"kind": "k.d", "queue": "elsewhere"})
    await engine.service.submit("k.a", queue="elsewhere")
    assert [lease["queue"] for lease in await worker.claim(9)] == ["elsewhere"], "nothing waits unseen"
    await engine.service.submit_many([{"kind": "k.a"}, {"kind": "k.a", "queue": "slow"}])
    preferred = await worker.claim(9, queues=["slow", "default"])
    assert [lease["queue"] for lease in preferred] == ["slow", "default"]
    other = await engine.worker("k.z")
    await engine.service.submit("k.a")
    assert await other.claim(9) == []


async def test_tenants_take_turns(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    a, b, c = sorted(str(uuid.uuid4()) for _ in range(3))
    await engine.service.submit_many(owned_by([a, b, c], 6, 2, 4))
    order = [str(lease["tenant_id"]) for _ in range(12) for lease in await worker.claim(1)]
    assert order == [a, b, c, a, b, c, a, c, a, c, a, a]


async def test_a_claim_of_many_shares_them_out_and_goes_on_where_the_last_one_stopped(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    tenants = sorted(str(uuid.uuid4()) for _ in range(5))
    await engine.service.submit_many(owned_by(tenants, 20, 20, 20, 20, 20))
    served: Counter[str] = Counter()
    for size in (3, 7, 4, 13, 2, 11, 20):
        for lease in await worker.claim(size):
            served[str(lease["tenant_id"])] += 1
        assert max(served.values()) - min(served[tenant] for tenant in tenants) <= 2
    assert served.total() == 60


async def test_a_hundred_tenants_are_served_in_one_round_though_one_has_ten_thousand_waiting(
    engine: Engine,
) -> None:
    worker = await engine.worker({"kind": "k.a", "push": "watched"})
    tenants = [str(uuid.uuid4()) for _ in range(100)]
    await engine.service.submit_many(owned_by(tenants[:1], 10_000))
    await engine.service.submit_many(owned_by(tenants[1:], *[3] * 99))
    for round_number in range(3):
        leases = [lease for _ in range(10) for lease in await worker.claim(10)]
        served = Counter(str(lease["tenant_id"]) for lease in leases)
        assert served == Counter(tenants), f"round {round_number}"
    assert {str(lease["tenant_id"]) for lease in await worker.claim(50)} == {tenants[0]}


async def test_a_newcomer_is_served_within_one_round(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "push": "watched"})
    crowd = [str(uuid.uuid4()) for _ in range(20)]
    await engine.service.submit_many(owned_by(crowd, *[50] * 20))
    await worker.claim(33)
    newcomer = str(uuid.uuid4())
    await engine.service.submit("k.a", owner_id=newcomer)
    assert newcomer in {str(lease["tenant_id"]) for lease in await worker.claim(21)}


async def test_a_paused_queue_starts_nothing_and_a_draining_one_accepts_nothing(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    await engine.service.call("pause_queue", queue="default", reason="maintenance")
    assert await worker.claim() == []
    assert (await engine.service.submit("k.a"))["created"]

    await engine.service.call("drain_queue", queue="default")
    with pytest.raises(Refused) as refusal:
        await engine.service.submit("k.a")
    assert (refusal.value.code, refusal.value.field) == ("HW203", "queue")
    assert len(await worker.claim(10)) == 2

    await engine.service.call("resume_queue", queue="default")
    assert (await engine.service.submit("k.a"))["created"]


async def test_the_limits_of_queue_tenant_and_kind_hold_together(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "concurrency": 5, "tenant_concurrency": 2}, "k.b")
    await engine.service.call("limit_queue", queue="default", concurrency=8, tenant_concurrency=3)
    tenants = [str(uuid.uuid4()) for _ in range(4)]
    await engine.service.submit_many(owned_by(tenants, 9, 9, 9, 9))
    await engine.service.submit_many(
        [{"kind": "k.b", "owner_id": tenant} for tenant in tenants for _ in range(9)]
    )

    leases = await worker.claim(100)

    kinds = Counter(lease["kind"] for lease in leases)
    assert len(leases) == 8
    assert kinds["k.a"] <= 5
    assert max(Counter(lease["tenant_id"] for lease in leases).values()) <= 3
    assert (
        max(
            Counter(
                (lease["kind"], lease["tenant_id"]) for lease in leases if lease["kind"] == "k.a"
            ).values()
        )
        <= 2
    )
    assert await worker.claim(100) == []
    await worker.finish(leases[0])
    assert len(await worker.claim(100)) == 1


async def test_tenants_at_their_limit_do_not_hold_up_the_others(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "tenant_concurrency": 1})
    tenants = sorted(str(uuid.uuid4()) for _ in range(30))
    await engine.service.submit_many(owned_by(tenants, *[4] * 30))
    first = await worker.claim(25)
    assert len({lease["tenant_id"] for lease in first}) == 25
    rest = await worker.claim(25)
    assert {str(lease["tenant_id"]) for lease in [*first, *rest]} == set(tenants)
    assert len(rest) == 5


async def test_a_limit_of_one_kind_leaves_room_for_another(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "concurrency": 1}, "k.b")
    await engine.service.submit_many([{"kind": "k.a"}] * 5 + [{"kind": "k.b"}] * 5)
    assert Counter(lease["kind"] for lease in await worker.claim(4)) == {"k.a": 1, "k.b": 3}


async def test_a_job_that_somebody_is_changing_is_passed_over(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    first = await engine.service.submit("k.a", 1)
    await engine.service.submit("k.a", 2)
    async with engine.admin.transaction():
        await engine.admin.execute(
            "select from headway.jobs where id = $1 for update", uuid.UUID(first["id"])
        )
        assert [lease["payload"] for lease in await worker.claim(5)] == [2]
    assert [lease["payload"] for lease in await worker.claim(5)] == [1]


async def test_a_worker_that_is_unknown_or_stopped_claims_nothing(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    await engine.service.call("stop_worker", worker_id=worker.id)
    for claimant in (worker.id, uuid.uuid4()):
        with pytest.raises(Refused) as refusal:
            await worker.claim(worker_id=claimant)
        assert (refusal.value.code, refusal.value.field) == ("HW002", "worker_id")
    await worker.register()
    assert len(await worker.claim()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        ({"max_jobs": 0}, "HW103", "max_jobs"),
        ({"max_jobs": 1001}, "HW103", "max_jobs"),
        ({"lease_seconds": 4}, "HW103", "lease_seconds"),
        ({"lease_seconds": 3601}, "HW103", "lease_seconds"),
        ({"request_id": None}, "HW102", "request_id"),
        ({"worker_id": None}, "HW102", "worker_id"),
    ],
)
async def test_a_senseless_claim_is_refused(engine: Engine, arguments: Row, code: str, field: str) -> None:
    worker = await engine.worker("k.a")
    with pytest.raises(Refused) as refusal:
        await worker.claim(**arguments)
    assert (refusal.value.code, refusal.value.field) == (code, field)


async def test_a_claim_brings_steps_signals_files_and_budget_along(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "cost_budget": 2})
    user = await engine.user()
    await engine.admin.execute(
        "insert into storage.objects (bucket_id, name, owner_id) values ('cvs', $1, $2)",
        f"{user.sub}/a.pdf",
        str(user.sub),
    )
    file = {"name": "cv", "bucket": "cvs", "path": f"{user.sub}/a.pdf", "bytes": 12}
    answer = await user.submit("k.a", files=[file], cost_budget="0.5")
    lease = await worker.claim_one()
    held = {key: lease[key] for key in ("job_id", "attempt", "lease_token")}
    await engine.service.call("checkpoint", **held, step="one", result={"a": 1})
    await user.call("signal", job_id=answer["id"], name="answer", payload={"yes": True})
    await worker.finish(lease, "retry", delay_seconds=0)

    again = await worker.claim_one()

    assert again["steps"] == {"one": {"a": 1}}
    assert again["signals"] == {"answer": {"yes": True}}
    (claimed_file,) = again["files"]
    assert claimed_file == file | {"direction": "input", "content_type": None, "sha256": None}
    assert (float(again["cost_budget"]), float(again["cost_spent"]), again["failures"]) == (0.5, 0, 1)
