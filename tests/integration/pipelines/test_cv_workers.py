"""Workers that read CVs: killed in the middle, and with another provider's model."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from headway import Upload
from headway.core.feed import Update
from support.cvs.expectation import shortfalls
from support.cvs.shapes import CVS
from support.workers import running_worker
from workers.cv.records import FullProfile

from .harness import PATIENCE_S, Office, Somebody, until

CHAT = "/openai/v1/chat/completions"
TABLES = ("work_experience", "board_experience", "education")


async def whole(person: Somebody) -> FullProfile:
    (row,) = await person.rows("profiles")
    return FullProfile.model_validate(
        {"profile": row, **{table: await person.rows(table) for table in TABLES}}
    )


async def test_no_model_call_is_paid_twice_when_the_worker_dies(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    faults, requests = office.sandbox.sandbox.faults, office.sandbox.sandbox.requests
    # The career is understood; then the model is silent about the biography, and there the worker dies.
    faults.add("slow", provider="openai", times=1, seconds=0)
    faults.add("timeout", provider="openai", times=1, seconds=600)
    told: list[Any] = []

    async def watch(job: Any) -> None:
        told.extend([update async for update in job.watch(after_seq=0)])

    with ExitStack() as workers:
        first = workers.enter_context(_worker(office, tmp_path))
        cv = CVS["scan"]
        office.sandbox.sandbox.images.describe(CVS["picture"].content, cv.text)
        upload = Upload(cv.content, name=cv.file_name)
        job = await owner.hw.submit("cv.parse", {}, files={"cv": upload}, bucket="cvs")
        watching = asyncio.create_task(watch(job))
        await until(lambda: requests.of(CHAT) == 2)
        first.kill()
        assert await owner.rows("profiles") == []
        await office.take_back(job.id)
        workers.enter_context(_worker(office, tmp_path))
        result = await job.result(timeout=PATIENCE_S)
        await asyncio.wait_for(watching, PATIENCE_S)

    assert shortfalls(await whole(owner), cv.person) == []
    assert result["profile"]["bio"] is not None
    events = [update.event for update in told if update.event]
    assert [e.step for e in events if e.type == "step_completed"] == [
        "extract",
        "parse",
        "biography",
        "apply",
    ]
    assert [e.type for e in events].count("lost") == 1
    assert [a.outcome for a in (await job.snapshot()).attempts] == ["lost", "completed"]
    # One call for the career, one biography that never came, one that did.
    assert requests.of(CHAT) == 3
    usage = await job.usage()
    assert [u.step for u in usage if u.unit == "input_token"].count("parse") == 1
    ledger = office.sandbox.sandbox.ledger.total("openai")
    assert await office.usage(job.id) == ledger > 0


async def test_a_profile_that_is_written_when_the_worker_dies_is_written_once(
    office: Office, tmp_path: Path
) -> None:
    owner = await office.somebody()
    cv = CVS["german"]
    with ExitStack() as workers:
        first = workers.enter_context(_worker(office, tmp_path))
        upload = Upload(cv.content, name=cv.file_name)
        job = await owner.hw.submit("cv.parse", {}, files={"cv": upload}, bucket="cvs")
        ended = False
        async with asyncio.timeout(PATIENCE_S):
            async for update in job.watch(after_seq=0):
                ended = update.ended
                if _is_end_of(update, "apply"):
                    break
        first.kill()
        if not ended and (await job.snapshot()).status == "processing":
            await office.take_back(job.id)
            workers.enter_context(_worker(office, tmp_path))
        await job.result(timeout=PATIENCE_S)
    found = await whole(owner)
    assert shortfalls(found, cv.person) == []
    assert (len(found.work_experience), len(found.board_experience)) == (
        len(cv.person.jobs),
        len(cv.person.seats),
    )
    steps = [step.name for step in await job.steps() if step.status == "completed"]
    assert sorted(steps) == ["apply", "biography", "extract", "parse"]
    parse = [u for u in await job.usage() if u.step == "parse" and u.unit == "input_token"]
    assert len(parse) == 1


def _is_end_of(update: Update, step: str) -> bool:
    return update.event is not None and update.event.type == "step_completed" and update.event.step == step


def _worker(office: Office, tmp_path: Path) -> Any:
    return running_worker(
        office.stack, "workers.cv", log=tmp_path / "log", environment=office.sandbox.environment
    )


async def test_an_interview_goes_on_where_its_worker_died(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    faults, requests = office.sandbox.sandbox.faults, office.sandbox.sandbox.requests
    arguments: dict[str, Any] = {"document": {"profile": {"first_name": "Ada"}}, "profile": owner.id}
    await owner.client.rpc("apply_profile", arguments).execute()
    session = str(uuid.uuid4())
    question = "Would you rather work remotely, on site, or a mix of both?"

    def turns(first: int, answer: str) -> list[dict[str, Any]]:
        spoken = (("assistant", question), ("user", answer))
        return [{"seq": first + n, "speaker": who, "content": text} for n, (who, text) in enumerate(spoken)]

    with ExitStack() as workers:
        first = workers.enter_context(_worker(office, tmp_path))
        opened = await owner.hw.submit("interview.session", {"session_id": session})
        assert question in (await opened.result(timeout=PATIENCE_S))["questions"]
        faults.add("timeout", provider="openai", path="chat", times=1, seconds=600)
        payload = {"session_id": session, "turns": turns(0, "I'd like a hybrid arrangement.")}
        job = await owner.hw.submit("interview.extract", payload)
        await until(lambda: requests.of(CHAT) == 1)
        first.kill()
        # What is said meanwhile waits for its own turn.
        later = [{"session_id": session, **turn} for turn in turns(2, "Thank you.")]
        await owner.client.table("interview_turns").insert(later).execute()
        await office.take_back(job.id)
        workers.enter_context(_worker(office, tmp_path))
        heard = await job.result(timeout=PATIENCE_S)

    assert heard["answered"] == ["profiles.remote_work_preference"]
    (row,) = await owner.rows("profiles")
    assert (row["remote_work_preference"], row["sandbox"]) == ("hybrid", True)
    # One that never came, one for the turns of then, one for what was said meanwhile.
    assert requests.of(CHAT) == 3
    read = await owner.rows("interview_turns", session_id=session)
    assert all(turn["extracted_at"] for turn in read)
    assert [a.outcome for a in (await job.snapshot()).attempts] == ["lost", "completed"]
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("openai") > 0


async def test_another_provider_chosen_by_settings(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    cv = CVS["boards"]
    environment = {**office.sandbox.environment, "HEADWAY_LLM_PROVIDER": "gemini", "OPENAI_API_KEY": ""}
    with running_worker(office.stack, "workers.cv", log=tmp_path / "log", environment=environment):
        upload = Upload(cv.content, name=cv.file_name)
        job = await owner.hw.submit("cv.parse", {}, files={"cv": upload}, bucket="cvs")
        await job.result(timeout=PATIENCE_S)
    assert shortfalls(await whole(owner), cv.person) == []
    usage = await job.usage()
    assert {(record.provider, record.step) for record in usage} == {
        ("gemini", "parse"),
        ("gemini", "biography"),
    }
    ledger = office.sandbox.sandbox.ledger
    assert await office.usage(job.id) == ledger.total("gemini") > 0 == ledger.total("openai")
