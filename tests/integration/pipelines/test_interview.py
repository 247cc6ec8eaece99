"""Interviews the whole way: questions, the browser's secret, answers, contradictions, the end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from headway import NotFound, Upload
from headway.sandbox.server import SandboxServer
from support.cvs.paper import as_text
from support.cvs.people import PEOPLE
from support.stack import TestStack
from support.workers import WorkerProcess, running_worker

from .harness import PATIENCE_S, Office, Somebody

CHAT = "/openai/v1/chat/completions"
SECRETS = "/openai/v1/realtime/client_secrets"


@pytest.fixture(scope="module")
def worker(
    stack: TestStack, _sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """One worker for all of this module."""
    log = tmp_path_factory.mktemp("interview") / "log"
    with running_worker(stack, "workers.cv", log=log, environment=_sandbox_server.environment) as running:
        yield running


@pytest.fixture
async def owner(office: Office, worker: WorkerProcess) -> Somebody:
    """Somebody with the profile of a short CV."""
    person = await office.somebody()
    upload = Upload(as_text(PEOPLE["plain"]), name="cv.txt")
    job = await person.hw.submit("cv.parse", {}, files={"cv": upload}, bucket="cvs")
    await job.result(timeout=PATIENCE_S)
    return person


class Browser:
    """What a browser does: it opens a session, sends turns as they are spoken, and hears what is left."""

    def __init__(self, person: Somebody) -> None:
        self.person = person
        self.session = str(uuid.uuid4())
        self._seq = 0

    async def open(self) -> dict[str, Any]:
        job = await self.person.hw.submit("interview.session", {"session_id": self.session})
        answer: dict[str, Any] = await job.result(timeout=PATIENCE_S)
        return answer

    async def secret(self) -> str:
        (row,) = await self.person.rows("interview_client_secrets", session_id=self.session)
        return str(row["secret"])

    def turns(self, *spoken: str) -> list[dict[str, Any]]:
        """A question and its answer, and so on."""
        made = []
        for text in spoken:
            speaker = "assistant" if len(made) % 2 == 0 else "user"
            made.append({"seq": self._seq, "speaker": speaker, "content": text})
            self._seq += 1
        return made

    async def say(self, *spoken: str) -> dict[str, Any]:
        payload = {"session_id": self.session, "turns": self.turns(*spoken)}
        job = await self.person.hw.submit("interview.extract", payload)
        answer: dict[str, Any] = await job.result(timeout=PATIENCE_S)
        return answer

    async def question(self, field: str) -> dict[str, Any]:
        rows = await self.person.rows("interview_questions", session_id=self.session)
        return next(row for row in rows if row["field"] == field)


async def test_a_browser_gets_a_secret_and_never_the_key(office: Office, owner: Somebody) -> None:
    browser, stranger = Browser(owner), await office.somebody()
    opened = await browser.open()
    assert not opened["complete"]
    assert opened["questions"][0].startswith("Are you available")
    secret = await browser.secret()
    assert secret.startswith("ek_")
    job = await owner.hw.submit("interview.session", {"session_id": browser.session})
    again = await job.result(timeout=PATIENCE_S)
    assert (again["cached"], await browser.secret()) == (True, secret)
    assert office.sandbox.sandbox.requests.of(SECRETS) == 1
    assert [row["sandbox"] for row in await owner.rows("interview_sessions")] == [True]
    # Neither the secret nor the key are in what is kept for days.
    kept = f"{again} {await job.steps()} {await job.logs()} {await job.snapshot()}"
    assert secret not in kept
    assert office.sandbox.environment["OPENAI_API_KEY"] not in kept
    assert await stranger.rows("interview_client_secrets") == []
    for kind in ("interview.extract", "interview.session"):
        with pytest.raises(NotFound) as refused:
            await stranger.hw.submit(kind, {"session_id": browser.session})
        assert refused.value.details == "payload.session_id"
    with pytest.raises(NotFound) as refused:
        await Browser(stranger).open()
    assert refused.value.details == "owner_id"


async def test_answers_become_part_of_the_profile_as_they_come(office: Office, owner: Somebody) -> None:
    browser = Browser(owner)
    await browser.open()
    first = await browser.secret()
    before = (await owner.rows("profiles"))[0]["profile_completeness"]
    ask = await browser.question("remote_work_preference")
    heard = await browser.say(ask["question"], "I'd like a hybrid arrangement, two days at home.")
    assert heard["answered"] == ["profiles.remote_work_preference"]
    assert not heard["complete"]
    pay = await browser.question("compensation_expectation")
    heard = await browser.say(pay["question"], "Between 90,000 and 110,000 GBP.")
    (row,) = await owner.rows("profiles")
    assert row["remote_work_preference"] == "hybrid"
    assert (row["compensation_expectation_min"], row["compensation_expectation_max"]) == (90000, 110000)
    assert row["data_sources"]["remote_work_preference"] == "interview"
    assert row["profile_completeness"] == heard["completeness"] > before
    asked = {
        q["field"]: q["status"] for q in await owner.rows("interview_questions", session_id=browser.session)
    }
    assert (asked["remote_work_preference"], asked["compensation_expectation"]) == ("answered", "answered")
    # After an answer, an earlier secret would ask the same again.
    assert not (await browser.open())["cached"]
    assert await browser.secret() != first


async def test_the_same_turns_twice_are_heard_once(office: Office, owner: Somebody) -> None:
    browser = Browser(owner)
    await browser.open()
    ask = await browser.question("availability_status")
    turns = browser.turns(ask["question"], "I am open to offers.")
    calls = office.sandbox.sandbox.requests.of(CHAT)
    payload = {"session_id": browser.session, "turns": turns}
    for _ in range(2):
        job = await owner.hw.submit("interview.extract", payload)
        await job.result(timeout=PATIENCE_S)
    assert office.sandbox.sandbox.requests.of(CHAT) == calls + 1
    assert await office.usage(job.id) == 0
    (row,) = await owner.rows("profiles")
    assert row["availability_status"] == "open_to_offers"


async def test_turns_that_the_browser_has_inserted_itself(owner: Somebody) -> None:
    browser = Browser(owner)
    await browser.open()
    ask = await browser.question("remote_work_preference")
    rows = [
        {"session_id": browser.session, **turn} for turn in browser.turns(ask["question"], "Remote, please.")
    ]
    await owner.client.table("interview_turns").insert(rows).execute()
    job = await owner.hw.submit("interview.extract", {"session_id": browser.session})
    heard = await job.result(timeout=PATIENCE_S)
    assert heard["answered"] == ["profiles.remote_work_preference"]


async def test_a_contradiction_is_recorded_asked_about_and_decided(owner: Somebody) -> None:
    browser = Browser(owner)
    await browser.open()
    heard = await browser.say(
        "On which phone number can you be reached?", "My phone number is +44 113 496 0777."
    )
    assert heard["conflicts"] == ["profiles.phone"]
    (row,) = await owner.rows("profiles")
    assert row["phone"] == "+44 20 7946 0958"
    (conflict,) = await owner.rows("profile_conflicts")
    assert (conflict["known_source"], conflict["resolution"]) == ("cv", None)
    question = await browser.question("phone")
    assert heard["open_questions"][0] == question["question"]
    assert "+44 20 7946 0958" in question["question"]
    assert "+44 113 496 0777" in question["question"]

    heard = await browser.say(question["question"], "The second one: +44 113 496 0777.")
    assert heard["answered"] == ["profiles.phone"]
    (row,) = await owner.rows("profiles")
    assert (row["phone"], row["data_sources"]["phone"]) == ("+44 113 496 0777", "interview")
    (conflict,) = await owner.rows("profile_conflicts")
    assert conflict["resolution"] == "heard"


async def test_a_contradiction_that_is_decided_on_the_screen_is_not_asked_about(owner: Somebody) -> None:
    browser = Browser(owner)
    await browser.open()
    await browser.say("On which phone number can you be reached?", "My phone number is +44 113 496 0777.")
    (conflict,) = await owner.rows("profile_conflicts")
    arguments: dict[str, Any] = {"conflict": conflict["id"], "resolution": "known"}
    await owner.client.rpc("resolve_profile_conflict", arguments).execute()
    heard = await browser.say("Right.", "Yes.")
    assert not any("phone" in question for question in heard["open_questions"])
    assert (await owner.rows("profiles"))[0]["phone"] == "+44 20 7946 0958"


async def test_the_conversation_ends_itself(owner: Somebody) -> None:
    browser = Browser(owner)
    opened = await browser.open()
    heard: dict[str, Any] = {"open_questions": opened["questions"], "complete": False}
    async with asyncio.timeout(PATIENCE_S):
        while not heard["complete"]:
            heard = await browser.say(heard["open_questions"][0], "I'd rather not say.")
    assert heard["open_questions"] == []
    (session,) = await owner.rows("interview_sessions")
    assert (session["status"], session["end_reason"]) == ("completed", "nothing left to ask")
    assert (await owner.rows("profiles"))[0]["onboarding_completed"]
    assert (await browser.open())["complete"]


async def test_who_wants_to_stop_is_let_go(owner: Somebody) -> None:
    browser = Browser(owner)
    await browser.open()
    heard = await browser.say("Are you available?", "Let's stop the interview here, thank you.")
    assert heard["complete"]
    assert heard["open_questions"]
    assert not (await owner.rows("profiles"))[0]["onboarding_completed"]
