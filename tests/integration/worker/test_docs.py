"""The examples of docs/writing-a-worker.md do what the page says."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from headway import Worker
from headway.testing import run_job
from support.documents import examples

from .harness import Office

EXAMPLES = {example.caller: example.text for example in examples("writing-a-worker.md", "python")}


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The examples as modules that can be imported."""
    for name, text in EXAMPLES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in EXAMPLES:
        sys.modules.pop(name, None)


def worker_of(name: str) -> Worker:
    worker = importlib.import_module(name).worker
    assert isinstance(worker, Worker)
    return worker


def test_the_first_one_has_twelve_lines() -> None:
    assert len([line for line in EXAMPLES["hello"].splitlines() if line.strip()]) <= 12


def test_the_test_passes(page: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "testing.py"], cwd=page, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.usefixtures("page")
async def test_progress_steps_and_partial_output() -> None:
    notes = b"so many words in these notes of ours"
    recording = await run_job(
        worker_of("report"),
        "report.make",
        files={"notes": notes},
        steps={"page 1": {"number": 1, "words": 9}},
    )
    assert recording.outcome == "completed", recording.error
    assert recording.steps_run == ["count", "page 2", "page 3"]
    assert [event.data["words"] for event in recording.events] == [9, 2, 2]
    assert recording.metrics == {"words": 13}
    assert recording.percents == sorted(recording.percents)
    assert recording.uploads["report.txt"].content == b"1: 9\n2: 2\n3: 2"


@pytest.mark.usefixtures("page")
async def test_money() -> None:
    recording = await run_job(worker_of("paid"), "essay.write")
    assert recording.document == {"parts": ["part 0", "part 1", "part 2", "part 3"], "left": "0.016"}
    assert recording.cost == Decimal("0.084")


@pytest.mark.usefixtures("page")
async def test_waiting_and_shared_things(office: Office) -> None:
    worker = Worker()
    for name in ("approval", "shared", "hello"):
        worker.include(worker_of(name))
    async with office.running(worker):
        book = await office.submit("book.translate", {"chapters": ["a", "b"]})
        await office.until(book, lambda s: s["waiting_for"] == "signal")
        await office.rpc("signal", {"job_id": book, "name": "approval", "payload": True})
        assert (await office.completed(book))["result"] == ["A", "B"]
        assert (await office.completed(await office.submit("model.ask")))["result"] == 1
        greeting = await office.completed(await office.submit("hello.greet", {"name": "Ada"}))
        assert greeting["result"] == "Hello, Ada!"


@pytest.mark.usefixtures("page")
async def test_callbacks(office: Office) -> None:
    from support.workers import free_port

    port = free_port()
    settings = {"http_port": port, "public_url": f"http://127.0.0.1:{port}"}
    async with office.running(worker_of("callback"), **settings):
        job = await office.submit("render.order")
        waiting = await office.until(job, lambda s: s["waiting_for"] == "signal")
        url = next(step["result"] for step in waiting["steps"] if step["name"] == "order")
        forged = await office.http.post(url, json={"file": "evil"})
        assert forged.status_code == 401
        headers = {"authorization": "Bearer of-the-provider"}
        answers = [
            (await office.http.post(url, json={"file": "a.mp4"}, headers=headers)).json() for _ in range(2)
        ]
        assert (await office.completed(job))["result"] == "a.mp4"
    assert answers == [{"state": "delivered"}, {"state": "repeated"}]
