"""What handlers print, as lines of their job's log: named, without secrets, never more than a log takes."""

from __future__ import annotations

import io
import logging
import sys
import threading
from typing import IO, Any

from headway.worker.containment import RUNNING_ATTEMPT
from headway.worker.observations import Observations
from headway.worker.printing import log_printed

__all__ = ["OutputCapture"]


class OutputCapture:
    """Stands in for the standard streams while a worker runs.

    What is printed outside a job goes where it always did. Of one execution 256,000 characters are logged;
    the rest is dropped, and the log says so once.

    Args:
        observations: Are told of output that was cut.
    """

    name = "output"

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._former: tuple[IO[str], IO[str]] | None = None

    async def start(self) -> None:
        """Take the streams over."""
        if self._former is None:
            self._former = (sys.stdout, sys.stderr)
            sys.stdout = _JobStream(sys.stdout, logging.INFO, self._observations)
            sys.stderr = _JobStream(sys.stderr, logging.WARNING, self._observations)

    async def stop(self) -> None:
        """Give the streams back."""
        if self._former is not None:
            sys.stdout, sys.stderr = self._former
            self._former = None


class _JobStream(io.TextIOBase):
    """A stream that knows whose line it is."""

    def __init__(self, original: IO[str], level: int, observations: Observations) -> None:
        self._original = original
        self._level = level
        self._incident = lambda name, attempt: observations.incident(name, attempt.job)
        self._inside = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(getattr(self._original, "encoding", "utf-8"))

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return str(getattr(self._original, "errors", "strict"))

    @property
    def buffer(self) -> Any:
        return getattr(self._original, "buffer", None)

    def fileno(self) -> int:
        return self._original.fileno()

    def isatty(self) -> bool:
        return self._original.isatty()

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        self._original.flush()

    def write(self, text: str) -> int:
        """Log whole lines of a job's; pass everything else on."""
        attempt = RUNNING_ATTEMPT.get()
        if attempt is None or getattr(self._inside, "logging", False):
            return self._original.write(text)
        self._inside.logging = True
        try:
            log_printed(attempt, self._level, text, self._incident)
        finally:
            self._inside.logging = False
        return len(text)
