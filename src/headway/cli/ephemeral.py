"""``headway up --ephemeral``: a throwaway stack, and a command that uses it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.cli.command import run_command
from headway.cli.environment import NAMES, named, stack_variables
from headway.cli.target import load_settings
from headway.cli.throwaway import ThrowawayDirectory
from headway.cli.up import announce, configure_logging, event_loop, serve
from headway.local.project import find_project

if TYPE_CHECKING:
    from headway.local.stack import Stack

__all__ = ["run_ephemeral", "stack_environment"]


def run_ephemeral(
    command: Sequence[str],
    *,
    project: Path | None,
    settings: Mapping[str, Any],
    quiet: bool,
    as_json: bool,
) -> int:
    """Run a command with a throwaway stack of the project's; without one, the stack until a signal comes.

    Args:
        command: The program and its arguments; may be empty.
        project: The option ``--project``.
        settings: The command line's settings by field name.
        quiet: Whether to print nothing of our own.
        as_json: Without a command: whether to print the addresses and keys as JSON.

    Returns:
        The command's exit status.

    Raises:
        HeadwayError: the stack did not start; the command was not run.
    """
    began = time.perf_counter()
    with ThrowawayDirectory() as throwaway:
        free = {"api_port": 0, "db_port": 0, "inbox_port": 0, "durable": False}
        given = {name: value for name, value in settings.items() if value is not None}
        chosen = load_settings({**free, **given, "data_dir": throwaway.path})
        target = find_project(chosen, project=project)
        config = target.config()
        configure_logging(target.stack_log, screen=not (quiet or command))
        from headway.local.postgres.sockets import socket_dir
        from headway.local.stack import Stack

        throwaway.also_remove(socket_dir(target.postgres_dir))
        stack = Stack(target.supabase_dir, throwaway.path, config, chosen)
        with asyncio.Runner(loop_factory=event_loop) as runner:
            if command:
                return runner.run(_run_with(stack, command, throwaway, quiet=quiet, began=began))

            def ready() -> None:
                if not quiet:
                    announce(stack, seconds=time.perf_counter() - began, host=chosen.host, as_json=as_json)

            runner.run(serve(stack, ready))
            return 0


async def _run_with(
    stack: Stack, command: Sequence[str], throwaway: ThrowawayDirectory, *, quiet: bool, began: float
) -> int:
    starting = asyncio.create_task(stack.start())
    interrupted: list[signal.Signals] = []

    def give_up(number: signal.Signals) -> None:
        interrupted.append(number)
        starting.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, give_up, number)
    try:
        await asyncio.wait({starting})
        if interrupted:
            return 128 + interrupted[0]
        await starting
        if not quiet:
            sys.stderr.write(
                f"headway: a throwaway stack is up at {stack.public_url}"
                f" after {time.perf_counter() - began:.1f} s\n"
            )
        groups: list[int] = []

        def started(group: int) -> None:
            groups.append(group)
            throwaway.also_end(group)

        try:
            return await run_command(command, stack_environment(stack), started=started)
        finally:
            for group in groups:
                throwaway.has_ended(group)
    finally:
        await stack.stop()


def stack_environment(stack: Stack) -> dict[str, str]:
    """This process's environment with a stack's variables in place of any other project's.

    Args:
        stack: Started.
    """
    values = stack_variables(
        stack.keys, api_url=stack.public_url, db_url=stack.db_url, inbox_url=stack.inbox_url
    )
    others = set(NAMES.values())
    return {**{name: value for name, value in os.environ.items() if name not in others}, **named(values)}
