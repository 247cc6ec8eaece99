"""The ledger, its roll-ups, and budgets that refuse the next call."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal

import pytest

from support.engine import Engine, Refused, Row, held


async def running(engine: Engine, **kind: object) -> tuple[Row, uuid.UUID]:
    """A lease of a running job, and its tenant."""
    worker = await engine.worker({"kind": "k.a", **kind})
    user = await engine.user()
    await user.submit("k.a")
    lease = await worker.claim_one()
    assert user.sub is not None
    return held(lease), user.sub


def call(cost: str, **fields: object) -> Row:
    return (
        {"call_id": uuid.uuid4(), "provider": "openai", "model": "gpt", "unit": "tokens"}
        | {"cost": Decimal(cost)}
        | fields
    )


async def test_costs_are_exact_and_rolled_up_per_job_tenant_and_day(engine: Engine) -> None:
    lease, tenant = await running(engine)
    for _ in range(10):
        await engine.service.call("record_usage", **lease, **call("0.1", quantity=Decimal("3")))
    answer = await engine.service.call(
        "record_usage", **lease, **call("0.000000000001", quantity=1, step="parse")
    )

    assert (answer["state"], answer["calls"]) == ("recorded", 11)
    spent = await engine.admin.fetchval("select spent from headway.job_costs")
    assert spent == Decimal("1.000000000001")
    (day,) = await engine.service.call("spend_today")
    assert (day["tenant_id"], day["calls"], day["quantity"], day["cost"]) == (tenant, 11, 31, spent)
    assert (day["provider"], day["model"], day["unit"], day["kind"]) == ("openai", "gpt", "tokens", "k.a")
    (view,) = await engine.service.fetch("select * from headway.spend")
    assert (view["cost"], view["calls"], view["assumed_calls"]) == (spent, 11, 0)


async def test_a_record_that_is_repeated_counts_once(engine: Engine) -> None:
    lease, _ = await running(engine)
    paid = call("0.5")
    assert (await engine.service.call("record_usage", **lease, **paid))["state"] == "recorded"
    assert (await engine.service.call("record_usage", **lease, **paid))["state"] == "repeated"
    assert await engine.admin.fetchval("select sum(cost) from headway.usage_daily") == Decimal("0.5")


async def test_a_reservation_becomes_the_true_cost_or_is_released(engine: Engine) -> None:
    lease, _ = await running(engine, cost_budget=1)
    first, second = uuid.uuid4(), uuid.uuid4()
    reserve = {"provider": "p", "max_cost": Decimal("0.4")}
    answer = await engine.service.call("reserve_usage", **lease, call_id=first, **reserve)
    assert (answer["state"], answer["reserved"], answer["remaining"]) == ("reserved", 0.4, 0.6)
    assert (await engine.service.call("reserve_usage", **lease, call_id=first, **reserve))[
        "state"
    ] == "repeated"
    await engine.service.call("reserve_usage", **lease, call_id=second, **reserve)
    answer = await engine.service.call("release_usage", **lease, call_id=second)
    assert (answer["reserved"], answer["calls"]) == (0.4, 0)
    answer = await engine.service.call(
        "record_usage", **lease, call_id=first, provider="p", cost=Decimal("0.35")
    )
    assert (answer["spent"], answer["reserved"], answer["remaining"], answer["calls"]) == (0.35, 0, 0.65, 1)
    assert (await engine.service.call("release_usage", **lease, call_id=first))["spent"] == 0.35


async def test_the_call_that_would_pass_the_jobs_budget_is_refused(engine: Engine) -> None:
    lease, _ = await running(engine, cost_budget=1)
    await engine.service.call("record_usage", **lease, **call("0.75"))
    with pytest.raises(Refused) as refusal:
        await engine.service.call(
            "reserve_usage", **lease, call_id=uuid.uuid4(), provider="p", max_cost=Decimal("0.2500001")
        )
    assert (refusal.value.code, refusal.value.field) == ("HW501", "max_cost")
    assert "0.75 of 1" in str(refusal.value)
    answer = await engine.service.call(
        "reserve_usage", **lease, call_id=uuid.uuid4(), provider="p", max_cost=Decimal("0.25")
    )
    assert answer["remaining"] == 0


async def test_a_submitted_budget_goes_before_the_kinds(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "cost_budget": 10})
    user = await engine.user()
    await user.submit("k.a", cost_budget="0.01")
    lease = held(await worker.claim_one())
    with pytest.raises(Refused) as refusal:
        await engine.service.call(
            "reserve_usage", **lease, call_id=uuid.uuid4(), provider="p", max_cost=Decimal("0.02")
        )
    assert refusal.value.code == "HW501"


@pytest.mark.parametrize("period", ["day", "month", "total"])
async def test_the_call_that_would_pass_the_tenants_budget_is_refused(engine: Engine, period: str) -> None:
    lease, tenant = await running(engine)
    await engine.service.call("set_budget", tenant_id=tenant, period=period, amount=Decimal("2"))
    await engine.service.call("set_budget", tenant_id=None, period=period, amount=Decimal("1"))
    await engine.service.call("record_usage", **lease, **call("1.5"))
    reserve = {"provider": "p", "max_cost": Decimal("0.6")}
    with pytest.raises(Refused) as refusal:
        await engine.service.call("reserve_usage", **lease, call_id=uuid.uuid4(), **reserve)
    assert (refusal.value.code, refusal.value.field) == ("HW502", "max_cost")
    await engine.service.call("set_budget", tenant_id=tenant, period=period, amount=None)
    with pytest.raises(Refused):
        await engine.service.call("reserve_usage", **lease, call_id=uuid.uuid4(), **reserve)
    await engine.service.call("set_budget", tenant_id=None, period=period, amount=None)
    assert (await engine.service.call("reserve_usage", **lease, call_id=uuid.uuid4(), **reserve))[
        "reserved"
    ] == 0.6


async def test_yesterdays_spending_does_not_count_today(engine: Engine) -> None:
    lease, tenant = await running(engine)
    await engine.service.call("set_budget", tenant_id=tenant, period="day", amount=Decimal("1"))
    await engine.service.call("record_usage", **lease, **call("1"))
    await engine.admin.execute("update headway.usage_daily set day = day - 1 where true")
    await engine.admin.execute("update headway.usage set day = day - 1 where true")
    answer = await engine.service.call(
        "reserve_usage", **lease, call_id=uuid.uuid4(), provider="p", max_cost=Decimal("1")
    )
    assert answer["state"] == "reserved"


async def test_calls_at_the_same_moment_cannot_pass_a_budget_together(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a"})
    user = await engine.user()
    await user.submit_many([{"kind": "k.a"}] * 8)
    leases = await worker.claim(8)
    await engine.service.call("set_budget", tenant_id=user.sub, period="day", amount=Decimal("1"))
    callers = [await engine.caller("service_role") for _ in range(8)]

    async def reserve(number: int) -> bool:
        try:
            await callers[number].call(
                "reserve_usage",
                **held(leases[number]),
                call_id=uuid.uuid4(),
                provider="p",
                max_cost=Decimal("0.3"),
            )
        except Refused as refusal:
            if refusal.code != "HW502":
                raise
            return False
        return True

    assert sum(await asyncio.gather(*map(reserve, range(8)))) == 3


async def test_what_a_dead_worker_had_announced_counts_until_it_tells_the_truth(engine: Engine) -> None:
    lease, _ = await running(engine, cost_budget=1)
    paid = uuid.uuid4()
    await engine.service.call("reserve_usage", **lease, call_id=paid, provider="p", max_cost=Decimal("0.9"))
    await engine.expire(lease["job_id"])
    await engine.service.call("sweep")

    (costs,) = await engine.service.fetch("select spent, reserved, calls from headway.job_costs")
    assert (costs["spent"], costs["reserved"], costs["calls"]) == (Decimal("0.9"), 0, 1)
    assert await engine.admin.fetchval("select state from headway.usage") == "assumed"

    late = await engine.service.call("record_usage", **lease, call_id=paid, provider="p", cost=Decimal("0.2"))
    assert (late["state"], late["spent"], late["calls"]) == ("recorded", 0.2, 1)
    assert await engine.admin.fetchval("select sum(cost) from headway.usage_daily") == Decimal("0.2")
    assert await engine.admin.fetchval("select sum(calls) from headway.usage_daily") == 1


async def test_the_ledger_outlives_its_job(engine: Engine) -> None:
    lease, _ = await running(engine)
    await engine.service.call("record_usage", **lease, **call("0.5"))
    await engine.admin.execute("delete from headway.jobs where id = $1", lease["job_id"])
    assert await engine.admin.fetchval("select job_id from headway.usage") == lease["job_id"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cost": Decimal("-1")}, "cost"),
        ({"cost": Decimal("NaN")}, "cost"),
        ({"cost": Decimal("0.0000000000001")}, "cost"),
        ({"cost": Decimal("1e10")}, "cost"),
        ({"cost": None}, "cost"),
        ({"quantity": Decimal("-1")}, "quantity"),
        ({"quantity": Decimal("NaN")}, "quantity"),
        ({"provider": ""}, "provider"),
        ({"provider": None}, "provider"),
        ({"unit": "u" * 51}, "unit"),
        ({"model": "m" * 201}, "model"),
        ({"call_id": None}, "call_id"),
    ],
)
async def test_senseless_costs_are_refused(engine: Engine, fields: Row, field: str) -> None:
    lease, _ = await running(engine)
    with pytest.raises(Refused) as refusal:
        await engine.service.call("record_usage", **lease, **(call("1") | fields))
    assert refusal.value.field == field
    assert await engine.admin.fetchval("select count(*) from headway.usage") == 0


async def test_a_call_id_of_another_job_is_refused(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit_many([{"kind": "k.a"}] * 2)
    one, two = await worker.claim(2)
    paid = call("1")
    await engine.service.call("record_usage", **held(one), **paid)
    with pytest.raises(Refused) as refusal:
        await engine.service.call("record_usage", **held(two), **paid)
    assert (refusal.value.code, refusal.value.field) == ("HW201", "call_id")
    with pytest.raises(Refused) as refusal:
        await engine.service.call(
            "reserve_usage", **held(two), call_id=paid["call_id"], provider="p", max_cost=1
        )
    assert refusal.value.code == "HW201"


async def test_budgets_are_checked_when_they_are_set(engine: Engine) -> None:
    for period, amount, field in (
        ("week", Decimal(1), "period"),
        (None, None, "period"),
        ("day", Decimal(-1), "amount"),
    ):
        with pytest.raises(Refused) as refusal:
            await engine.service.call("set_budget", tenant_id=None, period=period, amount=amount)
        assert refusal.value.field == field
