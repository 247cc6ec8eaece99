"""Whatever a handler does, it is named in the log and costs nobody else their job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil

from support.processes import all_gone
from support.workers import WorkerProcess, running_worker

from .harness import Office

HOSTILE = {
    "raises_base_exception": ("failed", "evil"),
    "exits": ("failed", "handler_exit"),
    "exits_in_a_task": ("failed", "handler_exit"),
    "exits_in_a_task_of_its_own": ("completed", None),
    "exits_in_a_thread": ("failed", "handler_exit"),
    "interrupts": ("failed", "handler_exit"),
    "cancels_itself": ("failed", "handler_cancelled"),
    "forks": ("completed", None),
    "forks_in_a_thread": ("completed", None),
    "starts_a_program": ("completed", None),
    "spins": ("failed", "loop_blocked"),
    "sleeps": ("failed", "loop_blocked"),
    "returns_garbage": ("failed", "result_invalid"),
    "returns_too_much": ("failed", "result_invalid"),
    "prints_secrets": ("failed", "value_error"),
    "prints_two_gigabytes": ("completed", None),
    "leaves_tasks": ("completed", None),
}
NAMED = {
    "forks": "forks this process",
    "forks_in_a_thread": "forks this process",
    "spins": "blocked the event loop",
    "sleeps": "blocked the event loop",
    "prints_two_gigabytes": "prints too much",
    "leaves_tasks": "left 3 tasks running",
}


def _environment(office: Office, **more: str) -> dict[str, str]:
    return {
        "HOSTILE_PREFIX": office.prefix,
        "HEADWAY_LOG_FORMAT": "json",
        "HEADWAY_STALL_SECONDS": "2",
        "HEADWAY_SCHEDULER": "false",
        "HEADWAY_RETENTION": "false",
        "HEADWAY_NOTIFIER": "false",
        **more,
    }


def _lines(worker: WorkerProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in worker.output.splitlines() if line.startswith("{")]


async def test_hostile_handlers_harm_themselves_alone(office: Office, tmp_path: Path) -> None:
    log = tmp_path / "log"
    module = "tests.integration.worker.hostile"
    with running_worker(office.stack, module, log=log, environment=_environment(office)) as worker:
        process = psutil.Process(worker.process.pid)
        innocents = [await office.submit(f"{office.prefix}.innocent") for _ in range(8)]
        jobs = {name: await office.submit(f"{office.prefix}.{name}") for name in HOSTILE}
        ends = {name: await office.ended(job) for name, job in jobs.items()}
        later = await office.submit(f"{office.prefix}.innocent")
        for job in [*innocents, later]:
            snapshot = await office.completed(job)
            assert (snapshot["result"], snapshot["attempt"]) == ("unharmed", 1)
        assert process.is_running()
        assert all_gone(process.children(recursive=True))

    found = {name: (end["status"], (end["error"] or {}).get("code")) for name, end in ends.items()}
    assert found == HOSTILE
    assert ends["forks"]["result"] == 70
    assert ends["forks_in_a_thread"]["result"] == 70
    assert all(end["attempt"] == 1 for end in ends.values())

    lines = _lines(worker)
    for name, words in NAMED.items():
        said = [line["message"] for line in lines if line["kind"] == f"{office.prefix}.{name}"]
        assert any(words in message for message in said), (name, said)
    assert ends["starts_a_program"]["result"] == "hello\n"
    assert not [line for line in lines if line["kind"] == f"{office.prefix}.starts_a_program"]
    for name, (status, _) in HOSTILE.items():
        if status == "failed":
            assert any(name in line["message"] and "has failed" in line["message"] for line in lines), name
    assert log.stat().st_size < 3_000_000
    story = json.dumps([ends["prints_secrets"], await office.events(jobs["prints_secrets"])])
    assert "in the timeline" in story
    assert "in the bar" in story
    assert "in the error" in story
    key = office.stack.keys.secret_key
    assert key not in story
    assert key not in worker.output
    assert "the key is <redacted>" in worker.output


async def test_a_worker_that_grows_too_large_drains_by_itself_and_names_who_made_it_grow(
    office: Office, tmp_path: Path
) -> None:
    environment = _environment(office, HEADWAY_MEMORY_LIMIT="250", HEADWAY_GRACE_SECONDS="60")
    module = "tests.integration.worker.hostile"
    with running_worker(office.stack, module, log=tmp_path / "log", environment=environment) as worker:
        job = await office.submit(f"{office.prefix}.hoards")
        assert (await office.completed(job))["attempt"] == 1
        assert worker.process.wait(30) == 0
    assert any("hoards" in line["message"] and "MB" in line["message"] for line in _lines(worker))


async def test_a_loop_that_cannot_be_interrupted_ends_its_process_and_the_others_go_on_elsewhere(
    office: Office, tmp_path: Path
) -> None:
    module = "tests.integration.worker.hostile"
    environment = _environment(office, HEADWAY_STALL_SECONDS="1")
    with running_worker(office.stack, module, log=tmp_path / "log", environment=environment) as worker:
        innocent = await office.submit(f"{office.prefix}.innocent")
        await office.until(innocent, lambda s: s["status"] == "processing")
        blocking = await office.submit(f"{office.prefix}.blocks_for_good", max_attempts=2)
        assert worker.process.wait(60) == 70
    assert (await office.snapshot(innocent))["failures"] == 0
    assert (await office.types(innocent))[-1] == "released"
    blocked = await office.snapshot(blocking)
    assert (blocked["failures"], blocked["error"]["code"]) == (1, "loop_blocked")
