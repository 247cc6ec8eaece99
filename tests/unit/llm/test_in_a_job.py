"""A handler that asks the model, in the real context, through the real clients, against the sandbox."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from pydantic import BaseModel

from headway import Context, Worker
from headway.sandbox.server import SandboxServer
from headway.testing import run_job
from workers.llm import Prompt, text_model

worker = Worker()


class Card(BaseModel):
    name: str
    city: str


@worker.job("card.read", stages=["reading"], retries=3)
async def read_card(ctx: Context, payload: dict[str, str]) -> Card:
    ctx.stage("reading")
    model = await ctx.shared(text_model)
    prompt = Prompt(system="Read.", user=f"<document>\n{payload['text']}\n</document>")

    async def ask() -> Card:
        return await model.complete(prompt, schema=Card, ctx=ctx, max_tokens=1000)

    return await ctx.step("read", ask, into=Card)


@pytest.fixture(autouse=True)
def environment(sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox_server.environment.items():
        monkeypatch.setenv(name, value)


async def test_the_call_is_in_the_job_s_usage_to_the_last_digit(sandbox_server: SandboxServer) -> None:
    recording = await run_job(worker, "card.read", {"text": "Name: Ada\nCity: London"})
    assert recording.outcome == "completed"
    assert recording.result == Card(name="Ada", city="London")
    ledger = sandbox_server.sandbox.ledger
    assert sum((entry.cost for entry in recording.usage), Decimal(0)) == ledger.total("openai") > 0
    assert {(entry.unit, entry.step) for entry in recording.usage} == {
        ("input_token", "read"),
        ("output_token", "read"),
    }


async def test_a_step_that_is_done_is_not_paid_again(sandbox_server: SandboxServer) -> None:
    done = {"read": {"name": "Ada", "city": "London"}}
    recording = await run_job(worker, "card.read", {"text": "Name: Ada"}, steps=done)
    assert recording.result == Card(name="Ada", city="London")
    assert recording.usage == []
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 0


async def test_a_budget_too_small_ends_the_job_before_the_call(sandbox_server: SandboxServer) -> None:
    recording = await run_job(worker, "card.read", {"text": "Name: Ada"}, budget=Decimal("0.000001"))
    assert recording.outcome == "failed"
    assert recording.error is not None
    assert recording.error.code == "HW501"
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 0


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        ("quota", "failed", "provider_quota_exhausted"),
        ("refusal", "failed", "model_refused"),
        ("content_filter", "failed", "content_filtered"),
        ("context_length", "failed", "prompt_too_long"),
        ("malformed", "failed", "answer_invalid"),
        ("truncated", "failed", "answer_too_long"),
    ],
)
async def test_what_does_not_pass_fails_the_job_with_a_code_and_a_remedy(
    sandbox_server: SandboxServer, fault: str, outcome: str, code: str
) -> None:
    sandbox_server.sandbox.faults.add(fault, provider="openai")  # type: ignore[arg-type]
    recording = await run_job(worker, "card.read", {"text": "Name: Ada"})
    assert (recording.outcome, recording.error and recording.error.code) == (outcome, code)
    assert recording.error is not None
    assert recording.error.hint


async def test_a_long_retry_after_is_kept_by_the_job(sandbox_server: SandboxServer) -> None:
    sandbox_server.sandbox.faults.add("429", provider="openai", retry_after=90)
    recording = await run_job(worker, "card.read", {"text": "Name: Ada"})
    assert recording.outcome == "retried"
    assert recording.delay == 90
    assert recording.usage == []


@worker.job("cards.read")
async def read_cards(ctx: Context, payload: dict[str, int]) -> list[str]:
    model = await ctx.shared(text_model)

    async def ask(number: int) -> str:
        prompt = Prompt(system="Read.", user=f"<document>\nName: Ada {number}\nCity: London\n</document>")
        return (await model.complete(prompt, schema=Card, ctx=ctx, max_tokens=1000)).name

    return await asyncio.gather(*(ask(number) for number in range(payload["cards"])))


async def test_calls_at_once_wait_for_each_other_before_the_budget_is_given_up(
    sandbox_server: SandboxServer,
) -> None:
    # Enough for the most that one of them can cost, and for what all of them do.
    sandbox_server.sandbox.faults.add("slow", seconds=0.05)
    recording = await run_job(worker, "cards.read", {"cards": 5}, budget=Decimal("0.003"))
    assert recording.result == [f"Ada {number}" for number in range(5)]
    ledger = sandbox_server.sandbox.ledger
    assert sum((entry.cost for entry in recording.usage), Decimal(0)) == ledger.total("openai")


async def test_what_is_too_dear_for_the_budget_waits_for_nothing(sandbox_server: SandboxServer) -> None:
    recording = await run_job(worker, "cards.read", {"cards": 5}, budget=Decimal("0.001"))
    assert recording.error is not None
    assert recording.error.code == "HW501"
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 0
