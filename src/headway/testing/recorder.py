"""Takes what a job says, as the keeper does in life, and writes it down at once."""

from __future__ import annotations

import threading
from typing import Any

from headway.testing.recording import EmittedEvent, LogLine, Recording
from headway.worker.attempt import Attempt
from headway.worker.reporting import read_event
from headway.worker.reports import Frame

__all__ = ["Recorder"]


class Recorder:
    """A reporter without an engine.

    Args:
        recording: Where everything is written down.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._lock = threading.Lock()

    def changed(self, attempt: Attempt) -> None:
        """As ``Reporter.changed``."""
        with self._lock:
            while (frame := attempt.reports.take()) is not None:
                self._write(frame)
                attempt.reports.stored()

    async def emit(self, attempt: Attempt, name: str, data: Any) -> None:
        """As ``Reporter.emit``."""
        attempt.reports.event(name, read_event(name, data), urgent=True, wait=False)
        self.changed(attempt)

    async def settle(self, attempt: Attempt) -> None:
        """As ``Reporter.settle``."""
        self.changed(attempt)

    def _write(self, frame: Frame) -> None:
        recording = self._recording
        if frame.stage is not None:
            recording.stages.append(frame.stage)
        if frame.percent is not None and frame.percent > max(recording.percents, default=-1):
            recording.percents.append(frame.percent)
        if frame.message:
            recording.messages.append(frame.message)
        if frame.metrics is not None:
            recording.metrics = frame.metrics
        for event in frame.events:
            if event["name"] == "log":
                recording.logs.append(LogLine(event["data"]["level"], event["data"]["message"]))
            else:
                recording.events.append(EmittedEvent(event["name"], event["data"]))
