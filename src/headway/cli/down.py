"""``headway down``: stop the running stack."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from headway.cli.environment import print_json
from headway.cli.target import target_project
from headway.errors import HeadwayError
from headway.local.holding import holder_pid

__all__ = ["stop_running"]

_POLL_S = 0.02


def stop_running(*, project: Path | None, data_dir: Path | None, timeout_s: float, as_json: bool) -> None:
    """Stop the project's stack and wait until it has gone; nothing to do is no fault.

    Args:
        project: The option ``--project``.
        data_dir: The option ``--data-dir``.
        timeout_s: Seconds that it may take before it is killed; Postgres recovers at the next start.
        as_json: Whether to print JSON.

    Raises:
        HeadwayError: it belongs to another user, or does not even end when killed.
    """
    target = target_project(project, data_dir)
    pid = holder_pid(target.data_dir)  # also of a stack that is still starting
    if pid is None:
        _say(as_json, stopped=False, message=f"No stack is running on {target.data_dir}.")
        return
    _signal(pid, signal.SIGTERM)
    killed = not _gone(target.data_dir, pid, timeout_s)
    if killed:
        _signal(pid, signal.SIGKILL)
        if not _gone(target.data_dir, pid, 10):
            raise HeadwayError(f"Process {pid} does not end", code="not_stopped")
    how = f"killed after {timeout_s:g} s" if killed else "stopped"
    _say(as_json, stopped=True, message=f"The stack of process {pid} was {how}.")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise HeadwayError(
            f"Process {pid} belongs to another user",
            hint="Stop it as that user or as root.",
            code="not_permitted",
        ) from error


def _gone(data_dir: Path, pid: int, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while holder_pid(data_dir) == pid:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _say(as_json: bool, *, stopped: bool, message: str) -> None:
    if as_json:
        print_json({"stopped": stopped, "message": message})
    else:
        sys.stdout.write(message + "\n")
