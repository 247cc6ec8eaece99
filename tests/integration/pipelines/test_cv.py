"""CVs the whole way: upload, submit, watch through Realtime, and the profile in the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from headway import InvalidRequest, JobFailed, Upload
from headway.client.handles import JobHandle
from headway.sandbox.server import SandboxServer
from support.cvs import hostile
from support.cvs.expectation import shortfalls
from support.cvs.paper import as_text
from support.cvs.people import PEOPLE
from support.cvs.sample import SAMPLE, SAMPLE_FILE
from support.cvs.shapes import CVS
from support.stack import TestStack
from support.workers import WorkerProcess, running_worker
from workers.cv.records import FullProfile

from .harness import PATIENCE_S, Office, Somebody

KIND = "cv.parse"
CHAT = "/openai/v1/chat/completions"
TABLES = ("work_experience", "board_experience", "education")
STEPS = ["extract", "parse", "biography", "apply"]


@pytest.fixture(scope="module")
def worker(
    stack: TestStack, _sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """One worker for all of this module."""
    log = tmp_path_factory.mktemp("cv") / "log"
    environment = {**_sandbox_server.environment, "HEADWAY_CV_READ_SECONDS": "5"}
    with running_worker(stack, "workers.cv", log=log, environment=environment) as running:
        yield running


async def send(person: Somebody, content: bytes, name: str = "cv.pdf", **fields: Any) -> JobHandle:
    # The type is a claim, too: the bucket admits those of CVs, whatever the file is.
    known = name.endswith((".pdf", ".docx", ".txt", ".jpg", ".png"))
    upload = Upload(content, name=name, content_type=None if known else "application/pdf")
    return await person.hw.submit(KIND, {}, files={"cv": upload}, bucket="cvs", **fields)


async def profile_of(person: Somebody) -> FullProfile:
    (row,) = await person.rows("profiles")
    return FullProfile.model_validate(
        {"profile": row, **{table: await person.rows(table) for table in TABLES}}
    )


async def test_a_cv_becomes_a_profile_while_its_owner_watches(office: Office, worker: WorkerProcess) -> None:
    owner, stranger = await office.somebody(), await office.somebody()
    cv = CVS["boards"]
    job = await send(owner, cv.content, cv.file_name)
    updates = [update async for update in job.watch(after_seq=0)]
    result = await job.result()

    events = [update.event for update in updates if update.event]
    assert [event.stage for event in events if event.type == "stage_started"] == STEPS
    assert [event.step for event in events if event.type == "step_completed"] == STEPS
    percents = [update.percent for update in updates]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    # What is found is told before the biography is written, and that before it is stored.
    told = [event.name or event.step for event in events if event.type in ("emitted", "step_completed")]
    assert [name for name in told if name != "log"] == [
        "extract", "parse", "profile_found", "biography", "biography", "apply",
    ]  # fmt: skip
    (found,) = [event.output for event in events if event.name == "profile_found"]
    assert (found["name"], found["jobs"], found["board_roles"]) == ("Eleanor Vance-Thornbury", 2, 4)
    assert updates[-1].metrics["jobs"] == 2

    profile = await profile_of(owner)
    assert shortfalls(profile, cv.person) == []
    assert profile.profile.bio is not None
    assert profile.profile.sandbox
    assert profile.profile.data_sources["email"] == "cv"
    assert result["profile"]["profile_completeness"] == profile.profile.profile_completeness > 50
    assert result["current_role"] is None
    assert len(result["questions"]) == 5 < result["open_questions"]
    (row,) = await owner.rows("cv_processing_jobs")
    assert (row["status"], row["progress"], row["file_name"]) == ("completed", 100, "cv")
    assert row["parsed_data"] == result
    # To the cent, by the ledger of whoever was paid.
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("openai") > 0
    for relation in ("profiles", *TABLES, "cv_processing_jobs"):
        assert await stranger.rows(relation) == []
    with pytest.raises(Exception, match=r"not found|Object"):
        await stranger.client.storage.from_("cvs").download(row["file_path"])


async def test_the_sample_of_the_demo_loses_nothing(office: Office, worker: WorkerProcess) -> None:
    owner = await office.somebody()
    job = await owner.hw.submit(KIND, {}, files={"cv": SAMPLE_FILE}, bucket="cvs")
    result = await job.result(timeout=PATIENCE_S)
    assert shortfalls(await profile_of(owner), SAMPLE) == []
    assert (result["current_role"]["title"], result["pages"]) == ("Chief Operating Officer", 2)


async def test_every_shape_of_cv_loses_nothing(office: Office, worker: WorkerProcess) -> None:
    for cv in CVS.values():
        if cv.seen:
            office.sandbox.sandbox.images.describe(CVS["picture"].content, CVS["picture"].text)
    names = [name for name in CVS if name != "unmapped"]
    people = [await office.somebody() for _ in names]
    jobs = [
        await send(person, CVS[name].content, CVS[name].file_name)
        for person, name in zip(people, names, strict=True)
    ]
    results = await asyncio.gather(*(job.result(timeout=PATIENCE_S) for job in jobs))
    faults = {
        name: shortfalls(await profile_of(person), CVS[name].person)
        for person, name in zip(people, names, strict=True)
    }
    assert {name: found for name, found in faults.items() if found} == {}
    assert {name: result["kind"] for name, result in zip(names, results, strict=True)} == {
        name: "image" if name.startswith("picture") else _kind(CVS[name].file_name) for name in names
    }
    cost = sum([await office.usage(job.id) for job in jobs])
    assert cost == office.sandbox.sandbox.ledger.total("openai") > 0


def _kind(name: str) -> str:
    return {"pdf": "pdf", "docx": "docx", "txt": "text"}[name.rpartition(".")[2]]


async def test_the_same_key_does_no_second_work(office: Office, worker: WorkerProcess) -> None:
    owner = await office.somebody()
    content = as_text(PEOPLE["partial"])
    first = await send(owner, content, "cv.txt", idempotency_key="my cv")
    await first.result(timeout=PATIENCE_S)
    calls = office.sandbox.sandbox.requests.of(CHAT)
    again = await send(owner, content, "cv.txt", idempotency_key="my cv")
    assert (again.id, again.created, again.merged) == (first.id, False, "idempotency_key")
    assert await again.result(timeout=PATIENCE_S) == await first.result(timeout=PATIENCE_S)
    assert office.sandbox.sandbox.requests.of(CHAT) == calls == 2


async def test_the_same_cv_again_changes_nothing_and_what_was_typed_stays(
    office: Office, worker: WorkerProcess
) -> None:
    owner = await office.somebody()
    content = as_text(PEOPLE["plain"])
    await (await send(owner, content, "cv.txt")).result(timeout=PATIENCE_S)
    table = owner.client.table("work_experience")
    await table.update({"title": "Director of Finance"}).eq("title", "Finance Director").execute()
    await owner.client.table("profiles").update({"phone": "+44 113 496 0999"}).eq("id", owner.id).execute()
    before = await profile_of(owner)
    result = await (await send(owner, content, "cv.txt")).result(timeout=PATIENCE_S)
    assert await profile_of(owner) == before
    assert before.work_experience[0].source == "manual" or any(
        job.title == "Director of Finance" and job.source == "manual" for job in before.work_experience
    )
    assert any(note.startswith("phone: kept") for note in result["notes"])


async def test_several_cvs_of_one_person_at_once(office: Office, worker: WorkerProcess) -> None:
    owner = await office.somebody()
    names = ("plain", "german", "boards", "two_current")
    jobs = [await send(owner, as_text(PEOPLE[name]), "cv.txt") for name in names]
    await asyncio.gather(*(job.result(timeout=PATIENCE_S) for job in jobs))
    profile = await profile_of(owner)
    # Whoever writes second has read what the first one wrote.
    assert {job.title for job in profile.work_experience} == {j.title for n in names for j in PEOPLE[n].jobs}
    assert {seat.role for seat in profile.board_experience} == {
        s.role for n in names for s in PEOPLE[n].seats
    }
    assert {skill for name in names for skill in PEOPLE[name].skills} <= set(profile.profile.skills)


async def test_what_is_no_cv_ends_as_a_clear_failure(office: Office, worker: WorkerProcess) -> None:
    owner = await office.somebody()
    inputs = {
        "empty.pdf": (b"", "file_empty"),
        "cv.pdf": (hostile.executable(), "file_type"),
        "locked.pdf": (hostile.encrypted_pdf(), "file_encrypted"),
        "book.pdf": (hostile.many_pages(300), "file_too_long"),
        "bomb.pdf": (hostile.pdf_bomb(), "file_too_complex"),
        "bomb.docx": (hostile.docx_bomb(), "file_too_complex"),
        "half.pdf": (hostile.truncated_pdf(), "file_damaged"),
        "cat.jpg": (hostile.of_a_cat(), "cv_not_recognised"),
        "bill.txt": (b"Invoice 4711\nTotal: 12.50 EUR\nDue: 2026-12-01\nThank you!\n", "cv_not_recognised"),
    }
    jobs = {name: await send(owner, content, name) for name, (content, _) in inputs.items()}
    told = {}
    for name, job in jobs.items():
        with pytest.raises(JobFailed) as failed:
            await job.result(timeout=PATIENCE_S)
        told[name] = failed.value.code
        assert failed.value.hint, name
        assert len((await job.snapshot()).attempts) == 1, f"{name} was tried again"
    assert told == {name: code for name, (_, code) in inputs.items()}
    assert await owner.rows("profiles") == []
    # None of it came near the worker itself.
    process = psutil.Process(worker.process.pid)
    assert process.memory_info().rss < 400 * 1024 * 1024
    assert worker.process.poll() is None


async def test_instructions_in_a_cv_are_text(office: Office, worker: WorkerProcess) -> None:
    owner = await office.somebody()
    cv = CVS["injecting"]
    result = await (await send(owner, cv.content, cv.file_name)).result(timeout=PATIENCE_S)
    profile = await profile_of(owner)
    assert shortfalls(profile, cv.person) == []
    assert "Nobel Prize" not in profile.profile.skills
    assert "sk-" not in str(result)


async def test_an_answer_that_is_none_is_repaired_and_paid_for(office: Office, worker: WorkerProcess) -> None:
    owner = await office.somebody()
    office.sandbox.sandbox.faults.add("malformed", provider="openai", times=1)
    job = await send(owner, as_text(PEOPLE["german"]), "cv.txt")
    await job.result(timeout=PATIENCE_S)
    assert shortfalls(await profile_of(owner), PEOPLE["german"]) == []
    assert office.sandbox.sandbox.requests.of(CHAT) == 3
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("openai") > 0


async def test_a_busy_provider_is_waited_for(office: Office, worker: WorkerProcess) -> None:
    owner = await office.somebody()
    office.sandbox.sandbox.faults.add("429", provider="openai", times=1, retry_after=0.2)
    office.sandbox.sandbox.faults.add("500", provider="openai", times=1)
    job = await send(owner, as_text(PEOPLE["french"]), "cv.txt")
    await job.result(timeout=PATIENCE_S)
    assert len((await job.snapshot()).attempts) == 1
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("openai") > 0


async def test_a_refusal_fails_the_job_and_a_person_may_retry_it(
    office: Office, worker: WorkerProcess
) -> None:
    owner = await office.somebody()
    office.sandbox.sandbox.faults.add("refusal", provider="openai", times=1)
    job = await send(owner, as_text(PEOPLE["undated"]), "cv.txt")
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=PATIENCE_S)
    assert failed.value.code == "model_refused"
    await owner.hw.retry(job.id)
    async with asyncio.timeout(PATIENCE_S):
        async for update in job.watch(follow_retries=True):
            if update.status == "completed":
                break
    assert shortfalls(await profile_of(owner), PEOPLE["undated"]) == []


async def test_a_profile_without_a_biography_is_worth_more_than_none(
    office: Office, worker: WorkerProcess
) -> None:
    owner = await office.somebody()
    faults = office.sandbox.sandbox.faults
    faults.add("slow", provider="openai", times=1, seconds=0)
    faults.add("refusal", provider="openai", times=1)
    result = await (await send(owner, as_text(PEOPLE["plain"]), "cv.txt")).result(timeout=PATIENCE_S)
    assert result["profile"]["bio"] is None
    assert any(note.startswith("bio:") for note in result["notes"])
    assert shortfalls(await profile_of(owner), PEOPLE["plain"]) == []


async def test_which_of_several_files_is_the_cv(office: Office, worker: WorkerProcess) -> None:
    owner = await office.somebody()
    files = {
        "letter": Upload(b"Dear all, I would like to apply.", name="letter.txt"),
        "cv": Upload(as_text(PEOPLE["plain"]), name="cv.txt"),
    }
    with pytest.raises(InvalidRequest) as refused:
        await owner.hw.submit(KIND, {}, files=files, bucket="cvs")
    assert (refused.value.code, refused.value.details) == ("HW102", "payload.file")
    assert "cv, letter" in (refused.value.hint or "")
    with pytest.raises(InvalidRequest) as refused:
        await owner.hw.submit(KIND, {})
    assert refused.value.details == "files"
    assert await owner.rows("cv_processing_jobs") == []
    job = await owner.hw.submit(KIND, {"file": "cv"}, files=files, bucket="cvs")
    await job.result(timeout=PATIENCE_S)
    assert shortfalls(await profile_of(owner), PEOPLE["plain"]) == []
