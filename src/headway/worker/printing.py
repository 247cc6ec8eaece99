"""Lines that a handler has printed, in its worker's log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from headway.worker.attempt import Attempt

__all__ = ["log_printed", "log_rest"]

_log = logging.getLogger("headway.output")

_LONGEST_LINE = 8_000
_MOST_CHARACTERS = 256_000


def log_printed(attempt: Attempt, level: int, text: str, incident: Callable[[str, Attempt], None]) -> None:
    """Log whole lines of what was printed; 256,000 characters of an execution, and that there was more.

    Args:
        attempt: The execution.
        level: Of the lines.
        text: What was printed; its last line may go on with the next call.
        incident: Told once when it is too much.
    """
    printed = attempt.printed
    if printed.cut:
        return
    room = _MOST_CHARACTERS - printed.characters
    if len(text) > room:
        printed.cut = True
        text = text[: max(0, room)] + "\n"
    printed.characters += len(text)
    lines = (printed.rest + text).split("\n")
    printed.rest = lines.pop()[-_LONGEST_LINE:]
    for line in lines:
        if line.strip():
            _log.log(level, "%s", line[:_LONGEST_LINE], extra=attempt.log_fields())
    if printed.cut:
        printed.rest = ""
        _log.warning(
            "%s prints too much: what follows is dropped", attempt.job.kind, extra=attempt.log_fields()
        )
        incident("output_cut", attempt)


def log_rest(attempt: Attempt) -> None:
    """Log the last line of an execution, when it was not ended."""
    rest, attempt.printed.rest = attempt.printed.rest, ""
    if rest.strip():
        _log.info("%s", rest[:_LONGEST_LINE], extra=attempt.log_fields())
