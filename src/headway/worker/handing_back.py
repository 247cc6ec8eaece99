"""Hands jobs back from outside an event loop that is blocked for good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from headway.settings import WorkerSettings
from headway.worker.attempt import Attempt
from headway.worker.http_store import HttpStore
from headway.worker.observations import Observations

__all__ = ["hand_back"]

_SECONDS = 10.0


def hand_back(
    settings: WorkerSettings, worker_id: UUID, attempts: Iterable[Attempt], culprit: Attempt | None
) -> None:
    """Give back all jobs of a worker, on a loop and a connection of their own.

    Args:
        settings: The worker's.
        worker_id: The worker.
        attempts: What runs.
        culprit: Whose handler is at fault: its execution has failed, the others are untouched.

    Raises:
        HeadwayError: the engine could not be asked.
        TimeoutError: it did not answer in time.
    """
    outcomes: list[dict[str, Any]] = [
        {**attempt.lease.fields(), "outcome": "release"} for attempt in attempts if attempt is not culprit
    ]
    if culprit is not None:
        error = {
            "code": "loop_blocked",
            "message": "The handler blocked its whole worker and could not be interrupted.",
            "hint": "Declare it as an ordinary def, or run it in a process.",
        }
        outcomes.append({**culprit.lease.fields(), "outcome": "retry", "error": error})

    async def tell() -> None:
        store = HttpStore(settings, Observations(), connections=1)
        try:
            await asyncio.wait_for(store.finish(worker_id, outcomes), _SECONDS)
        finally:
            await store.close()

    if outcomes:
        asyncio.run(tell())
