"""Eight claimers at once: each job in one hand, limits never passed, not even for an instant."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter

from support.engine import Engine, Worker, held

OWN_DATABASE = True
CLAIMERS = 8


async def test_twenty_thousand_jobs_are_claimed_once_each_by_eight_claimers(engine: Engine) -> None:
    workers = [await engine.worker({"kind": "k.a", "push": "watched"}) for _ in range(CLAIMERS)]
    tenants = [str(uuid.uuid4()) for _ in range(50)]
    for _ in range(2):
        await engine.service.submit_many(
            [{"kind": "k.a", "owner_id": random.choice(tenants)} for _ in range(10_000)]
        )

    async def drain(worker: Worker) -> list[uuid.UUID]:
        mine: list[uuid.UUID] = []
        while True:
            rows = await worker.service.fetch(
                "select job_id from headway.claim($1, $2, null, null, 500)", worker.id, uuid.uuid4()
            )
            if not rows:
                return mine
            mine += [row["job_id"] for row in rows]

    hands = await asyncio.gather(*map(drain, workers))

    claimed = [job for hand in hands for job in hand]
    assert len(claimed) == len(set(claimed)) == 20_000
    assert await engine.admin.fetchval("select count(*) from headway.leases") == 20_000
    assert await engine.admin.fetchval(
        "select count(*) from headway.jobs where status = 'processing' and attempt = 1"
    ) == (20_000)


async def test_limits_are_never_passed_while_eight_workers_claim_and_finish(engine: Engine) -> None:
    """A trigger counts the leases inside every claim's own transaction, and a watcher from outside."""
    kinds = [
        {"kind": "k.a", "concurrency": 7, "tenant_concurrency": 3, "push": "watched"},
        {"kind": "k.b", "push": "watched"},
    ]
    workers = [await engine.worker(*kinds) for _ in range(CLAIMERS)]
    await engine.service.call("limit_queue", queue="default", concurrency=12, tenant_concurrency=4)
    tenants = [str(uuid.uuid4()) for _ in range(6)]
    await engine.service.submit_many(
        [
            {"kind": kind, "owner_id": tenant}
            for kind in ("k.a", "k.b")
            for tenant in tenants
            for _ in range(40)
        ]
    )
    watcher = await engine.connect("postgres")
    finished: list[uuid.UUID] = []
    most: Counter[str] = Counter()
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            row = await watcher.fetchrow(
                """
                select (select count(*) from headway.leases) as queue,
                  (select count(*) from headway.leases where kind = 'k.a') as kind,
                  (select max(n) from (select count(*) n from headway.leases group by tenant_id) t) as tenant,
                  (
                    select max(n)
                    from (select count(*) n from headway.leases where kind = 'k.a' group by tenant_id) t
                  ) as lane,
                  (select count(*) from headway.jobs where status = 'processing') as processing
                """
            )
            assert row is not None
            for name, value in row.items():
                most[name] = max(most[name], value or 0)

    async def work(worker: Worker) -> None:
        while len(finished) < 480:
            leases = await worker.claim(random.randint(1, 5))
            await asyncio.sleep(0)
            for lease in leases:
                assert (await worker.finish(lease))["state"] == "applied"
                finished.append(lease["job_id"])

    watching = asyncio.create_task(watch())
    await asyncio.gather(*map(work, workers))
    done.set()
    await watching

    assert len(finished) == len(set(finished)) == 480
    assert most["queue"] <= 12
    assert most["processing"] <= 12
    assert most["kind"] <= 7
    assert most["tenant"] <= 4
    assert most["lane"] <= 3
    assert most["queue"] >= 8, "the workers did run beside each other"


async def test_claimers_of_several_queues_and_limited_kinds_do_not_deadlock(engine: Engine) -> None:
    kinds = [
        {"kind": f"k.{name}", "queue": f"q-{name}", "concurrency": 50, "push": "watched"} for name in "abcd"
    ]
    workers = [await engine.worker(*random.sample(kinds, len(kinds))) for _ in range(CLAIMERS)]
    await engine.service.submit_many([{"kind": kind["kind"]} for kind in kinds for _ in range(60)])

    async def work(worker: Worker) -> int:
        count = 0
        queues = [f"q-{name}" for name in random.sample("abcd", 4)]
        while leases := await worker.claim(7, queues=queues):
            await worker.finish_all([held(lease) | {"outcome": "completed"} for lease in leases])
            count += len(leases)
        return count

    assert sum(await asyncio.gather(*map(work, workers))) == 240
