"""``talk_track.generate`` from payload to row: real clients, the sandbox's OpenAI, and a faked Data API."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from postgrest import AsyncPostgrestClient

from headway.sandbox.server import SandboxServer
from headway.testing import Recording, run_job
from workers.llm import retries
from workers.talk_track import worker

REST = "https://project.test/rest/v1"
CHAT = "/openai/v1/chat/completions"
PROJECT = uuid.uuid4()
OWNER = uuid.uuid4()
SAMPLE = json.loads(
    (Path(__file__).parents[3] / "workers" / "talk_track" / "sample" / "payload.json").read_text("utf-8")
)


def slides(count: int) -> list[dict[str, str]]:
    return [{"title": f"Title {n}", "body": f"- point {n}"} for n in range(1, count + 1)]


@pytest.fixture(autouse=True)
def environment(sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox_server.environment.items():
        monkeypatch.setenv(name, value)
    # Pauses that nobody asked for take no time.
    monkeypatch.setattr(retries, "_backoff", lambda state: 0.0)


@pytest.fixture
def rest() -> Iterator[respx.MockRouter]:
    """PostgREST as the official client meets it; what is written is answered with an id."""
    with respx.mock(assert_all_called=False) as router:
        router.route(host="127.0.0.1").pass_through()
        router.post(f"{REST}/talk_tracks").mock(side_effect=_inserted)
        yield router


def _inserted(request: httpx.Request) -> httpx.Response:
    return httpx.Response(201, json=[{"id": str(uuid.uuid4()), **json.loads(request.content)}])


@pytest.fixture
async def db() -> AsyncIterator[AsyncPostgrestClient]:
    async with httpx.AsyncClient(base_url=REST) as http:
        yield AsyncPostgrestClient(REST, http_client=http)


async def run(db: Any, payload: Any, **options: Any) -> Recording:
    return await run_job(
        worker,
        "talk_track.generate",
        payload,
        db=db,
        **{"project_id": PROJECT, "owner_id": OWNER, **options},
    )


def row_of(rest: respx.MockRouter) -> dict[str, Any]:
    """The row that was written last."""
    *_, call = [call for call in rest.calls if call.request.url.path == "/rest/v1/talk_tracks"]
    assert call.request.url.params["on_conflict"] == "job_id"
    row: dict[str, Any] = json.loads(call.request.content)
    return row


async def test_a_deck_becomes_one_row(
    rest: respx.MockRouter, db: AsyncPostgrestClient, sandbox_server: SandboxServer
) -> None:
    job = uuid.uuid4()
    recording = await run(db, SAMPLE, job_id=job)
    assert recording.error is None
    row = row_of(rest)
    assert (row["job_id"], row["project_id"], row["user_id"]) == (str(job), str(PROJECT), str(OWNER))
    assert (row["title"], row["status"], row["sandbox"]) == (SAMPLE["title"], "completed", True)
    assert [slide["position"] for slide in row["slides"]] == list(range(1, 13))
    assert "Reading a CV with a model takes 30 to 40 seconds" in row["slides"][1]["text"]
    assert row["total_duration_seconds"] == sum(slide["seconds"] for slide in row["slides"])
    assert recording.result.slides == 12
    assert recording.result.total_duration_seconds == row["total_duration_seconds"]
    assert recording.stages == ["reading", "writing", "saving"]
    assert recording.percents == sorted(recording.percents)
    assert round(99 * 10 / 12, 1) in [round(percent, 1) for percent in recording.percents]
    assert recording.metrics["slides_done"] == recording.metrics["slides_total"] == 12
    told = [slide for event in recording.events for slide in event.data["slides"]]
    assert {event.name for event in recording.events} == {"slides"}
    assert told == row["slides"]
    assert recording.steps_run == ["slides_0001_0010", "slides_0011_0012", "save"]
    assert recording.cost == sandbox_server.sandbox.ledger.total("openai") > 0
    assert {entry.step for entry in recording.usage} == {"slides_0001_0010", "slides_0011_0012"}


async def test_geminis_model_writes_it_as_well(
    rest: respx.MockRouter,
    db: AsyncPostgrestClient,
    sandbox_server: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADWAY_LLM_PROVIDER", "gemini")
    recording = await run(db, SAMPLE)
    assert recording.error is None
    assert row_of(rest)["sandbox"] is True
    assert recording.cost == sandbox_server.sandbox.ledger.total("gemini") > 0


async def test_each_portion_hears_what_came_before(rest: respx.MockRouter, db: AsyncPostgrestClient) -> None:
    await run(db, {"slides": slides(25)})
    bodies = [json.loads(c.request.content) for c in rest.calls if c.request.url.path == CHAT]
    said = [
        message["content"] for body in bodies for message in body["messages"] if message["role"] == "user"
    ]
    users = list(dict.fromkeys(said))  # what passes through is recorded twice
    assert len(users) == 3
    assert "Heard so far: nothing, the talk begins" in str(users[0])
    assert "Title 10" in str(users[1]).partition("<document>")[0]
    assert "Title 1;" in str(users[2]).partition("<document>")[0]
    assert "close the talk" in str(users[2])


async def test_a_later_attempt_goes_on_at_the_first_unfinished_portion(
    rest: respx.MockRouter, db: AsyncPostgrestClient, sandbox_server: SandboxServer
) -> None:
    first = await run(db, {"slides": slides(35)})
    kept = {name: first.steps[name] for name in ("slides_0001_0010", "slides_0011_0020")}
    sandbox_server.sandbox.requests.clear()
    again = await run(db, {"slides": slides(35)}, steps=kept, attempt=2)
    assert again.steps_run == ["slides_0021_0030", "slides_0031_0035", "save"]
    assert sandbox_server.sandbox.requests.of(CHAT) == 2
    fresh = [slide for event in again.events[1:] for slide in event.data["slides"]]
    assert row_of(rest)["slides"] == [s for chunk in kept.values() for s in chunk["slides"]] + fresh
    # The last one found is told again: its worker may have died before it had told it.
    assert again.events[0].data["slides"] == kept["slides_0011_0020"]["slides"]


async def test_a_worker_that_is_told_to_stop_finishes_its_portion_and_hands_the_job_on(
    rest: respx.MockRouter, db: AsyncPostgrestClient
) -> None:
    recording = await run(
        db, {"slides": slides(25)}, watch=lambda attempt: setattr(attempt, "told_to_stop", True)
    )
    assert (recording.outcome, recording.delay) == ("snoozed", 0)
    assert recording.steps_run == ["slides_0001_0010"]
    assert [slide["position"] for event in recording.events for slide in event.data["slides"]] == list(
        range(1, 11)
    )
    last = await run(db, {"slides": slides(10)}, watch=lambda attempt: setattr(attempt, "told_to_stop", True))
    assert last.outcome == "completed"


async def test_a_stored_deck_is_read_once_and_only_from_its_project(
    rest: respx.MockRouter, db: AsyncPostgrestClient
) -> None:
    deck = uuid.uuid4()
    reading = rest.get(f"{REST}/slide_decks").mock(
        return_value=httpx.Response(
            200,
            json=[
                {
                    "title": "Stored",
                    "slides": [
                        {"position": 2, "title": "Two", "body": None, "speaker_hints": None},
                        {"position": 7, "title": None, "body": "Seven", "speaker_hints": "Wave."},
                    ],
                }
            ],
        )
    )
    recording = await run(db, {"deck_id": str(deck)})
    assert recording.error is None
    asked = reading.calls[0].request.url.params
    assert (asked["id"], asked["project_id"]) == (f"eq.{deck}", f"eq.{PROJECT}")
    assert asked["slides.order"] == "position.asc"
    row = row_of(rest)
    assert ([s["position"] for s in row["slides"]], row["title"], row["deck_id"]) == (
        [2, 7],
        "Stored",
        str(deck),
    )
    again = await run(db, {"deck_id": str(deck)}, steps={"deck": recording.steps["deck"]}, attempt=2)
    assert (again.error, reading.call_count) == (None, 1)


async def test_a_deck_of_another_project_is_none(rest: respx.MockRouter, db: AsyncPostgrestClient) -> None:
    rest.get(f"{REST}/slide_decks").mock(return_value=httpx.Response(200, json=[]))
    recording = await run(db, {"deck_id": str(uuid.uuid4())})
    assert recording.error is not None
    assert (recording.outcome, recording.error.code) == ("failed", "deck_not_found")


@pytest.mark.parametrize(
    ("payload", "options", "code"),
    [
        ({"slides": slides(1)}, {"project_id": None}, "project_missing"),
        ({"slides": [{}]}, {}, "deck_empty"),
        ({"slides": [{"body": "x" * 12_001}]}, {}, "slide_too_long"),
    ],
)
async def test_nothing_is_paid_for_what_cannot_be_done(
    rest: respx.MockRouter, db: AsyncPostgrestClient, payload: Any, options: dict[str, Any], code: str
) -> None:
    recording = await run(db, payload, **options)
    assert recording.error is not None
    assert (recording.outcome, recording.error.code) == ("failed", code)
    assert recording.usage == []


async def test_a_budget_stops_the_next_call_and_keeps_what_was_written(
    rest: respx.MockRouter, db: AsyncPostgrestClient
) -> None:
    first = await run(db, {"slides": slides(20)})
    one = sum(entry.cost for entry in first.usage if entry.step == "slides_0001_0010")
    most = Decimal("0.025")
    recording = await run(db, {"slides": slides(400)}, budget=most)
    assert recording.error is not None
    assert (recording.outcome, recording.error.code) == ("failed", "HW501")
    assert one <= recording.cost <= most
    assert "slides_0001_0010" in recording.steps
    assert "save" not in recording.steps


@pytest.mark.parametrize(
    ("kinds", "outcome", "code"),
    [
        (["429", "429"], "completed", None),
        (["500", "503"], "completed", None),
        (["cut"], "completed", None),
        (["malformed", "malformed"], "completed", None),
        (["truncated"], "completed", None),
        (["malformed"] * 3, "failed", "answer_invalid"),
        (["refusal"], "failed", "model_refused"),
        (["content_filter"], "failed", "content_filtered"),
        (["quota"], "failed", "provider_quota_exhausted"),
        (["context_length"], "failed", "prompt_too_long"),
        (["503"] * 4, "retried", None),
    ],
)
async def test_what_providers_do(
    rest: respx.MockRouter,
    db: AsyncPostgrestClient,
    sandbox_server: SandboxServer,
    kinds: list[Any],
    outcome: str,
    code: str | None,
) -> None:
    for kind in kinds:
        sandbox_server.sandbox.faults.add(kind, provider="openai", times=1, retry_after=0.01)
    recording = await run(db, {"slides": slides(2)})
    assert recording.outcome == outcome
    if code is not None:
        assert recording.error is not None
        assert recording.error.code == code
        assert recording.error.hint
    assert recording.cost >= sandbox_server.sandbox.ledger.total("openai")


async def test_an_answer_about_other_slides_is_given_back_with_what_is_wrong(
    rest: respx.MockRouter, db: AsyncPostgrestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.test/v1")
    chat = rest.post("https://api.test/v1/chat/completions")
    chat.side_effect = [_reply([1]), _reply([1, 2])]
    recording = await run(db, {"slides": slides(2)})
    assert recording.error is None
    correction = json.loads(chat.calls[1].request.content)["messages"][-1]["content"]
    assert "exactly the positions [1, 2]" in str(correction)
    assert row_of(rest)["sandbox"] is False


def _reply(positions: list[int]) -> httpx.Response:
    said = {"slides": [{"position": p, "text": "Hello."} for p in positions], "summary": "Hello."}
    message = {"role": "assistant", "content": json.dumps(said)}
    return httpx.Response(
        200,
        json={
            "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4.1-mini-2025-04-14",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        },
    )  # fmt: skip


async def test_a_project_that_was_deleted_meanwhile_is_told(
    rest: respx.MockRouter, db: AsyncPostgrestClient
) -> None:
    refusal = {"code": "23503", "message": "violates foreign key", "details": None, "hint": None}
    rest.post(f"{REST}/talk_tracks").mock(return_value=httpx.Response(409, json=refusal))
    recording = await run(db, {"slides": slides(1)})
    assert recording.error is not None
    assert (recording.outcome, recording.error.code) == ("failed", "project_gone")
