"""Workers as processes that are really killed, drained and replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.wire import wire_to
from support.workers import ROOT, WorkerProcess, running_worker

from .harness import Office

MODULE = "tests.integration.worker.steady"

Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(office: Office, tmp_path: Path) -> Iterator[Start]:
    """Starts workers that are gone when the test ends."""
    with ExitStack() as running:
        count = 0

        def starting(*, wait: bool = True, **environment: str) -> WorkerProcess:
            nonlocal count
            count += 1
            log = tmp_path / f"worker-{count}.log"
            variables = _variables(office, tmp_path) | environment
            return running.enter_context(
                running_worker(office.stack, MODULE, log=log, environment=variables, wait=wait)
            )

        yield starting


def _variables(office: Office, directory: Path) -> dict[str, str]:
    return {
        "STEADY_PREFIX": office.prefix,
        "STEADY_DIR": str(directory),
        "HEADWAY_SCHEDULER": "false",
        "HEADWAY_RETENTION": "false",
        "HEADWAY_NOTIFIER": "false",
    }


def _run(office: Office, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """``headway worker`` until it ends by itself."""
    environment = {
        **os.environ,
        **_variables(office, directory),
        "SUPABASE_URL": office.stack.url,
        "SUPABASE_SECRET_KEY": office.stack.keys.secret_key,
    }
    return subprocess.run(
        [sys.executable, "-m", "headway.cli", "worker", *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


async def test_a_killed_workers_job_goes_on_elsewhere_at_default_settings(
    office: Office, start: Start
) -> None:
    first = start()
    job = await office.submit(f"{office.prefix}.waits")
    await office.until(job, lambda s: s["status"] == "processing")
    start()
    first.kill()
    killed = await office.admin.fetchval("select clock_timestamp()")
    snapshot = await office.until(job, lambda s: s["attempt"] == 2)
    (first.log.parent / "go").touch()
    assert (await office.completed(job))["result"] == "went on"
    assert (snapshot["status"], snapshot["failures"]) == ("processing", 1)
    (lost, _) = await office.attempts(job)
    assert lost["outcome"] == "lost"
    again = await office.admin.fetchval(
        "select at from headway.job_events where job_id = $1 and type = 'started' and attempt = 2",
        uuid.UUID(job),
    )
    # What the issue promises, by the server's clock: not a measure of speed, but of leases and sweeps.
    assert (again - killed).total_seconds() < 10


async def test_a_job_that_takes_its_workers_down_ends_after_its_attempts(
    office: Office, start: Start
) -> None:
    worker = start(HEADWAY_LEASE_SECONDS="5")
    job = await office.submit(f"{office.prefix}.poison")
    for _ in range(2):
        assert worker.process.wait(60) == 137
        # The job is there before its worker is ready: it may be gone again before it was seen.
        worker = start(wait=False, HEADWAY_LEASE_SECONDS="5")
    assert worker.process.wait(60) == 137
    start()
    snapshot = await office.until(job, lambda s: s["failures"] == 3)
    assert (snapshot["status"], snapshot["error"]["code"]) == ("failed", "lost")


async def test_sigterm_lets_jobs_finish_and_the_next_version_takes_over(office: Office, start: Start) -> None:
    old = start(HEADWAY_VERSION="1")
    (old.log.parent / "polite").touch()
    job = await office.submit(f"{office.prefix}.waits")
    await office.until(job, lambda s: s["status"] == "processing")
    start(HEADWAY_VERSION="2")
    old.process.send_signal(signal.SIGTERM)
    assert (await office.completed(job))["result"] == "finished up"
    assert old.process.wait(30) == 0
    later = await office.submit(f"{office.prefix}.steps")
    assert (await office.completed(later))["attempt"] == 1
    workers = await office.admin.fetch(
        "select version, stopped_at is null from headway.workers where $1 = any (kinds) order by version",
        f"{office.prefix}.steps",
    )
    assert [tuple(row) for row in workers] == [("1", False), ("2", True)]


async def test_a_second_signal_hands_back_at_once_without_burning_an_attempt(
    office: Office, start: Start
) -> None:
    worker = start(HEADWAY_GRACE_SECONDS="600")
    job = await office.submit(f"{office.prefix}.waits")
    await office.until(job, lambda s: s["status"] == "processing")
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_for("finishing what runs")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0
    snapshot = await office.snapshot(job)
    assert (snapshot["status"], snapshot["failures"]) == ("pending", 0)
    assert (await office.types(job))[-1] == "released"


@pytest.mark.parametrize(("name", "status"), [("stays", "failed"), ("leaves_a_thread", "completed")])
async def test_a_worker_ends_although_a_handler_does_not(
    office: Office, start: Start, name: str, status: str
) -> None:
    worker = start()
    assert (await office.ended(await office.submit(f"{office.prefix}.{name}")))["status"] == status
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0
    assert "cannot be ended" in worker.output


async def test_a_worker_ends_although_the_engine_answers_to_nothing(office: Office, start: Start) -> None:
    with wire_to(office.stack.url) as wire:
        worker = start(SUPABASE_URL=wire.url, HEADWAY_GRACE_SECONDS="600")
        job = await office.submit(f"{office.prefix}.waits")
        await office.until(job, lambda s: s["status"] == "processing")
        wire.hold_after_sending(0)
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("finishing what runs")
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(60) == 0
        assert "could not be told of the stop" in worker.output
    start()
    (worker.log.parent / "go").touch()
    assert (await office.completed(job))["result"] == "went on"


async def test_once_and_burst_end_by_themselves(office: Office, tmp_path: Path) -> None:
    assert _run(office, tmp_path, MODULE, "--once").returncode == 0
    jobs = [await office.submit(f"{office.prefix}.steps") for _ in range(7)]
    once = _run(office, tmp_path, MODULE, "--once", "--concurrency", "3")
    assert once.returncode == 0, once.stderr
    ended = [job for job in jobs if (await office.snapshot(job))["status"] == "completed"]
    assert len(ended) == 3
    burst = _run(office, tmp_path, MODULE, "--burst", "--concurrency", "2")
    assert burst.returncode == 0, burst.stderr
    assert {(await office.snapshot(job))["status"] for job in jobs} == {"completed"}


def test_what_is_wrong_with_the_command_line_is_said(office: Office, tmp_path: Path) -> None:
    for options, words in (
        (["no.such.module"], "there is no module no"),
        (["headway.errors"], "holds no Worker"),
        ([MODULE, "--kinds", f"{office.prefix}.step"], f"Did you mean {office.prefix}.steps?"),
        ([MODULE, "--once", "--burst"], "exclude each other"),
    ):
        run = _run(office, tmp_path, *options)
        assert run.returncode in (1, 2)
        assert words in run.stderr
        assert "Traceback" not in run.stderr
