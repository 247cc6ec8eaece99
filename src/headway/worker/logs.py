"""How a worker's log looks: one JSON object a line, or text for people, always with the job it is about."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any, Literal

from headway.settings import WorkerSettings
from headway.worker.job import JobInfo
from headway.worker.redaction import Redactor, secrets_of

__all__ = ["JsonFormatter", "TextFormatter", "configure_logging", "current_job", "job_fields", "job_logging"]

current_job: ContextVar[JobInfo | None] = ContextVar("headway_job", default=None)
"""The job that this task or thread works for."""

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
}
_JOB_KEYS = ("job", "kind", "queue", "attempt")
_LONGEST = 32_768
_SEPARATORS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# What libraries say of every request and frame is for those who ask for it.
_QUIET = ("httpx", "httpcore", "hpack", "realtime", "websockets", "uvicorn", "asyncio")


@contextmanager
def job_logging(job: JobInfo) -> Iterator[None]:
    """Have every line that is logged inside say which job it is about, also in threads with this context."""
    token = current_job.set(job)
    try:
        yield
    finally:
        current_job.reset(token)


class _Formatter(logging.Formatter):
    def __init__(self, redactor: Redactor, worker: str) -> None:
        super().__init__()
        self._redactor = redactor
        self._worker = worker

    def _message(self, record: logging.LogRecord) -> str:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a malformed call of logging is worth a line, not a lost one
            text = f"{record.msg!r} with arguments that do not fit"
        return self._clean(text)

    def _clean(self, text: str) -> str:
        if len(text) > _LONGEST:
            # Cut before the search, which a hundred megabytes would make a stop of; but cut generously, so
            # that half a secret at the end is longer than what is shown.
            text = text[: _LONGEST * 2]
        text = self._redactor.redact(text)
        return text if len(text) <= _LONGEST else text[:_LONGEST] + " … (cut)"

    def _trace(self, record: logging.LogRecord) -> str | None:
        if record.exc_info and record.exc_info[1] is not None:
            return self._clean("".join(traceback.format_exception(*record.exc_info)).rstrip())
        if record.exc_text:
            return self._clean(record.exc_text)
        return self._clean(record.stack_info) if record.stack_info else None


class JsonFormatter(_Formatter):
    """One JSON object a line.

    Always there, in this order: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, ``worker``,
    ``job``, ``kind``, ``queue``, ``attempt`` (the last four null outside a job). Then ``trace`` for errors,
    and whatever ``extra`` held.

    Args:
        redactor: Takes secrets out of every value.
        worker: The worker's name.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        job = _job_of(record)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._message(record),
            "worker": self._worker,
            **job,
        }
        if trace := self._trace(record):
            line["trace"] = trace
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in line and not name.startswith("_"):
                line[name] = value if isinstance(value, (bool, int, float)) else self._clean(_text(value))
        # ASCII: line separators of Unicode and halves of surrogate pairs would break the line, or the stream.
        return json.dumps(line)


class TextFormatter(_Formatter):
    """A line for people: time, level, job, message; further lines of it, and of a trace, are indented.

    Args:
        redactor: Takes secrets out of everything.
        worker: The worker's name.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; a trace follows it."""
        job = _job_of(record)
        where = record.name.removeprefix("headway.")
        if job["job"] is not None:
            where = f"{job['kind']} {str(job['job'])[:8]}#{job['attempt']}"
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        text = self._message(record)
        if trace := self._trace(record):
            text = f"{text}\n{trace}"
        return f"{time} {record.levelname:<7} {where}: {_harmless(text)}"


def configure_logging(
    settings: WorkerSettings,
    *,
    worker: str,
    stream: IO[str] | None = None,
    quiet_libraries: bool = True,
) -> Redactor:
    """Send this process's log to a stream in the settings' form; for commands, never for libraries.

    Args:
        settings: Form and level.
        worker: The worker's name.
        stream: The standard error output when omitted.
        quiet_libraries: Whether HTTP and Realtime libraries only tell of warnings.

    Returns:
        What takes the secrets out, for other outputs.
    """
    target = stream or sys.stderr
    redactor = Redactor(secrets_of(settings, os.environ))
    handler = logging.StreamHandler(target)
    form = _form(settings.log_format, target)
    handler.setFormatter((JsonFormatter if form == "json" else TextFormatter)(redactor, worker))
    root = logging.getLogger()
    for present in list(root.handlers):
        root.removeHandler(present)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name in _QUIET if quiet_libraries and settings.log_level != "DEBUG" else ():
        logging.getLogger(name).setLevel(logging.WARNING)
    # Otherwise a handler that fails prints the record, secrets included, as it was.
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    return redactor


def job_fields(job: JobInfo) -> dict[str, object]:
    """The keys of a line about a job, for ``extra``."""
    return {"job": str(job.id), "kind": job.kind, "queue": job.queue, "attempt": job.attempt}


def _job_of(record: logging.LogRecord) -> dict[str, object]:
    if getattr(record, "job", None) is not None:
        return {key: getattr(record, key, None) for key in _JOB_KEYS}
    job = current_job.get()
    return dict.fromkeys(_JOB_KEYS) if job is None else job_fields(job)


def _form(wanted: Literal["auto", "json", "text"], stream: IO[str]) -> Literal["json", "text"]:
    if wanted != "auto":
        return wanted
    return "text" if stream.isatty() else "json"


def _harmless(text: str) -> str:
    """Text that can neither pass for another line nor command a terminal."""
    lines = _SEPARATORS.sub("\n", text).rstrip("\n").split("\n")
    return "\n    ".join(_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line) for line in lines)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - somebody's __str__ must not cost the line
        return f"<{type(value).__name__}>"
