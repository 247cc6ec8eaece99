"""Every line of a worker's log has the same keys, whatever is logged, and no secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from headway.settings import WorkerSettings
from headway.worker.logs import configure_logging, job_fields, job_logging

from .jobs import job

KEYS = ["time", "level", "logger", "message", "worker", "job", "kind", "queue", "attempt"]
SECRET = "sb_secret_0123456789abcdef"


class Log:
    """A configured log, and what has been written to it."""

    def __init__(self, **settings: Any) -> None:
        self.stream = io.StringIO()
        chosen = WorkerSettings(url="http://127.0.0.1:1", secret_key=SECRET, **settings)
        self.redactor = configure_logging(chosen, worker="w1", stream=self.stream)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, loud = list(root.handlers), root.level, logging.raiseExceptions
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "uvicorn", "realtime")}
    yield
    logging.captureWarnings(False)
    root.handlers[:], logging.raiseExceptions = handlers, loud
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_a_line_has_fixed_keys() -> None:
    log = Log()
    logging.getLogger("headway.worker").info("outside of %s", "jobs")
    with job_logging(inside := job()):
        logging.getLogger("handler").warning("inside")
    logging.getLogger("headway.worker").info("about", extra=job_fields(other := job()))
    first, second, third = log.lines()
    assert list(first) == KEYS
    assert (first["message"], first["worker"], first["job"], first["attempt"]) == (
        "outside of jobs",
        "w1",
        None,
        None,
    )
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert {key: second[key] for key in KEYS[5:]} == job_fields(inside)
    assert {key: third[key] for key in KEYS[5:]} == job_fields(other)


def test_extras_come_after_and_cannot_take_a_fixed_key() -> None:
    log = Log()
    logging.getLogger("x").info("m", extra={"pages": 3, "worker": "liar", "path": SECRET, "odd": object()})
    (line,) = log.lines()
    assert line["worker"] == "w1"
    assert line["pages"] == 3
    assert line["path"] == "<redacted>"
    assert list(line)[: len(KEYS)] == KEYS


def test_errors_carry_their_trace_without_secrets() -> None:
    log = Log()
    try:
        raise ValueError(f"refused {SECRET}")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    (line,) = log.lines()
    assert "ValueError: refused <redacted>" in line["trace"]
    assert SECRET not in log.text()


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (SECRET, ()),
        ("key=%s", (SECRET,)),
        ("%s", ({"secret_key": SECRET},)),
        ("too many %s", (SECRET, 2)),
        ("%d", (SECRET,)),
        ("line\nbreaks\u2028and \x1b[31mcolours", ()),
        ("\ud800 half a pair", ()),
        ("x" * 10_000_000 + SECRET, ()),
    ],
)
def test_whatever_is_logged_is_one_clean_bounded_line(
    form: str, message: str, arguments: tuple[object, ...]
) -> None:
    log = Log(log_format=form)
    logging.getLogger("x").info(message, *arguments)
    assert SECRET not in log.text()
    assert len(log.text()) < 100_000
    first, *further = log.text().splitlines()
    assert "INFO" in first
    assert all(form == "text" and line.startswith("    ") for line in further), (
        "nothing passes for another line"
    )
    assert "\x1b" not in log.text()
    log.text().encode()


def test_a_broken_object_costs_nobody_the_line() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    log = Log()
    logging.getLogger("x").info("one %s", Broken())
    logging.getLogger("x").info("two", extra={"broken": Broken()})
    assert [line["message"].strip("'")[:3] for line in log.lines()] == ["one", "two"]


def test_libraries_are_quiet_unless_asked() -> None:
    log = Log()
    logging.getLogger("httpx").info("HTTP Request: POST http://x")
    assert log.text() == ""
    log = Log(log_level="DEBUG")
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    logging.getLogger("httpx").info("HTTP Request: POST http://x")
    assert len(log.lines()) == 1


def test_text_is_for_people() -> None:
    log = Log(log_format="text")
    with job_logging(inside := job()):
        logging.getLogger("x").info("half of it")
    assert f"INFO    cv.parse {str(inside.id)[:8]}#2: half of it" in log.text()


def test_a_pipe_gets_json_and_a_terminal_text() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    settings = WorkerSettings(url="http://127.0.0.1:1", secret_key=SECRET)
    for stream, is_json in ((io.StringIO(), True), (Terminal(), False)):
        configure_logging(settings, worker="w", stream=stream)
        logging.getLogger("x").info("m")
        assert stream.getvalue().startswith("{") is is_json


def test_configuring_twice_does_not_double_lines() -> None:
    Log()
    log = Log()
    logging.getLogger("x").info("once")
    assert len(log.lines()) == 1
