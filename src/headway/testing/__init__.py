"""Runs one handler in the test's own process, against recorded progress: no database, no network.

::

    recording = await run_job(worker, "cv.parse", {"path": "cv.pdf"}, files={"cv": Path("cv.pdf")})
    assert recording.outcome == "completed"
    assert recording.stages == ["extract", "parse"]
"""

from headway.testing.recording import EmittedEvent, LogLine, Recording, SubmittedChild, Uploaded, UsageEntry
from headway.testing.run import run_job

__all__ = [
    "EmittedEvent",
    "LogLine",
    "Recording",
    "SubmittedChild",
    "Uploaded",
    "UsageEntry",
    "run_job",
]
