"""A worker's temporary directory: private, gone at its end, and after a crash removed by the next worker."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import socket
import stat
import tempfile
from pathlib import Path

import psutil

from headway.errors import ConfigError

__all__ = ["Scratch"]

_log = logging.getLogger("headway.worker")

_SAFE = re.compile(r"[^A-Za-z0-9.]")


class Scratch:
    """Where the jobs' own temporary directories are made.

    Args:
        parent: Where it is made; the system's place for temporary files when ``None``.
    """

    name = "scratch"

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        # The host is in the name: process numbers say nothing of other containers that share the place.
        self._prefix = f"headway-{_SAFE.sub('_', socket.gethostname())[:64]}-"
        self.path: Path | None = None
        """The directory, while the worker runs."""

    async def start(self) -> None:
        """Make the directory, and remove those of workers that have crashed.

        Raises:
            ConfigError: it cannot be made.
        """
        if self.path is not None:
            return
        try:
            self.path = Path(tempfile.mkdtemp(prefix=f"{self._prefix}{os.getpid()}-", dir=self._parent))
        except OSError as error:
            raise ConfigError(
                f"no temporary directory can be made in {self._parent}: {error.strerror or error}",
                hint="Set TMPDIR to a directory that this user may write to.",
                code="scratch_unwritable",
            ) from None
        await asyncio.to_thread(self._remove_orphans)

    async def stop(self) -> None:
        """Remove the directory."""
        path, self.path = self.path, None
        if path is not None:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    def _remove_orphans(self) -> None:
        try:
            entries = list(self._parent.iterdir())
        except OSError:
            return
        for entry in entries:
            match = re.fullmatch(rf"{re.escape(self._prefix)}(\d+)-\w+", entry.name)
            if match is None or psutil.pid_exists(int(match[1])):
                continue
            try:
                found = entry.lstat()
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                _log.info("removing what a worker that has crashed left in %s", entry)
                shutil.rmtree(entry, ignore_errors=True)
