"""A worker's memory does not grow with the jobs that it has run."""

from __future__ import annotations

import uuid
from pathlib import Path

import psutil
import pytest

from support.workers import running_worker

from .harness import Office

_ROUNDS = 4
_LARGEST_GROWTH = 6_000_000


@pytest.mark.timeout(600)
async def test_memory_is_flat(office: Office, tmp_path: Path, environment_as_given: dict[str, str]) -> None:
    jobs = 1250 if "HEADWAY_SOAK_JOBS" in environment_as_given else 60
    environment = {
        "STEADY_PREFIX": office.prefix,
        "STEADY_DIR": str(tmp_path),
        "HEADWAY_LOG_LEVEL": "WARNING",
    }
    kind = f"{office.prefix}.steps"
    module = "tests.integration.worker.steady"
    used: list[int] = []
    with running_worker(office.stack, module, log=tmp_path / "log", environment=environment) as worker:
        process = psutil.Process(worker.process.pid)
        for _ in range(_ROUNDS):
            batch = [{"id": str(uuid.uuid4()), "kind": kind, "payload": {"seconds": 0}} for _ in range(jobs)]
            for job in (await office.rpc("submit_many", {"jobs": batch}))["jobs"]:
                await office.completed(job["id"])
            used.append(process.memory_info().rss)
    # The first round fills caches and pools; after it, nothing is kept of a job.
    print("MB after each round:", [round(value / 1e6, 1) for value in used])
    assert used[-1] - used[0] < _LARGEST_GROWTH
