"""Workers register what they run."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest

from support.engine import Engine, Refused, Row, Worker

WHOLE: Row = {
    "kind": "cv.parse",
    "queue": "documents",
    "description": "A CV becomes a profile",
    "submitters": "users",
    "priority": 7,
    "max_priority": 8,
    "max_attempts": 3,
    "timeout_seconds": 60,
    "backoff_base_seconds": 1.5,
    "backoff_max_seconds": 90,
    "stages": ["read", {"name": "parse", "label": "Reading between the lines", "weight": 2.5}],
    "retention_seconds": 86400,
    "concurrency": 10,
    "tenant_concurrency": 2,
    "cost_budget": "0.25",
    "push": "watched",
    "payload_limit": 1000,
    "result_limit": 2000,
}


async def test_a_kind_is_known_with_all_it_says(engine: Engine) -> None:
    worker = await engine.worker(WHOLE)
    (kind,) = await engine.service.fetch("select * from headway.kinds")
    for field in set(WHOLE) - {"stages", "retention_seconds", "cost_budget", "backoff_base_seconds"}:
        assert kind[field] == WHOLE[field], field
    assert (float(kind["cost_budget"]), float(kind["backoff_base_seconds"])) == (0.25, 1.5)
    assert kind["retention"] == timedelta(days=1)
    assert kind["stages"] == [
        {"name": "read", "label": "read", "weight": 1},
        {"name": "parse", "label": "Reading between the lines", "weight": 2.5},
    ]
    (row,) = await engine.service.fetch("select * from headway.workers")
    assert (row["id"], row["kinds"], row["queues"]) == (worker.id, ["cv.parse"], ["documents"])
    assert [queue["queue"] for queue in await engine.service.fetch("select queue from headway.queues")] == [
        "documents"
    ]


async def test_registering_again_changes_the_kind_and_makes_no_second_worker(engine: Engine) -> None:
    worker = await engine.worker(WHOLE)
    worker.kinds = [{"kind": "cv.parse"}, {"kind": "k.b", "queue": "b"}]
    await worker.register()
    assert await engine.admin.fetchval("select count(*) from headway.workers") == 1
    kind = await engine.admin.fetchrow("select * from headway.kinds where kind = 'cv.parse'")
    assert kind is not None
    assert (kind["queue"], kind["priority"], kind["max_attempts"], kind["push"]) == (
        "default",
        5,
        5,
        "always",
    )


async def test_workers_that_start_together_do_not_deadlock(engine: Engine) -> None:
    names = [f"k.n{number}" for number in range(20)]
    workers = [
        Worker(await engine.caller("service_role"), *(names if even else reversed(names)))
        for even in (True, False) * 4
    ]
    for _ in range(3):
        await asyncio.gather(*(worker.register() for worker in workers))
    assert await engine.admin.fetchval("select count(*) from headway.kinds") == 20


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"kind": "CV Parse"}, "HW100", "kinds[0].kind"),
        ({"kind": None}, "HW102", "kinds[0].kind"),
        ({"queue": "Q"}, "HW100", "kinds[0].queue"),
        ({"priority": 10}, "HW103", "kinds[0].priority"),
        ({"max_priority": 6}, "HW103", "kinds[0].max_priority"),
        ({"max_attempts": 0}, "HW103", "kinds[0].max_attempts"),
        ({"timeout_seconds": 0}, "HW103", "kinds[0].timeout_seconds"),
        ({"stages": [{"weight": 1}]}, "HW102", "kinds[0].stages[0].name"),
        ({"stages": [3]}, "HW100", "kinds[0].stages[0]"),
        ({"stages": "read"}, "HW100", "kinds[0].stages"),
        ({"push": "never"}, "HW100", "kinds[0].push"),
        ({"tenant_concurrency": 0}, "HW103", "kinds[0].tenant_concurrency"),
        ({"submitters": "everybody"}, "HW100", "kinds[0].submitters"),
        ({"retries": 3}, "HW101", "kinds[0].retries"),
        ({"description": "a\0"}, "HW105", "kinds[0].description"),
    ],
)
async def test_malformed_kinds_are_refused(engine: Engine, change: Row, code: str, field: str) -> None:
    with pytest.raises(Refused) as refusal:
        await engine.worker(WHOLE | change)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert await engine.admin.fetchval("select count(*) from headway.workers") == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"worker_id": None}, "worker_id"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"slots": -1}, "slots"),
        ({"version": "v" * 101}, "version"),
        ({"kinds": None}, "kinds"),
        ({"kinds": {}}, "kinds"),
        ({"info": []}, "info"),
        ({"info": {"x": "y" * 9000}}, "info"),
    ],
)
async def test_malformed_workers_are_refused(engine: Engine, change: Row, field: str) -> None:
    arguments: Row = {"worker_id": uuid.uuid4(), "name": "w", "kinds": []} | change
    with pytest.raises(Refused) as refusal:
        await engine.service.call("register_worker", **arguments)
    assert refusal.value.field == field
