"""The image's steps as plain commands, and workers that run from what they make as containers would."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.stack import TestStack

from .image import USER, Container, Image, can_unshare, soon

pytestmark = pytest.mark.xdist_group("container")
JOBS = Path(__file__).with_name("jobs.py")


@pytest.fixture(scope="module")
def jobs(image: Image) -> Iterator[str]:
    """A module of one's own, where the Dockerfile of one's own would copy it."""
    name = "jobs_of_the_tests"
    copied = image.target / "app" / f"{name}.py"
    shutil.copyfile(JOBS, copied)
    copied.chmod(0o644)
    yield name
    copied.unlink()


class Engine:
    """A project, as its operator calls it."""

    def __init__(self, stack: TestStack) -> None:
        self.stack = stack
        self.queue = "test-container"
        key = stack.keys.secret_key
        self._http = httpx.Client(
            base_url=f"{stack.url}/rest/v1/rpc/",
            headers={"apikey": key, "authorization": f"Bearer {key}", "content-profile": "headway"},
            timeout=20,
        )

    def settings(self) -> dict[str, str]:
        return {"SUPABASE_URL": self.stack.url, "SUPABASE_SECRET_KEY": self.stack.keys.secret_key}

    def call(self, function: str, **arguments: Any) -> Any:
        answer = self._http.post(function, json=arguments)
        assert answer.is_success, answer.text
        return answer.json()

    def submit(self, kind: str, **payload: Any) -> str:
        body = {"kind": kind, "payload": payload, "owner_id": str(uuid.uuid4())}
        return str(self.call("submit", **body)["id"])

    def snapshot(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("snapshot", job_id=job_id)
        return found

    def until(self, job_id: str, *statuses: str) -> dict[str, Any]:
        assert soon(lambda: self.snapshot(job_id)["status"] in statuses), self.snapshot(job_id)
        return self.snapshot(job_id)

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def engine(stack: TestStack) -> Iterator[Engine]:
    if not isinstance(stack, TestStack):
        pytest.skip("workers of these tests are not for a project of somebody's, and --supabase was given")
    made = Engine(stack)
    yield made
    made.close()


INSIDE = pytest.param(
    True,
    id="as process 1 before a read-only file system",
    marks=pytest.mark.skipif(not can_unshare(), reason="needs root, unshare and setpriv of Linux"),
)
EITHER = pytest.mark.parametrize("inside", [pytest.param(False, id="as another user"), INSIDE])


def ready(worker: Container) -> None:
    worker.until("runs test.container_probe")


def test_what_is_installed_is_what_runs_jobs(image: Image) -> None:
    packages = {
        path.name.split("-")[0] for path in image.target.glob("lib/python*/site-packages/*.dist-info")
    }
    assert {"headway", "supabase", "aiosmtplib", "openai"} <= packages
    assert not packages & {"pip", "setuptools", "pytest", "ruff", "mypy", "hatchling", "asyncpg", "uv"}
    headway = next(image.target.glob("lib/python*/site-packages/headway"))
    for shipped in (
        "worker/templates/message.html",
        "_supabase/migrations",
        "_pipelines/workers/cv",
        "py.typed",
    ):
        assert (headway / shipped).exists(), shipped
    assert (image.target / "app" / "workers" / "cv" / "__init__.py").is_file()
    assert not list(image.target.glob("**/*.env"))


def test_its_commands_work(image: Image) -> None:
    version = image.run("headway", "--version")
    assert (version.returncode, version.stdout.startswith("headway ")) == (0, True), version.stderr
    assert image.run("headway", "worker", "--help").returncode == 0
    missing = image.run("headway", "worker", "workers.cv")
    assert missing.returncode == 1
    assert "SUPABASE_URL" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_every_pipeline_can_be_imported(image: Image) -> None:
    command = next(
        line for line in (JOBS.parents[3] / "Dockerfile").read_text().splitlines() if line.startswith("CMD")
    )
    modules = [word.strip('[" ]') for word in command.removeprefix("CMD").split(",")]
    assert len(modules) == 5
    imports = "; ".join(f"import {module}; assert {module}.worker" for module in modules)
    run = image.run("python", "-c", imports)
    assert run.returncode == 0, run.stderr


@EITHER
def test_a_worker_runs_jobs_and_may_write_nowhere_else(
    image: Image, jobs: str, engine: Engine, inside: bool
) -> None:
    with image.container(jobs, inside=inside, **engine.settings()) as worker:
        ready(worker)
        check = image.run("python", "-m", "headway.worker.healthcheck", environment=worker.environment)
        assert check.returncode == 0, check.stderr
        job = engine.until(engine.submit("test.container_probe"), "completed", "failed")
        assert job["status"] == "completed", job["error"]
        found = job["result"]
        # Without root, what stands in for the image belongs to whoever runs it.
        assert len(found["refused"]) == (4 if inside or os.geteuid() == 0 else 2), "not even where it lives"
        if os.geteuid() == 0:
            assert (found["uid"], found["gid"], found["groups"]) == (USER, USER, [])
        assert (found["pid"] == 1) is inside
        worker.stop()
        assert worker.ended() == 0
    assert [line for line in worker.lines if line["level"] not in ("INFO", "DEBUG")] == []
    assert engine.stack.keys.secret_key not in str(worker.lines)


@EITHER
def test_a_stop_lets_jobs_finish_and_hands_back_the_rest(
    image: Image, jobs: str, engine: Engine, inside: bool
) -> None:
    settings = engine.settings() | {"HEADWAY_GRACE_SECONDS": "3"}
    with image.container(jobs, inside=inside, **settings) as worker:
        ready(worker)
        finishes = engine.submit("test.container_slow", seconds=60, listens=True)
        goes_on = engine.submit("test.container_slow", seconds=60, listens=False)
        for job_id in (finishes, goes_on):
            engine.until(job_id, "processing")
        worker.stop()
        assert worker.ended() == 0
    assert (engine.snapshot(finishes)["status"], engine.snapshot(finishes)["result"]) == ("completed", "told")
    handed_back = engine.snapshot(goes_on)
    assert (handed_back["status"], handed_back["failures"]) == ("pending", 0), "no attempt was burnt"
    assert [attempt["outcome"] for attempt in handed_back["attempts"]] == ["released"]
    engine.call("cancel", job_id=goes_on)


@pytest.mark.parametrize("inside", [INSIDE])
def test_a_stop_during_the_start_is_heard(image: Image, jobs: str, inside: bool) -> None:
    """Process 1 ignores what it has no handler for, and docker would wait for the whole grace period."""
    nowhere = {"SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_SECRET_KEY": "sb_secret_0123456789"}
    with image.container(jobs, inside=inside, **nowhere) as worker:
        worker.until("health, metrics and callbacks")
        worker.stop(signal.SIGTERM)
        assert worker.ended(20) == 0


def test_a_worker_that_is_away_is_unhealthy(image: Image) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = str(closed.getsockname()[1])
        environment = image.environment(HEADWAY_HTTP_HOST="0.0.0.0", HEADWAY_HTTP_PORT=port)
        check = image.run("python", "-m", "headway.worker.healthcheck", environment=environment)
    assert (check.returncode, "does not answer" in check.stderr) == (1, True)
    for wrong in ("", "0", "x", "99999"):
        environment = image.environment(HEADWAY_HTTP_PORT=wrong)
        check = image.run("python", "-m", "headway.worker.healthcheck", environment=environment)
        assert (check.returncode, "HEADWAY_HTTP_PORT" in check.stderr) == (1, True)
