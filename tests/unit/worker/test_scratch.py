"""Temporary directories go with their worker, or with the next one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headway import ConfigError
from headway.worker import scratch as module
from headway.worker.scratch import Scratch

_OWNER = """
import asyncio, pathlib, sys
from headway.worker.scratch import Scratch
scratch = Scratch(pathlib.Path(sys.argv[1]))
asyncio.run(scratch.start())
(scratch.path / "a person's file").write_text("private")
print(scratch.path, flush=True)
sys.stdin.read()
"""


@contextmanager
def owner(parent: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process with a directory of its own, killed at the latest in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


async def test_what_a_killed_worker_left_is_removed_and_nothing_that_is_in_use(tmp_path: Path) -> None:
    with owner(tmp_path) as (killed, orphan), owner(tmp_path) as (_, in_use):
        assert (orphan / "a person's file").exists()
        killed.kill()
        killed.wait()
        scratch = Scratch(tmp_path)
        await scratch.start()
        assert not orphan.exists()
        assert (in_use / "a person's file").read_text() == "private"
        assert scratch.path is not None
        made = scratch.path
        assert made.stat().st_mode & 0o777 == 0o700
        (made / "file").touch()

        # Two workers in one process, and process numbers that come again, change nothing.
        other = Scratch(tmp_path)
        await other.start()
        assert (made / "file").exists()
        await other.stop()
        await scratch.stop()
        await scratch.stop()
        assert not made.exists()


async def test_links_files_and_other_directories_stay(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (tmp_path / f"{module._PREFIX}link").symlink_to(precious)
    (tmp_path / f"{module._PREFIX}file").touch()
    orphan = tmp_path / f"{module._PREFIX}orphan"
    orphan.mkdir()
    (orphan / "out").symlink_to(precious)

    scratch = Scratch(tmp_path)
    await scratch.start()
    assert not orphan.exists()
    assert (precious / "file").exists()
    assert (tmp_path / f"{module._PREFIX}link").is_symlink()
    assert (tmp_path / f"{module._PREFIX}file").exists()
    await scratch.stop()


async def test_directories_of_other_users_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / f"{module._PREFIX}theirs"
    theirs.mkdir()
    scratch = Scratch(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: theirs.stat().st_uid + 1)
    await scratch.start()
    assert theirs.exists()
    await scratch.stop()


async def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TMPDIR"):
        await Scratch(tmp_path / "missing").start()
