"""Jobs for tests that need no engine."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from headway.worker.job import JobInfo

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(kind: str = "cv.parse", attempt: int = 2) -> JobInfo:
    """A job that runs for the second time."""
    return JobInfo(
        id=uuid.uuid4(), kind=kind, queue="cv", attempt=attempt, run=1, failures=1, max_attempts=5,
        tenant_id=uuid.uuid4(), created_at=NOW, deadline_at=NOW, priority=5,
    )  # fmt: skip
