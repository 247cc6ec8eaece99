"""``cv.parse`` without a database or a model: what it refuses, what it shows, and where it hands on."""

from __future__ import annotations

from typing import Any

import pytest

from headway.sandbox.answers.registry import reply
from headway.testing import run_job
from headway.worker.attempt import Attempt
from support.cvs import hostile
from support.cvs.paper import as_text
from support.cvs.people import PEOPLE
from workers.cv import worker
from workers.cv.extraction import CvExtraction
from workers.cv.owner import cv_settings
from workers.cv.settings import CvSettings

SHARED = {cv_settings: CvSettings()}


def understood(text: str) -> dict[str, Any]:
    """What steps ``extract`` and ``parse`` have left behind."""
    extraction = reply(text, CvExtraction.model_json_schema())
    return {
        "extract": {"kind": "text", "text": text, "pages": 1, "pictures": 0},
        "parse": {"extraction": extraction, "sandbox": True},
    }


def drain(attempt: Attempt) -> None:
    attempt.told_to_stop = True


async def test_a_worker_that_drains_hands_on_what_is_understood() -> None:
    steps = understood(as_text(PEOPLE["boards"]).decode())
    recording = await run_job(
        worker, "cv.parse", {}, files={"cv.txt": b"x"}, steps=steps, shared=SHARED, watch=drain
    )
    assert (recording.outcome, recording.stages) == ("snoozed", ["extract", "parse"])
    (shown,) = [event.data for event in recording.events if event.name == "profile_found"]
    assert (shown["name"], shown["jobs"], shown["board_roles"]) == ("Eleanor Vance-Thornbury", 2, 4)
    assert recording.metrics["board_roles"] == 4


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "file_empty"), (hostile.encrypted_pdf(), "file_encrypted"), (hostile.executable(), "file_type")],
)
async def test_what_cannot_be_read_costs_nothing(content: bytes, code: str) -> None:
    recording = await run_job(worker, "cv.parse", {}, files={"cv.pdf": content}, shared=SHARED)
    assert recording.outcome == "failed"
    assert recording.error is not None
    assert (recording.error.code, recording.error.step) == (code, "extract")
    assert recording.error.hint
    assert recording.usage == []


async def test_a_file_beyond_the_limit_is_not_read_to_its_end() -> None:
    shared = {cv_settings: CvSettings(most_megabytes=0.01)}
    recording = await run_job(worker, "cv.parse", {}, files={"cv.txt": b"x" * 20_000}, shared=shared)
    assert recording.error is not None
    assert recording.error.code == "file_too_large"


@pytest.mark.parametrize(
    "changes",
    [{"is_cv": False}, {"work_experience": [], "board_experience": [], "education": [], "skills": []}],
)
async def test_what_is_no_cv_writes_no_profile(changes: dict[str, Any]) -> None:
    steps = understood(as_text(PEOPLE["plain"]).decode())
    steps["parse"]["extraction"] |= changes
    recording = await run_job(worker, "cv.parse", {}, files={"cv.txt": b"x"}, steps=steps, shared=SHARED)
    assert recording.error is not None
    assert recording.error.code == "cv_not_recognised"
    assert "apply" not in recording.steps
