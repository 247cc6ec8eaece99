"""A directory that is gone afterwards, even when this process is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["ThrowawayDirectory"]

_REAPER = Path(__file__).with_name("reaper.py")


class ThrowawayDirectory:
    """A private temporary directory, watched by a small process that outlives this one if need be.

    ::

        with ThrowawayDirectory() as throwaway:
            use(throwaway.path)
    """

    def __init__(self) -> None:
        self.path: Path
        """The directory, while the context is open."""
        self._reaper: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self.path = Path(tempfile.mkdtemp(prefix="headway-ephemeral-"))
        try:
            self._reaper = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", str(_REAPER), str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env={"PATH": os.defpath},
            )
        except BaseException:
            shutil.rmtree(self.path)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        # A directory that resists is left to the reaper, which tries once more.
        if not self.path.exists():
            self._tell("done")
        assert self._reaper.stdin is not None
        self._reaper.stdin.close()
        self._reaper.wait()

    def also_end(self, group: int) -> None:
        """Have a process group ended as well, if this process is killed.

        Args:
            group: The group's id.
        """
        self._tell(f"group {group}")

    def has_ended(self, group: int) -> None:
        """Forget a process group, whose number may be given to another.

        Args:
            group: The group's id.
        """
        self._tell(f"ungroup {group}")

    def also_remove(self, directory: Path) -> None:
        """Have another directory removed as well, if this process is killed.

        Args:
            directory: Its absolute path.
        """
        self._tell(f"socket {directory}")

    def _tell(self, line: str) -> None:
        assert self._reaper.stdin is not None
        try:
            self._reaper.stdin.write(line.encode() + b"\n")
            self._reaper.stdin.flush()
        except BrokenPipeError:
            pass  # somebody ended the reaper; we still clean up ourselves
