"""A job's logger: for the worker's log, and for whoever reads the job's timeline."""

from __future__ import annotations

import logging
import traceback
from collections.abc import MutableMapping
from typing import Any

from headway.worker.attempt import Attempt, plain_text
from headway.worker.tools import Tools

__all__ = ["JobLog"]

_log = logging.getLogger("headway.job")

_LONGEST_LINE = 4000
_MOST_LINES = 500


class JobLog(logging.LoggerAdapter[logging.Logger]):
    """Logs with the job's fixed keys; INFO and above also goes into the timeline as an event named ``log``.

    The timeline takes 500 lines of an execution, so that a chatty handler cannot drown the story; all of them
    are in the worker's log. Keys and tokens are taken out of both.

    Args:
        attempt: The execution.
        tools: Take the lines, and secrets out of them.
    """

    def __init__(self, attempt: Attempt, tools: Tools) -> None:
        super().__init__(_log, attempt.log_fields())
        self._attempt = attempt
        self._tools = tools
        self._lines = 0

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As ``logging.Logger.log``; never raises because of what is logged."""
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        super().log(level, msg, *args, **kwargs)
        if level >= logging.INFO:
            self._into_timeline(level, msg, args, kwargs.get("exc_info"))

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Adds the job's keys beside whatever ``extra`` the caller gives."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs

    def _into_timeline(self, level: int, msg: object, args: tuple[object, ...], exc_info: Any) -> None:
        self._lines += 1
        if self._lines > _MOST_LINES:
            return
        if self._lines == _MOST_LINES:
            level, text = logging.WARNING, "More lines are in the worker's log only."
        else:
            text = _formatted(msg, args)
            if exc_info and isinstance(error := _exception(exc_info), BaseException):
                text += ": " + "".join(traceback.format_exception_only(error)).strip()
        line = {
            "level": logging.getLevelName(level).lower(),
            "message": plain_text(self._tools.redact(text[:_LONGEST_LINE]), _LONGEST_LINE),
        }
        self._attempt.reports.event("log", line, urgent=False, wait=False)
        self._tools.reporter.changed(self._attempt)


def _formatted(msg: object, args: tuple[object, ...]) -> str:
    try:
        return str(msg) % args if args else str(msg)
    except Exception:  # noqa: BLE001 - logging itself reports malformed lines and goes on
        return str(msg)


def _exception(exc_info: Any) -> Any:
    import sys

    if isinstance(exc_info, BaseException):
        return exc_info
    return exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1]
