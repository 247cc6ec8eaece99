"""``headway up --detach``: a stack in the background."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headway.cli.environment import named, print_json, print_table
from headway.cli.status import running_values
from headway.cli.target import RunningTarget, load_settings
from headway.cli.up import open_log
from headway.errors import HeadwayError
from headway.local.holding import read_running
from headway.local.project import Project, find_project

__all__ = ["up_detached"]


def up_detached(*, project: Path | None, settings: Mapping[str, Any], quiet: bool, as_json: bool) -> None:
    """Start the project's stack in a process of its own; returns when it answers.

    Args:
        project: The option ``--project``.
        settings: The command line's settings by field name.
        quiet: Whether to print nothing but errors.
        as_json: Whether to print the addresses and keys as JSON.

    Raises:
        HeadwayError: it did not start.
    """
    began = time.perf_counter()
    chosen = load_settings(settings)
    target = find_project(chosen, project=project)
    target.prepare()
    _spawn(target, settings)
    running = read_running(target.data_dir)
    if running is None:
        raise HeadwayError("The stack ended at once", hint="See `headway logs`.", code="start_failed")
    if quiet:
        return
    values = running_values(RunningTarget(target, running))
    if as_json:
        print_json(named(values))
        return
    print_table(values)
    sys.stderr.write(
        f"The stack is up after {time.perf_counter() - began:.1f} s in process {running.pid}; "
        "`headway down` stops it.\n"
    )


def _spawn(target: Project, settings: Mapping[str, Any]) -> None:
    """Start the background process and wait until it says how the start went."""
    options = {
        "--project": target.root,
        "--data-dir": target.data_dir,
        "--host": settings["host"],
        "--port": settings["api_port"],
        "--db-port": settings["db_port"],
        "--inbox-port": settings["inbox_port"],
    }
    arguments = [part for name, value in options.items() if value is not None for part in (name, str(value))]
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as answer, open_log(target.stack_log) as log:
        try:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "headway.cli", "up", *arguments, "--ready-fd", str(write_end)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[write_end],
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(write_end)
        try:
            said = answer.readline()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if not said:
        process.wait()
        raise HeadwayError(
            "The stack ended before it was ready", hint="See `headway logs stack`.", code="start_failed"
        )
    outcome = json.loads(said)
    if "error" in outcome:
        process.wait()
        raise HeadwayError(**outcome["error"])
