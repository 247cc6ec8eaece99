"""``document.generate`` from prompt to row: real clients, the sandbox's n8n, and a faked Data API."""

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
from workers.document import worker

REST = "https://project.test/rest/v1"
OWNER = uuid.uuid4()
PROJECT = uuid.uuid4()
SIGNAL = "system.document_1"
HTML = "<h1>Hello</h1><script>alert(1)</script><p onclick=x>There</p>"
CLEAN = "<h1>Hello</h1><p>There</p>"
SAMPLE = json.loads(
    (Path(__file__).parents[3] / "workers" / "document" / "sample" / "payload.json").read_text("utf-8")
)


@pytest.fixture(autouse=True)
def environment(sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox_server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def later(sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The automation answers 202; its callback goes nowhere here, the tests say what it brings."""
    monkeypatch.setenv("N8N_WEBHOOK_URL", f"{sandbox_server.url}/n8n/webhook/document-later?repeat=0")


@pytest.fixture
def rest() -> Iterator[respx.MockRouter]:
    """PostgREST as the official client meets it; what is written is answered with an id."""
    with respx.mock(assert_all_called=False) as router:
        router.route(host="127.0.0.1").pass_through()
        router.post(f"{REST}/documents").mock(side_effect=_inserted)
        router.get(f"{REST}/signals").mock(return_value=httpx.Response(200, json=[]))
        yield router


def _inserted(request: httpx.Request) -> httpx.Response:
    return httpx.Response(201, json=[{"id": str(uuid.uuid4()), **json.loads(request.content)}])


def _has_come(rest: respx.MockRouter, payload: dict[str, Any]) -> None:
    """The first call's answer is among the job's signals."""

    def signals(request: httpx.Request) -> httpx.Response:
        first = request.url.params["name"] == f"eq.{SIGNAL}"
        return httpx.Response(200, json=[{"payload": payload}] if first else [])

    rest.get(f"{REST}/signals").mock(side_effect=signals)


@pytest.fixture
async def db() -> AsyncIterator[AsyncPostgrestClient]:
    async with httpx.AsyncClient(base_url=REST) as http:
        yield AsyncPostgrestClient(REST, http_client=http)


async def run(db: Any, payload: Any = SAMPLE, **options: Any) -> Recording:
    return await run_job(
        worker, "document.generate", payload, db=db, **{"owner_id": OWNER, "project_id": None, **options}
    )


def row_of(rest: respx.MockRouter) -> dict[str, Any]:
    """The row that was written last."""
    *_, call = [call for call in rest.calls if call.request.url.path == "/rest/v1/documents"]
    assert call.request.url.params["on_conflict"] == "job_id"
    row: dict[str, Any] = json.loads(call.request.content)
    return row


def code_of(recording: Recording) -> str | None:
    return recording.error.code if recording.error else None


async def test_a_prompt_becomes_a_harmless_document(
    rest: respx.MockRouter,
    db: AsyncPostgrestClient,
    sandbox_server: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADWAY_DOCUMENT_CALL_COST", "0.0125")
    job = uuid.uuid4()
    recording = await run(db, job_id=job)
    assert recording.error is None
    row = row_of(rest)
    assert (row["job_id"], row["user_id"], row["title"]) == (str(job), str(OWNER), SAMPLE["title"])
    assert "project_id" not in row
    assert row["sandbox"] is True
    assert row["html"].startswith("<h1>Onboarding handbook</h1>")
    assert "<style" not in row["html"]
    assert 'href="#doc-section-1"' in row["html"]
    assert 'id="doc-section-1"' in row["html"]
    assert recording.stages == ["asking", "writing", "checking", "saving"]
    assert recording.percents == sorted(recording.percents)
    assert recording.result.bytes == len(row["html"].encode()) == recording.metrics["bytes"]
    (shown,) = recording.events
    assert shown.name == "document"
    assert (shown.data["title"], shown.data["bytes"]) == (SAMPLE["title"], recording.result.bytes)
    assert shown.data["headings"][0] == {"level": 1, "text": "Onboarding handbook"}
    assert "Headway sandbox" in shown.data["text"]
    assert recording.result.title == SAMPLE["title"]
    ((entry),) = recording.usage
    assert (entry.provider, entry.unit, entry.cost, entry.step) == (
        "n8n",
        "execution",
        Decimal("0.0125"),
        "call_1",
    )
    assert sandbox_server.sandbox.ledger.quantity("n8n", unit="execution") == 1


async def test_a_project_owns_its_documents(rest: respx.MockRouter, db: AsyncPostgrestClient) -> None:
    recording = await run(db, {"prompt": "Write. Rules, tools"}, project_id=PROJECT)
    assert recording.error is None
    row = row_of(rest)
    assert row["project_id"] == str(PROJECT)
    assert "user_id" not in row
    assert row["title"] == "Write"


@pytest.mark.parametrize(
    "payload", [{}, {"prompt": ""}, {"prompt": " \n"}, {"prompt": "x" * 20_001}, {"prompt": "x", "url": "y"}]
)
async def test_what_cannot_be_asked_for(db: AsyncPostgrestClient, payload: Any) -> None:
    recording = await run(db, payload)
    assert recording.outcome == "failed"
    assert recording.usage == []


@pytest.mark.usefixtures("later")
async def test_an_automation_that_answers_later_is_waited_for_without_a_worker(
    rest: respx.MockRouter, db: AsyncPostgrestClient
) -> None:
    recording = await run(db)
    assert recording.outcome == "waiting"
    assert recording.wait is not None
    assert (recording.wait.what, recording.wait.signal) == ("signal", SIGNAL)
    assert recording.wait.seconds == pytest.approx(3600, abs=5)
    assert recording.stages == ["asking", "writing"]
    assert recording.steps["call_1"] == {"run": 1, "document": None}

    again = await run(
        db, steps=recording.steps, signals={SIGNAL: {"html": HTML, "title": "Theirs"}}, attempt=2
    )
    assert again.error is None
    assert again.steps_run == ["save"]
    assert again.stages == ["writing", "checking", "saving"]
    assert row_of(rest)["html"] == CLEAN
    assert again.usage == []


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    ("asked", "theirs", "title"),
    [
        ("Asked", "Theirs", "Asked"),
        (None, "Theirs", "Theirs"),
        (" ", "Theirs", "Theirs"),
        ("", None, "Hello"),
    ],
)
async def test_titles(
    rest: respx.MockRouter, db: AsyncPostgrestClient, asked: str | None, theirs: str | None, title: str
) -> None:
    steps = {"call_1": {"run": 1, "document": None}}
    signals = {SIGNAL: {"html": HTML, "title": theirs}}
    recording = await run(db, {"prompt": "x", "title": asked}, steps=steps, signals=signals)
    assert (recording.result.title, row_of(rest)["title"]) == (title, title)


@pytest.mark.usefixtures("later")
async def test_a_worker_without_public_address_says_so(db: AsyncPostgrestClient) -> None:
    recording = await run(db, public_url=None)
    # The sandbox's n8n refuses a call without an address; the next test is about one that takes it.
    assert code_of(recording) == "automation_refused"


async def test_an_automation_that_wants_to_call_back_nowhere(
    rest: respx.MockRouter, db: AsyncPostgrestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("N8N_WEBHOOK_URL", "https://n8n.test/hook")
    monkeypatch.setenv("HEADWAY_DOCUMENT_ORIGINS", "https://n8n.test")
    monkeypatch.setattr("workers.document.webhook.GuardedTransport", lambda _origins: _answers(202, b""))
    recording = await run(db, public_url=None)
    assert code_of(recording) == "callback_impossible"
    assert recording.outcome == "failed"


def _answers(status: int, body: bytes) -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(status, stream=_Stream(body)))


class _Stream(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    ("signal", "code"),
    [
        ({"error": "This is not for us."}, "automation_failed"),
        ({"html": "<style>p{}</style>"}, "html_empty"),
        ({"html": "<div>" * 300 + "x"}, "html_too_deep"),
    ],
)
async def test_a_callback_of_no_use_fails_the_job_and_a_persons_retry_calls_anew(
    rest: respx.MockRouter, db: AsyncPostgrestClient, signal: dict[str, Any], code: str
) -> None:
    steps = {"call_1": {"run": 1, "document": None}}
    recording = await run(db, steps=steps, signals={SIGNAL: signal}, attempt=2)
    assert (recording.outcome, code_of(recording)) == ("failed", code)

    _has_come(rest, signal)
    again = await run(db, steps=recording.steps, signals={SIGNAL: signal}, attempt=3, run=2)
    assert again.outcome == "waiting"
    assert again.steps_run[-1:] == ["call_2"] or "call_2" in again.steps
    assert again.wait is not None
    assert again.wait.signal == "system.document_2"


@pytest.mark.usefixtures("later")
async def test_a_persons_retry_takes_what_has_come_already(
    rest: respx.MockRouter, db: AsyncPostgrestClient
) -> None:
    _has_come(rest, {"html": HTML})
    recording = await run(db, steps={"call_1": {"run": 1, "document": None}}, attempt=6, run=2)
    assert recording.error is None
    assert recording.steps_run == ["save"]
    asked = rest.get(f"{REST}/signals").calls[0].request.url.params
    assert asked["name"] == f"eq.{SIGNAL}"


async def test_a_call_that_was_given_up_and_answered_all_the_same_is_not_repeated(
    rest: respx.MockRouter, db: AsyncPostgrestClient, sandbox_server: SandboxServer
) -> None:
    _has_come(rest, {"html": HTML})
    recording = await run(db, attempt=2, failures=1)
    assert recording.error is None
    assert row_of(rest)["html"] == CLEAN
    assert sandbox_server.sandbox.requests.of("/n8n/webhook/document") == 0
    assert recording.usage == []


@pytest.mark.usefixtures("later")
async def test_an_automation_that_says_so_is_called_again_three_times_at_most(
    rest: respx.MockRouter, db: AsyncPostgrestClient, sandbox_server: SandboxServer
) -> None:
    said = {"error": "The model is busy.", "retryable": True}
    signals = {f"system.document_{n}": said for n in (1, 2, 3)}
    recording = await run(db, signals=signals)
    assert code_of(recording) == "automation_failed"
    assert recording.outcome == "failed"
    assert recording.error is not None
    assert recording.error.message == "the automation has failed: The model is busy. (in 3 calls)"
    assert sandbox_server.sandbox.ledger.quantity("n8n", unit="execution") == 3


@pytest.mark.usefixtures("later")
async def test_silence_ends_at_its_time(
    rest: respx.MockRouter, db: AsyncPostgrestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_DOCUMENT_CALLBACK_SECONDS", "0.001")
    recording = await run(db)
    assert (recording.outcome, code_of(recording)) == ("failed", "automation_silent")


@pytest.mark.parametrize(
    ("kind", "outcome", "code", "delay"),
    [
        ("429", "retried", "automation_rate_limited", (7, 10)),
        ("500", "retried", "automation_failing", (0, 3)),
        ("503", "retried", "automation_failing", (7, 10)),
        ("quota", "failed", "automation_refused", None),
        ("malformed", "retried", "answer_malformed", (0, 3)),
        ("truncated", "retried", "answer_malformed", (0, 3)),
        ("cut", "retried", "automation_broke_off", (0, 3)),
        ("refusal", "failed", "automation_failed", None),
    ],
)
async def test_what_automations_do(
    db: AsyncPostgrestClient,
    sandbox_server: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
    kind: Any,
    outcome: str,
    code: str,
    delay: tuple[float, float] | None,
) -> None:
    monkeypatch.setenv("HEADWAY_DOCUMENT_CALL_COST", "0.01")
    retry_after = 7 if kind in ("429", "503") else None
    sandbox_server.sandbox.faults.add(kind, provider="n8n", times=1, retry_after=retry_after)
    recording = await run(db)
    assert (recording.outcome, code_of(recording)) == (outcome, code)
    if delay is not None:
        assert recording.delay is not None
        assert delay[0] <= recording.delay <= delay[1]
    # Whatever the automation has run is paid for, and nothing else.
    runs = sandbox_server.sandbox.ledger.quantity("n8n", unit="execution")
    assert recording.cost == Decimal("0.01") * runs


async def test_an_answer_in_time_or_none(
    db: AsyncPostgrestClient, sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_DOCUMENT_ANSWER_SECONDS", "0.05")
    monkeypatch.setenv("HEADWAY_DOCUMENT_CALL_COST", "0.01")
    sandbox_server.sandbox.faults.add("timeout", provider="n8n", times=1, seconds=60)
    recording = await run(db)
    assert (recording.outcome, code_of(recording)) == ("retried", "automation_timeout")
    # It may have run: its greatest cost counts.
    assert recording.cost == Decimal("0.01")


async def test_a_budget_stops_the_call_before_it_is_made(
    db: AsyncPostgrestClient, sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_DOCUMENT_CALL_COST", "0.01")
    recording = await run(db, budget=Decimal("0.009"))
    assert (recording.outcome, code_of(recording)) == ("failed", "HW501")
    assert sandbox_server.sandbox.requests.of("/n8n/webhook/document") == 0


async def test_a_missing_setting_is_named(db: AsyncPostgrestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("N8N_WEBHOOK_SECRET")
    recording = await run(db)
    assert (recording.outcome, code_of(recording)) == ("failed", "config_invalid")
    assert recording.error is not None
    assert "N8N_WEBHOOK_SECRET" in recording.error.message


async def test_a_document_of_nobody_is_refused_before_it_is_paid_for(db: AsyncPostgrestClient) -> None:
    # Jobs of the service itself have no owner; run_job always gives one, so the claim is asked directly.
    from types import SimpleNamespace

    from headway import InvalidRequest
    from workers.document.storing import refuse_without_owner

    with pytest.raises(InvalidRequest) as refused:
        refuse_without_owner(SimpleNamespace(job=SimpleNamespace(project_id=None, owner_id=None)))  # type: ignore[arg-type]
    assert refused.value.code == "owner_missing"
