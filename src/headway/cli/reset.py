"""``headway reset``: the database as a new one, with migrations and seed."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from headway.cli.environment import print_json
from headway.cli.target import RunningTarget, load_settings, target_project
from headway.cli.up import configure_logging, event_loop
from headway.local.holding import read_running
from headway.local.project import Project

__all__ = ["reset_stack"]

_TIMEOUT_S = 600


def reset_stack(*, project: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Drop the database's content and apply migrations and seed anew; keys and addresses stay.

    Args:
        project: The option ``--project``.
        data_dir: The option ``--data-dir``.
        as_json: Whether to print JSON.

    Raises:
        HeadwayError: a migration or the seed failed; the message names file and line.
    """
    began = time.perf_counter()
    target = target_project(project, data_dir)
    running = read_running(target.data_dir)
    if running is not None:
        RunningTarget(target, running).administer("POST", "reset", timeout_s=_TIMEOUT_S)
    else:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(_reset_stopped(target))
    seconds = time.perf_counter() - began
    if as_json:
        print_json({"reset": True, "seconds": round(seconds, 3)})
    else:
        sys.stdout.write(f"The database was reset in {seconds:.1f} s.\n")


async def _reset_stopped(target: Project) -> None:
    config = target.config()
    target.prepare()
    configure_logging(target.stack_log, screen=False)
    from headway.local.stack import Stack

    settings = load_settings({"data_dir": target.data_dir, "api_port": 0, "db_port": 0, "inbox_port": 0})
    # Without migrations at the start: what is about to be dropped need not be brought up to date.
    async with Stack(target.supabase_dir, target.data_dir, config, settings, migrate=False) as stack:
        await stack.reset()
