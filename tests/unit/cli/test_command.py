"""A command run for somebody else ends as a shell would say, and takes what it started with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headway.cli import command
from headway.cli.command import exit_status, run_command
from support.processes import all_gone, family


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 200"], 200),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["no-such-program-at-all"], 127),
        (["/etc/passwd"], 126),
        (["/etc"], 126),
    ],
)
async def test_every_end_has_a_shell_s_status(arguments: list[str], status: int) -> None:
    assert await run_command(arguments, os.environ, started=lambda _: None) == status


async def test_what_is_nowhere_is_not_there_although_a_folder_may_not_be_searched(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    environment = {**os.environ, "PATH": f"{locked}:{os.environ['PATH']}"}
    assert await run_command(["no-such-program-at-all"], environment, started=lambda _: None) == 127


async def test_what_it_left_running_is_ended_and_its_group_is_told(tmp_path: Path) -> None:
    groups: list[int] = []
    # Deaf to SIGTERM, so that it has to be killed.
    script = f"trap '' TERM; sleep 600 & echo $! > {tmp_path / 'left'}"
    assert await run_command(["sh", "-c", script], os.environ, started=groups.append) == 0
    left = int((tmp_path / "left").read_text())
    assert len(groups) == 1
    assert all_gone(family(left), timeout=0)


def test_the_command_does_not_begin_when_nobody_is_there_to_end_it(tmp_path: Path) -> None:
    # As if we had been killed between making the process and telling the reaper of it.
    read_end, leave = os.pipe()
    os.close(leave)
    gate = [sys.executable, "-I", "-S", command._GATE, str(read_end)]
    done = subprocess.run([*gate, "touch", tmp_path / "ran"], pass_fds=[read_end], check=False)
    os.close(read_end)
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


async def test_the_command_begins_after_its_group_is_known(tmp_path: Path) -> None:
    began = []
    await run_command(
        ["touch", str(tmp_path / "ran")],
        os.environ,
        started=lambda _: began.append((tmp_path / "ran").exists()),
    )
    assert began == [False]
    assert (tmp_path / "ran").exists()


def test_a_signal_s_exit_status_is_a_shell_s() -> None:
    assert [exit_status(code) for code in (0, 3, -2, -9, -15)] == [0, 3, 130, 137, 143]
