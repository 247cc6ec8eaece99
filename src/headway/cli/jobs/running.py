"""Runs a command's work with a client, and prints what comes of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.cli.exits import FAILED, exit_status_of
from headway.errors import HeadwayError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from headway.client.headway import AsyncHeadway

__all__ = [
    "Caller",
    "console",
    "print_json",
    "print_json_line",
    "print_table",
    "quieten",
    "refusing",
    "run_command",
]


_UNCUT = 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """What every command about jobs is told.

    Attributes:
        project: The option ``--project``.
        service: The option ``--service``.
        as_json: The option ``--json``.
    """

    project: Path | None = None
    service: bool = False
    as_json: bool = False


def run_command(caller: Caller, work: Callable[[AsyncHeadway], Awaitable[int]]) -> None:
    """Do the work as the caller; exits with its status unless that is 0.

    Args:
        caller: Who, and how to print.
        work: Gets the client, answers the exit status.

    Raises:
        HeadwayError: for people to read; with ``--json`` it was printed, and the program exits.
    """
    from headway.cli.jobs.project import open_client

    async def run() -> int:
        async with open_client(caller.project, service=caller.service) as client:
            return await work(client)

    quieten()
    with refusing(caller):
        status = asyncio.run(run())
    if status:
        raise SystemExit(status)


def quieten() -> None:
    """Keep what libraries log about connections off the screen: the command itself says what matters."""
    for name in ("realtime", "headway", "httpx"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


@contextmanager
def refusing(caller: Caller) -> Iterator[None]:
    """Errors of the block end the program: as JSON when that is wanted, else as ``headway.cli.main`` does."""
    try:
        yield
    except HeadwayError as error:
        if not caller.as_json:
            raise
        _report_json(error)
        raise SystemExit(exit_status_of(error)) from None
    except OSError as error:
        if not caller.as_json:
            raise
        message = f"{error.filename or 'system'}: {error.strerror or error}"
        _report_json(HeadwayError(message, code="system"))
        raise SystemExit(FAILED) from None


def _report_json(error: HeadwayError) -> None:
    """An error on standard error, as one line of JSON."""
    body = {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}
    sys.stderr.write(json.dumps({"error": body}, ensure_ascii=False) + "\n")


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """One JSON document on one line, at once: for programs that read while the command runs."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def console() -> Console:
    """Standard output, for people; what goes into a pipe or a file is not cut to the width of a screen."""
    from rich.console import Console

    cut = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if cut else _UNCUT)


def print_table(screen: Console, table: Table) -> None:
    """Print a table; into a pipe without the blanks that make its columns even at the right.

    Args:
        screen: From ``console``.
        table: Of one row a line.
    """
    if screen.is_terminal:
        screen.print(table)
        return
    with screen.capture() as captured:
        screen.print(table)
    screen.file.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
