"""``headway up``: a stack in the foreground, until a signal comes."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import logging.handlers
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from headway.cli.environment import named, print_json, print_table, stack_variables
from headway.cli.loop import event_loop
from headway.cli.target import load_settings
from headway.errors import HeadwayError
from headway.local.project import find_project

if TYPE_CHECKING:
    from headway.local.stack import Stack

__all__ = [
    "announce",
    "configure_logging",
    "event_loop",
    "is_loopback",
    "open_log",
    "run_foreground",
    "serve",
]

_log = logging.getLogger(__name__)

_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ALIVE_CHECK_S = 0.5
_LOG_BYTES = 10 * 1024 * 1024


def run_foreground(
    *, project: Path | None, settings: Mapping[str, Any], quiet: bool, as_json: bool, ready_fd: int | None
) -> None:
    """Run the project's stack until SIGINT, SIGTERM or SIGHUP.

    Args:
        project: The option ``--project``.
        settings: The command line's settings by field name.
        quiet: Whether to print nothing but errors.
        as_json: Whether to print the addresses and keys as JSON.
        ready_fd: Where to write one line of JSON, empty or with an ``error``, once it is known how the start
            went; nothing is printed then.

    Raises:
        HeadwayError: the stack did not start, or died.
    """
    try:
        _run(project=project, settings=settings, quiet=quiet, as_json=as_json, ready_fd=ready_fd)
    except HeadwayError as error:
        if ready_fd is None:
            raise
        _tell(ready_fd, {"error": {"message": error.message, "hint": error.hint, "code": error.code}})
        raise SystemExit(1) from None


def _run(
    *, project: Path | None, settings: Mapping[str, Any], quiet: bool, as_json: bool, ready_fd: int | None
) -> None:
    began = time.perf_counter()
    chosen = load_settings(settings)
    target = find_project(chosen, project=project)
    config = target.config()
    target.prepare()
    configure_logging(target.stack_log, screen=None if ready_fd is not None else not quiet)
    from headway.local.stack import Stack

    stack = Stack(target.supabase_dir, target.data_dir, config, chosen)

    def ready() -> None:
        if ready_fd is not None:
            _tell(ready_fd, {})
        elif not quiet:
            announce(stack, seconds=time.perf_counter() - began, host=chosen.host, as_json=as_json)

    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(serve(stack, ready))


def _tell(ready_fd: int, outcome: Mapping[str, Any]) -> None:
    try:
        os.write(ready_fd, json.dumps(outcome).encode() + b"\n")
        os.close(ready_fd)
    except OSError:
        pass  # told already, or the one who waited has gone


async def serve(stack: Stack, ready: Callable[[], None]) -> None:
    """Run a stack until a stopping signal; a second signal ends the process at once.

    Args:
        stack: Not started.
        ready: Called once, when the stack answers.

    Raises:
        HeadwayError: the stack did not start, or its Postgres died.
    """
    stopping = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(128 + number)  # Postgres goes down by itself when we are gone
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in _STOPPING_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    died = False
    stopped = asyncio.create_task(stopping.wait())
    starting = asyncio.create_task(stack.start())
    try:
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            if not starting.cancelled():
                starting.exception()  # what a start that is not wanted any more died of
            return
        await starting
        ready()
        # What start-up made lives as long as this process: left out of every later collection, it pauses no
        # request for the time that walking all imported modules takes.
        gc.freeze()
        while stack.database_alive:
            done, _ = await asyncio.wait({stopped}, timeout=_ALIVE_CHECK_S)
            if done:
                return
        died = True
    finally:
        stopped.cancel()
        try:
            await stack.stop()
        except Exception:
            # What stopping fails of when the database is gone is no news, and must not hide that it is.
            if not died:
                raise
            _log.warning("the stack did not stop in order after its Postgres had died", exc_info=True)
    raise HeadwayError(
        "Postgres ended unexpectedly; the stack is down",
        hint="See `headway logs postgres`.",
        code="postgres_died",
    )


def open_log(path: Path) -> IO[bytes]:
    """A log file to append to, readable by this user only from the moment it exists.

    Args:
        path: The file.
    """
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def configure_logging(path: Path, *, screen: bool | None) -> None:
    """Log into a file, and to standard error for people who look on.

    Args:
        path: The file, rotated when it has grown large.
        screen: Whether requests and notices go to standard error as well, or only warnings; ``None`` for
            nothing, when nobody is there to read it.
    """
    open_log(path).close()
    file = logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    line = logging.Formatter(
        "%(asctime)s.%(msecs)03d UTC %(levelname)s %(name)s %(message)s", "%Y-%m-%d %H:%M:%S"
    )
    line.converter = time.gmtime
    file.setFormatter(line)
    handlers: list[logging.Handler] = [file]
    if screen is not None:
        onlooker = logging.StreamHandler(sys.stderr)
        onlooker.setLevel(logging.INFO if screen else logging.WARNING)
        onlooker.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        handlers.append(onlooker)
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.WARNING)
    logging.getLogger("headway").setLevel(logging.INFO)


def is_loopback(host: str) -> bool:
    """Whether an address is out of other machines' reach.

    Args:
        host: As in the setting ``host``.
    """
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def announce(stack: Stack, *, seconds: float, host: str, as_json: bool) -> None:
    """Print a started stack's addresses and keys.

    Args:
        stack: Started.
        seconds: How long that took.
        host: Where it listens.
        as_json: As JSON instead of a table.
    """
    values = stack_variables(
        stack.keys, api_url=stack.public_url, db_url=stack.db_url, inbox_url=stack.inbox_url
    )
    if as_json:
        print_json(named(values))
        return
    print_table(values)
    if not is_loopback(host):
        sys.stderr.write(
            f"warning: listening on {host}: whoever reaches this machine and has a key can use the stack\n"
        )
    sys.stderr.write(f"The stack is up after {seconds:.1f} s. For development and tests; Ctrl-C stops it.\n")
