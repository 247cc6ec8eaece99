"""``headway status``: what runs, where, and how it is doing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headway.cli.environment import named, print_json, print_table, shell_lines, stack_variables
from headway.cli.target import RunningTarget, running_target
from headway.local.keys import load_or_create_keys

__all__ = ["print_status", "running_values"]

_TIMEOUT_S = 10


def running_values(target: RunningTarget) -> dict[str, str]:
    """A running stack's addresses and keys by the Supabase CLI's names.

    Args:
        target: The running stack.
    """
    return stack_variables(
        load_or_create_keys(target.project.keys_path),
        api_url=target.stack.api_url,
        db_url=target.stack.db_url,
        inbox_url=target.stack.inbox_url,
    )


def print_status(
    *, project: Path | None, data_dir: Path | None, output: str, overrides: Sequence[str]
) -> None:
    """Print the running stack's addresses, keys and figures.

    Args:
        project: The option ``--project``.
        data_dir: The option ``--data-dir``.
        output: ``table``, ``env`` or ``json``.
        overrides: Other names of variables, as ``api.url=NAME``.

    Raises:
        HeadwayError: no stack is running, or it does not answer.
    """
    target = running_target(project, data_dir)
    values = running_values(target)
    variables = named(values, overrides)
    if output == "env":
        sys.stdout.write(shell_lines(variables))
        return
    status = target.administer("GET", "status", timeout_s=_TIMEOUT_S)
    differences = [*asyncio.run(_differences(target)), *status.pop("left_out")]
    if output == "json":
        print_json({**variables, "stack": {**status, "differences": differences}})
        return
    print_table(values)
    _print_services(target, status["services"])
    for difference in differences:
        sys.stdout.write(f"\nUnlike a hosted project: {difference}\n")


async def _differences(target: RunningTarget) -> list[str]:
    # Imported here, since scripts ask for the variables alone, and often.
    from headway.local.database import Database
    from headway.local.postgres.bootstrap import environment_warnings

    return await environment_warnings(Database(target.stack.socket_dir, target.stack.db_port))


def _print_services(target: RunningTarget, services: Mapping[str, Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.text import Text

    figures = {
        **{
            name: ", ".join(f"{key} {value}" for key, value in each.items())
            for name, each in services.items()
        },
        "process": str(target.stack.pid),
        "data": str(target.project.data_dir),
    }
    console = Console(highlight=False)
    console.print()
    for name, text in figures.items():
        console.print(
            Text(f"{name:>16}  ", style="dim").append(text or "running", style="not dim"), soft_wrap=True
        )
