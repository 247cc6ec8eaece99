"""Business discovery the whole way: app, stack, worker process and providers, with faults in between."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headway import ApiError, JobCancelled, JobFailed
from headway.sandbox.businesses import find
from headway.sandbox.server import SandboxServer
from support.stack import TestStack
from support.workers import running_worker

from .harness import PATIENCE_S, Office, Somebody, settled, until

KIND = "discovery.run"
ASK = {"business_type": "dentists", "location": "Springfield", "max_results": 25}
STAGES = [
    "initializing", "discovering_businesses", "scoring_businesses", "enriching_contacts", "storing_results",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def worker(
    stack: TestStack, _sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One worker process for all of these tests."""
    log = tmp_path_factory.mktemp("worker") / "log"
    with running_worker(stack, "workers.discovery", log=log, environment=_sandbox_server.environment):
        yield


def ended(rows: list[dict[str, Any]]) -> bool:
    return rows[0]["status"] in ("completed", "failed", "cancelled")


async def spent(office: Office, job_id: object) -> Decimal:
    return await office.usage(job_id) + await office.usage(job_id, "assumed")


async def leads_of(who: Somebody, campaign: str) -> list[dict[str, Any]]:
    return await who.rows("leads", campaign_id=campaign)


def reachable(lead: dict[str, Any]) -> bool:
    return bool(lead["contact_email"]) and lead["verification"] not in ("invalid", "disposable")


async def test_a_campaign_finds_judges_and_verifies_while_its_owner_watches(
    office: Office, tmp_path: Path
) -> None:
    owner, stranger = await office.somebody(), await office.somebody()
    job = await owner.hw.submit(KIND, ASK)
    updates = [update async for update in job.watch(after_seq=0)]
    result = await job.result()

    assert [u.event.stage for u in updates if u.event and u.event.type == "stage_started"] == STAGES
    percents = [update.percent for update in updates]
    assert percents == sorted(percents)
    metrics = updates[-1].metrics
    assert (metrics["businesses_found"], metrics["qualified_leads"], metrics["leads_enriched"]) == (
        result["businesses_found"], result["qualified_leads"], result["leads_enriched"],
    )  # fmt: skip
    assert result["businesses_found"] == 25 >= result["qualified_leads"] >= result["leads_enriched"] > 0
    assert metrics["average_confidence"] == float(result["average_confidence"])

    # To the last digit: the provider's count, the ledger, the result, the campaign, and the sum of its parts.
    ledger = office.sandbox.sandbox.ledger
    assert await spent(office, job.id) == ledger.total() == Decimal(result["total_cost"]) > 0
    (campaign,) = await settled(lambda: owner.rows("campaigns"), lambda rows: rows[0]["finished_at"])
    assert Decimal(str(campaign["total_cost"])) == ledger.total()
    assert Decimal(metrics["total_cost"]) == ledger.total()
    leads = await leads_of(owner, campaign["id"])
    assert sum(Decimal(str(lead["cost"])) for lead in leads) == ledger.total("hunter") + ledger.total(
        "neverbounce"
    )
    assert Decimal(result["cost_per_lead"]) < Decimal("0.50")

    assert (campaign["status"], campaign["user_id"], campaign["job_id"]) == (
        "completed",
        owner.id,
        str(job.id),
    )
    assert (campaign["sandbox"], campaign["degraded"], campaign["stopped_by_budget"]) == (True, [], False)
    assert campaign["started_at"] < campaign["finished_at"]
    assert len(leads) == 25
    assert len({lead["place_id"] for lead in leads}) == 25
    told = [u.event.data["data"] for u in updates if u.event and u.event.name == "lead"]
    assert {(each["place_id"], each["contact_email"]) for each in told} == {
        (lead["place_id"], lead["contact_email"]) for lead in leads if reachable(lead)
    }
    assert len(told) == result["leads_enriched"]
    for lead in leads:
        assert lead["score"] == sum(reason["points"] for reason in lead["score_reasons"])
        assert all(reason["why"] for reason in lead["score_reasons"])
        assert lead["qualified"] == (lead["score"] >= 50)
        assert (lead["contact_email"] is None) == (lead["confidence"] is None)
        assert lead["phone"] is None or lead["phone"].startswith("+1")
    (seen,) = await owner.rows("discovery_jobs")
    assert (seen["status"], seen["progress"], seen["campaign_id"], seen["businesses_found"]) == (
        "completed", 100, campaign["id"], 25,
    )  # fmt: skip

    table = await job.files()
    (export,) = [file for file in table if file.direction == "output"]
    assert (export.bucket, export.path) == ("exports", campaign["export_path"])
    target = tmp_path / "leads.csv"
    await job.download("leads.csv", to=target)
    rows = list(csv.DictReader(io.StringIO(target.read_bytes().decode("utf-8-sig"))))
    assert [row["place_id"] for row in rows] == [
        lead["place_id"] for lead in sorted(leads, key=lambda lead: (-lead["score"], lead["place_id"]))
    ]
    assert all(not value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())

    for relation in ("campaigns", "leads", "campaign_overview", "discovery_jobs"):
        assert await stranger.rows(relation) == []


async def test_anonymous_sessions_run_campaigns_and_see_their_own(office: Office) -> None:
    one, other = await office.somebody(anonymous=True), await office.somebody(anonymous=True)
    job = await one.hw.submit(KIND, {**ASK, "max_results": 3})
    result = await job.result(timeout=PATIENCE_S)
    assert result["businesses_found"] == 3
    for relation, count in (("campaigns", 1), ("leads", 3), ("campaign_overview", 1), ("discovery_jobs", 1)):
        assert (len(await one.rows(relation)), len(await other.rows(relation))) == (count, 0)
    with pytest.raises(ApiError):
        await other.hw.cancel(job.id)


async def test_more_than_sixty_are_found_quarter_by_quarter(office: Office) -> None:
    place = next(f"Town{n}" for n in range(50) if len(find(f"cafes in town{n}")) > 120)
    owner = await office.somebody()
    job = await owner.hw.submit(
        KIND, {"business_type": "cafes", "location": place, "max_results": 100, "min_score": 100}
    )
    result = await job.result(timeout=PATIENCE_S)
    assert result["businesses_found"] > 60
    assert result["duplicates"] > 0
    assert office.sandbox.sandbox.ledger.total() == Decimal(result["total_cost"])


async def test_the_budget_ends_a_campaign_and_what_was_found_is_kept(office: Office) -> None:
    owner = await office.somebody()
    job = await owner.hw.submit(KIND, {**ASK, "budget": "0.2"})
    result = await job.result(timeout=PATIENCE_S)
    assert result["stopped_by_budget"] is True
    assert result["businesses_found"] == 25
    total = office.sandbox.sandbox.ledger.total()
    # Not passed, and not given up before the next call would have passed it.
    assert Decimal("0.2") - Decimal("0.0245") < total <= Decimal("0.2")
    assert Decimal(result["total_cost"]) == total == await spent(office, job.id)
    (campaign,) = await owner.rows("campaigns")
    assert (campaign["status"], campaign["stopped_by_budget"]) == ("completed", True)
    leads = await owner.rows("leads")
    # Whoever was found and paid for is there, verified or not.
    assert sum(1 for lead in leads if reachable(lead)) == result["leads_enriched"] > 0
    assert sum(Decimal(str(lead["cost"])) for lead in leads) == total - Decimal("0.07")
    assert campaign["export_path"]


async def test_a_provider_that_is_down_costs_its_field_only_and_a_retry_asks_for_that_alone(
    office: Office,
) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    sandbox.faults.add("quota", provider="neverbounce")
    job = await owner.hw.submit(KIND, ASK)
    result = await job.result(timeout=PATIENCE_S)
    assert result["degraded"] == ["verification"]
    assert result["leads_enriched"] > 0
    (campaign,) = await owner.rows("campaigns")
    assert (campaign["status"], campaign["degraded"]) == ("completed", ["verification"])
    assert {lead["verification"] for lead in await owner.rows("leads")} == {"unverified"}
    before = sandbox.requests.of("/hunter/v2/domain-search")

    sandbox.faults.clear()
    await job.retry()
    again = await job.result(timeout=PATIENCE_S)
    assert again["degraded"] == []
    assert sandbox.requests.of("/hunter/v2/domain-search") == before
    leads = [lead for lead in await owner.rows("leads") if lead["contact_email"]]
    assert "unverified" not in {lead["verification"] for lead in leads}
    assert Decimal(again["total_cost"]) == sandbox.ledger.total() == await spent(office, job.id)


async def test_without_places_there_is_no_campaign(office: Office) -> None:
    owner = await office.somebody()
    office.sandbox.sandbox.faults.add("quota", provider="places")
    job = await owner.hw.submit(KIND, ASK)
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=PATIENCE_S)
    assert failed.value.code == "provider_quota_exhausted"
    assert failed.value.hint
    (campaign,) = await settled(lambda: owner.rows("campaigns"), ended)
    assert (campaign["status"], campaign["error_message"]) == ("failed", failed.value.message)


async def test_a_campaign_that_is_cancelled_stops_asking(office: Office) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    sandbox.faults.add("timeout", provider="hunter", seconds=600)
    job = await owner.hw.submit(KIND, ASK)
    await until(lambda: sandbox.requests.of("/hunter/v2/domain-search") > 0)
    await job.cancel("enough")
    with pytest.raises(JobCancelled):
        await job.result(timeout=10)
    asked = sandbox.requests.as_dict()["total"]
    (campaign,) = await settled(lambda: owner.rows("campaigns"), ended)
    assert (campaign["status"], len(await owner.rows("leads"))) == ("cancelled", 25)
    assert Decimal(str(campaign["total_cost"])) == await spent(office, job.id)
    assert sandbox.requests.as_dict()["total"] == asked


async def test_campaigns_are_launched_together_and_staff_sees_all(office: Office) -> None:
    boss, viewer, outsider = [await office.somebody() for _ in range(3)]
    organization = await office.organization(boss, viewer=viewer)
    asked = [{**ASK, "max_results": 5, "location": f"Town {n}", "budget": "1"} for n in range(3)]
    body = {"campaigns": asked, "organization_id": organization, "batch": {"name": "spring"}}
    answer: Any = (await boss.client.rpc("launch_campaigns", body).execute()).data
    await asyncio.gather(
        *(boss.hw.result(each["job_id"], timeout=PATIENCE_S) for each in answer["campaigns"])
    )
    for member in (boss, viewer):
        rows = await member.rows("campaign_overview")
        assert {row["location"] for row in rows} == {"Town 0", "Town 1", "Town 2"}
        assert {row["status"] for row in rows} == {"completed"}
    assert await outsider.rows("campaign_overview") == []
    staff = await office.admin.fetch(
        "select * from public.campaign_overview where organization_id = $1::uuid", organization
    )
    assert {row["organization_name"] for row in staff} == {"Acme"}
    assert all(row["cost_per_lead"] is None or row["cost_per_lead"] < Decimal("0.5") for row in staff)


async def test_nobody_runs_a_campaign_of_another(office: Office) -> None:
    owner, thief = await office.somebody(), await office.somebody()
    made: Any = (
        await owner.client.table("campaigns").insert({"business_type": "b", "location": "l"}).execute()
    ).data
    with pytest.raises(ApiError, match="campaign_id"):
        await thief.hw.submit(KIND, {**ASK, "campaign_id": made[0]["id"]})
    (row,) = await owner.rows("campaigns")
    assert (row["status"], row["job_id"]) == ("draft", None)


async def test_a_campaign_that_another_job_has_taken_meanwhile_is_left_to_it(office: Office) -> None:
    owner = await office.somebody()
    later = timedelta(hours=1)
    other = await owner.hw.submit(KIND, ASK, delay=later)
    made: Any = (
        await owner.client.table("campaigns").insert({"business_type": "b", "location": "l"}).execute()
    ).data
    job = await owner.hw.submit(KIND, {**ASK, "campaign_id": made[0]["id"]}, delay=later)
    await office.admin.execute(
        "update public.campaigns set job_id = $1, status = 'processing' where id = $2::uuid",
        other.id,
        made[0]["id"],
    )
    await office.take_back(job.id)
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=PATIENCE_S)
    assert failed.value.code == "campaign_busy"
    (row,) = await owner.rows("campaigns")
    assert (row["job_id"], row["status"], row["business_type"]) == (str(other.id), "processing", "b")


async def test_nineteen_of_twenty_campaigns_complete_while_one_call_in_ten_fails(office: Office) -> None:
    owner = await office.somebody()
    faults = office.sandbox.sandbox.faults
    for number, kind in enumerate(("429", "500", "503", "malformed", "truncated")):
        faults.add(kind, fraction=0.02, seed=number, retry_after=0.1 if kind == "429" else None)
    answer: Any = (
        await owner.client.rpc(
            "launch_campaigns",
            {"campaigns": [{**ASK, "max_results": 6, "location": f"Place {n}"} for n in range(20)]},
        ).execute()
    ).data
    ended = await asyncio.gather(
        *(owner.hw.result(each["job_id"], timeout=120) for each in answer["campaigns"]),
        return_exceptions=True,
    )
    assert sum(1 for result in ended if isinstance(result, dict)) >= 19
    assert sum(office.sandbox.sandbox.requests.as_dict()["faults"].values()) > 3
    costs = [await spent(office, each["job_id"]) for each in answer["campaigns"]]
    assert sum(costs) == office.sandbox.sandbox.ledger.total()
    campaigns = await owner.rows("campaigns")
    assert sum(Decimal(str(row["total_cost"])) for row in campaigns) == sum(costs)
