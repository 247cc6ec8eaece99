"""A language that fails is told and fails no other; what may pass is tried once more by the job itself."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from headway import ApiError, BudgetExceeded, Context, LeaseLost, Retry, Worker
from headway.testing import run_job
from workers.video import translating
from workers.video.settings import VideoSettings
from workers.video.transcript import Transcript
from workers.video.translating import Translation, translate

LANGUAGES = ["de", "fr", "es", "it"]


@pytest.fixture
def worker() -> Worker:
    worker = Worker()

    @worker.job("test.translate")
    async def run(ctx: Context) -> Any:
        transcript = Transcript(language="en", duration=1, segments=[], sandbox=True)
        told: list[tuple[int, int]] = []
        results, kept = await translate(
            ctx, uuid4(), transcript, [], LANGUAGES, VideoSettings(), lambda *count: told.append(count)
        )
        return {"results": [r.model_dump() for r in results], "kept": kept, "told": told}

    return worker


def failing(monkeypatch: pytest.MonkeyPatch, **errors: BaseException) -> list[str]:
    """Let some languages fail; the languages that were begun."""
    begun: list[str] = []

    async def language(*arguments: Any) -> Translation:
        tag = arguments[4]
        begun.append(tag)
        if tag in errors:
            raise errors[tag]
        return Translation(articles=2, kept=1)

    monkeypatch.setattr(translating, "_language", language)
    return begun


async def test_each_failure_is_told_with_its_code(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(
        monkeypatch,
        de=ApiError("The model declined.", code="model_refused"),
        fr=BudgetExceeded("No money.", code="HW501"),
        es=RuntimeError("inner detail"),
    )
    recording = await run_job(worker, "test.translate")
    assert recording.document["results"] == [
        {
            "language": "de",
            "status": "failed",
            "error_code": "model_refused",
            "error_message": "The model declined.",
        },
        {"language": "fr", "status": "failed", "error_code": "HW501", "error_message": "No money."},
        {"language": "es", "status": "failed", "error_code": "unexpected", "error_message": "RuntimeError"},
        {"language": "it", "status": "completed", "error_code": None, "error_message": None},
    ]
    assert recording.document["kept"] == 1
    assert recording.document["told"][-1] == [4, 4]


async def test_what_may_pass_is_tried_once_more_for_what_is_left(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = failing(monkeypatch, de=Retry("Busy.", code="provider_unavailable", after=7))
    first = await run_job(worker, "test.translate")
    assert (first.outcome, first.delay) == ("retried", 7)
    assert sorted(begun) == sorted(LANGUAGES)
    begun.clear()
    second = await run_job(worker, "test.translate", steps=first.steps, attempt=2, failures=1)
    assert begun == ["de"]
    (failed, *others) = second.document["results"]
    assert (failed["status"], failed["error_code"]) == ("failed", "provider_unavailable")
    assert {other["status"] for other in others} == {"completed"}


async def test_whoever_has_lost_the_job_stops(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, fr=LeaseLost())
    recording = await run_job(worker, "test.translate")
    assert recording.document is None
