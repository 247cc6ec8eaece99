"""Every service of a worker, started and stopped in every order that may happen."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from headway import Context, Worker
from headway.link import RealtimeLink
from headway.settings import WorkerSettings
from headway.worker.runtime import Runtime
from headway.worker.service import Service
from headway.worker.waking import Waking
from support.service_life import stress_start_and_stop

from .harness import Bench

# Those have their own stress beside their other tests.
ELSEWHERE = {"lag monitor", "http port", "scheduler", "retention", "notifier", "outbox wake", "waking"}


class Parts:
    """Workers that are put together and never run, and all of their services."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._built: list[Runtime] = []

    def services(self) -> dict[str, Service]:
        """The services of one more worker."""
        settings = WorkerSettings(
            url=self._bench.stack.url,
            secret_key=self._bench.stack.keys.secret_key,
            http_port=0,
            capture_output=True,
        )
        worker = Worker()

        @worker.job(self._bench.kind, queue=self._bench.kind.replace(".", "-"))
        async def nothing(ctx: Context, payload: object) -> None:
            return None

        runtime = Runtime(worker, settings)
        self._built.append(runtime)
        parts = runtime.parts
        return {s.name: s for s in (*parts.services, parts.sweeper, parts.claimer)}

    async def discard(self) -> None:
        """Let go of everything."""
        for runtime in self._built:
            await runtime._stop()


@pytest.fixture(autouse=True)
def one_ssl_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each HTTP client reads all certificates anew: most of the time of building hundreds of them."""
    context = ssl.create_default_context()
    monkeypatch.setattr(ssl, "create_default_context", lambda *_args, **_options: context)


async def test_life_of_all_that_run_jobs(bench: Bench) -> None:
    parts = Parts(bench)
    try:
        names = [name for name in parts.services() if name not in ELSEWHERE]
        assert {"keeper", "finisher", "runner", "sweeper", "claimer", "watchdog"} <= set(names)
        for name in names:
            await stress_start_and_stop(lambda wanted=name: parts.services()[wanted])  # type: ignore[misc]
    finally:
        async with asyncio.timeout(60):
            await parts.discard()


async def test_life_of_what_listens(bench: Bench) -> None:
    parts = Parts(bench)
    async with RealtimeLink(bench.stack.url, bench.stack.keys.secret_key) as link:

        def build() -> Service:
            waking = parts.services()["waking"]
            assert isinstance(waking, Waking)
            waking._link = link  # not its own: it outlives it
            return waking

        await stress_start_and_stop(build, owned=lambda task: "waking" in task.get_name())
    await parts.discard()
