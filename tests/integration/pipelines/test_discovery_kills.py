"""A campaign whose worker is killed goes on where it was, and nothing is bought twice."""

from __future__ import annotations

import asyncio
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

from support.workers import running_worker

from .harness import PATIENCE_S, Office, until

KIND = "discovery.run"
ASK = {"business_type": "dentists", "location": "Springfield", "max_results": 25}


def worker(office: Office, log: Path, **more: str) -> Any:
    environment = {**office.sandbox.environment, **more}
    return running_worker(office.stack, "workers.discovery", log=log, environment=environment)


async def spent(office: Office, job_id: object) -> Decimal:
    return await office.usage(job_id) + await office.usage(job_id, "assumed")


async def test_a_killed_campaign_goes_on_where_it_was(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    hunts, searches = "/hunter/v2/domain-search", "/places/v1/places:searchText"
    # It dies while the first page is asked for, and again among the leads.
    sandbox.faults.add("timeout", provider="places", times=1, seconds=600)
    with worker(office, tmp_path / "log") as first:
        job = await owner.hw.submit(KIND, ASK)
        await until(lambda: sandbox.requests.of(searches) == 1)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait(timeout=30)
    await office.take_back(job.id)
    sandbox.faults.add("slow", provider="hunter", times=6, seconds=0)
    sandbox.faults.add("timeout", provider="hunter", seconds=600)
    with worker(office, tmp_path / "log", HEADWAY_DISCOVERY_CONCURRENCY="1") as second:
        await until(lambda: sandbox.requests.of(hunts) == 7)
        partly = await owner.rows("leads")
        os.kill(second.process.pid, signal.SIGKILL)
        second.process.wait(timeout=30)
    # What was found is there for its owner, contacts included.
    assert len(partly) == 25
    assert any(lead["contact_email"] for lead in partly)
    sandbox.faults.clear()
    await office.take_back(job.id)
    with worker(office, tmp_path / "log"):
        result = await job.result(timeout=PATIENCE_S)
    snapshot = await job.snapshot()
    assert [a.outcome for a in snapshot.attempts].count("lost") == 2
    # No page and no lead is bought twice: but for the two calls that were cut off, each was asked for once.
    searched = {
        domain for lead in await owner.rows("leads") if (domain := lead["domain"]) and lead["qualified"]
    }
    assert sandbox.requests.of(searches) == 1 + 2
    assert sandbox.requests.of(hunts) == len(searched) + 1
    # Calls that were cut off count with the most that they can have cost, and are marked as assumed.
    assert await office.usage(job.id) == sandbox.ledger.total()
    assert await office.usage(job.id, "assumed") == Decimal("0.035") + Decimal("0.0245")
    assert Decimal(result["total_cost"]) == await spent(office, job.id)


async def test_a_worker_that_is_told_to_stop_hands_its_campaign_on(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    hunts = "/hunter/v2/domain-search"
    # Slow enough to be told to stop in between, quick enough to finish the lead that it is at.
    sandbox.faults.add("slow", provider="hunter", seconds=1.5)
    with worker(office, tmp_path / "log", HEADWAY_DISCOVERY_CONCURRENCY="1") as first:
        job = await owner.hw.submit(KIND, ASK)
        await until(lambda: sandbox.requests.of(hunts) == 2)
        first.process.terminate()
        assert await asyncio.to_thread(first.process.wait, 30) == 0
    asked = sandbox.requests.of(hunts)
    assert 2 <= asked < 20
    assert (await job.snapshot()).status == "pending"
    sandbox.faults.clear()
    with worker(office, tmp_path / "log"):
        result = await job.result(timeout=PATIENCE_S)
    searched = {lead["domain"] for lead in await owner.rows("leads") if lead["domain"] and lead["qualified"]}
    assert sandbox.requests.of(hunts) == len(searched)
    # No attempt is burnt, and nothing is paid for twice.
    first_attempt = (await job.snapshot()).attempts[0]
    assert first_attempt.outcome in ("snoozed", "released")
    assert Decimal(result["total_cost"]) == sandbox.ledger.total() == await spent(office, job.id)
