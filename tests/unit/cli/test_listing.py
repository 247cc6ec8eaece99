"""What ``headway list`` prints of jobs, on screens of any width and into pipes."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headway.cli.jobs import listing
from headway.core.job import JobRecord
from unit.core.documents import JOB, snapshot

FIELDS = set(JobRecord.model_fields)
LONG = "This does not look like a CV: no jobs, board roles or education were found in it."
FAULT = {"code": "cv_not_recognised", "message": LONG, "hint": "Upload a CV.", "step": "parse"}


def job(status: str, **fields: Any) -> JobRecord:
    document = snapshot(status=status, kind="cv.parse", **fields)
    return JobRecord.model_validate({key: value for key, value in document.items() if key in FIELDS})


FAILED = job("failed", stage="parse", error=FAULT, percent=5)


def printed(monkeypatch: pytest.MonkeyPatch, width: int | None, *jobs: JobRecord) -> list[str]:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    if width is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(width))
    listing._table(jobs)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
def test_each_job_has_one_line_and_a_whole_id(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = printed(monkeypatch, width, FAILED, job("completed", message="Saving"))
    assert len(lines) == 3
    assert all(line.startswith(str(JOB)) for line in lines[1:])
    assert all(len(line) <= max(width, 36) for line in lines)
    assert ("failed" in lines[1]) == (width >= 47)


def test_nothing_is_cut_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    header, line = printed(monkeypatch, None, FAILED)
    assert line.endswith(LONG)
    assert header.split() == ["id", "kind", "status", "%", "stage", "age", "message"]


def test_what_a_job_waits_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.now(UTC) + timedelta(hours=2)
    lines = printed(
        monkeypatch,
        None,
        job("pending", run_at=later.isoformat(), message="Reading"),
        job("pending", waiting_for="signal", waiting_on="approved\x1b[2J"),
        job("pending", waiting_for="children"),
        job("cancelled", cancel_reason="not needed", message="Reading"),
    )
    assert "starts in 1h 59m" in lines[1] or "starts in 2h 00m" in lines[1]
    assert lines[2].endswith("waits for the signal approved[2J")
    assert lines[3].endswith("waits for its children")
    assert lines[4].endswith("not needed")


def test_where_a_completed_job_stood_last_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    header, line = printed(monkeypatch, None, job("completed", stage="apply", message="Saving"))
    assert "stage" not in header
    assert "Saving" not in line
