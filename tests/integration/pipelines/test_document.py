"""Documents the whole way: app, stack, worker process, and an automation that answers when it is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from headway import JobCancelled
from headway.sandbox.server import SandboxServer
from support.stack import TestStack
from support.workers import ROOT, running_worker

from .harness import PATIENCE_S, Office, until

KIND = "document.generate"
COST = Decimal("0.0125")
SAMPLE = json.loads((ROOT / "workers" / "document" / "sample" / "payload.json").read_text("utf-8"))


@pytest.fixture(autouse=True, scope="module")
def _worker(
    stack: TestStack, _sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One worker for all tests of this module."""
    environment = {**_sandbox_server.environment, "HEADWAY_DOCUMENT_CALL_COST": str(COST)}
    log = tmp_path_factory.mktemp("worker") / "log"
    with running_worker(stack, "workers.document", log=log, environment=environment):
        yield


async def test_an_automation_that_answers_when_it_is_done(office: Office) -> None:
    owner, stranger = await office.somebody(), await office.somebody()
    office.sandbox.sandbox.faults.add("503", provider="n8n", times=1, retry_after=0)
    office.sandbox.sandbox.faults.add("malformed", provider="n8n", times=1)
    job = await owner.hw.submit(KIND, SAMPLE)
    updates = [update async for update in job.watch(after_seq=0)]
    result = await job.result()

    stages = [u.event.stage for u in updates if u.event and u.event.type == "stage_started"]
    assert list(dict.fromkeys(stages)) == ["asking", "writing", "checking", "saving"]
    # Whoever watches reads what it has become before it is stored.
    told = [
        u.event.name or u.event.step
        for u in updates
        if u.event and u.event.type in ("emitted", "step_completed")
    ]
    assert [name for name in told if name != "log"] == ["call_1", "document", "save"]
    (shown,) = [u.output for u in updates if u.event and u.event.name == "document"]
    assert shown["headings"][0] == {"level": 1, "text": "Onboarding handbook"}
    (row,) = await owner.rows("documents")
    assert (row["id"], row["job_id"], row["user_id"]) == (result["document_id"], str(job.id), owner.id)
    assert row["html"].startswith("<h1>Onboarding handbook</h1>")
    assert row["sandbox"] is True
    (seen,) = await owner.rows("document_jobs")
    assert (seen["job_id"], seen["status"], seen["prompt"]) == (str(job.id), "completed", SAMPLE["prompt"])
    assert seen["html"] == row["html"]
    assert seen["result"]["bytes"] == len(row["html"].encode())
    for relation in ("documents", "document_jobs"):
        assert await stranger.rows(relation) == []
    # Two runs of the automation, one of them of no use, and a refusal that cost nothing.
    runs = office.sandbox.sandbox.ledger.quantity("n8n", unit="execution")
    assert (runs, await office.usage(job.id)) == (2, COST * runs)


async def test_a_cancelled_call_is_cut_off_and_a_retried_one_made_anew(office: Office) -> None:
    owner = await office.somebody()
    requests = office.sandbox.sandbox.requests
    office.sandbox.sandbox.faults.add("timeout", provider="n8n", times=1, seconds=600)
    job = await owner.hw.submit(KIND, SAMPLE)
    await until(lambda: requests.of("/n8n/webhook/document") == 1)
    await job.cancel()
    with pytest.raises(JobCancelled):
        await job.result(timeout=PATIENCE_S)
    await job.retry()
    assert (await job.result(timeout=PATIENCE_S))["title"] == "Onboarding handbook"
    assert requests.of("/n8n/webhook/document") == 2


async def test_organisations_see_the_documents_of_their_projects_until_they_are_pruned(
    office: Office,
) -> None:
    editor, viewer, outsider = [await office.somebody() for _ in range(3)]
    organization = await office.organization(editor, viewer=viewer)
    project = await editor.project(organization)
    job = await editor.hw.submit(KIND, SAMPLE, project_id=project)
    await job.result(timeout=PATIENCE_S)
    assert [len(await person.rows("documents")) for person in (editor, viewer, outsider)] == [1, 1, 0]
    assert [len(await person.rows("document_jobs")) for person in (editor, viewer, outsider)] == [1, 1, 0]
    week = await office.admin.fetchval(
        "select delete_after - finished_at = interval '7 days' from headway.jobs where id = $1", job.id
    )
    assert week is True
    await office.admin.execute(
        "update headway.jobs set delete_after = now() - interval '1 second' where id = $1", job.id
    )
    await office.admin.execute("select headway.prune()")
    assert await editor.rows("documents") == await editor.rows("document_jobs") == []
