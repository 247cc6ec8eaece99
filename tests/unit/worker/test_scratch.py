"""Temporary directories go with their worker, or with the next one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from headway import ConfigError
from headway.worker.scratch import Scratch


async def test_what_a_crashed_worker_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    prefix = f"headway-{socket.gethostname()}-"
    orphan = tmp_path / f"{prefix}{process.pid}-abc"
    alive = tmp_path / f"{prefix}{os.getpid()}-abc"
    elsewhere = tmp_path / f"headway-otherhost-{process.pid}-abc"
    target = tmp_path / "precious"
    for directory in (orphan, alive, elsewhere, target):
        directory.mkdir()
        (directory / "file").touch()
    link = tmp_path / f"{prefix}{process.pid}-def"
    link.symlink_to(target)

    scratch = Scratch(tmp_path)
    await scratch.start()
    assert scratch.path is not None
    assert scratch.path.stat().st_mode & 0o777 == 0o700
    assert not orphan.exists()
    assert all((directory / "file").exists() for directory in (alive, elsewhere, target))
    made = scratch.path
    await scratch.stop()
    await scratch.stop()
    assert not made.exists()


async def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TMPDIR"):
        await Scratch(tmp_path / "missing").start()
