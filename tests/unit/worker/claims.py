"""Claims for tests that need no engine."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from headway import Worker
from headway.core.lease import Claimed
from headway.worker.attempt import Attempt

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def claimed(kind: str = "a.b", **fields: Any) -> Claimed:
    """A row of ``claim``."""
    row: dict[str, Any] = {
        "job_id": uuid.uuid4(), "attempt": 1, "lease_token": uuid.uuid4(), "lease_expires_at": NOW,
        "deadline_at": NOW + timedelta(seconds=60), "kind": kind, "queue": "default", "priority": 5, "run": 1,
        "failures": 0, "max_attempts": 5, "timeout_seconds": 60, "payload": {}, "steps": {}, "signals": {},
        "files": [], "tags": [], "tenant_id": uuid.uuid4(), "cost_spent": Decimal(0), "created_at": NOW,
        "cancel_requested": False,
    }  # fmt: skip
    return Claimed.model_validate(row | fields)


def attempt(
    *, stages: list[str] | None = None, clock: Any = None, push: str = "always", **fields: Any
) -> Attempt:
    """An execution of a kind with some stages."""
    worker = Worker()

    @worker.job("a.b", stages=stages or [], timeout=60, push=push)  # type: ignore[arg-type]
    async def handler(ctx: Any) -> None: ...

    more = {} if clock is None else {"clock": clock}
    return Attempt(worker.registry.get("a.b"), claimed(**fields), **more)
