"""What the server prints: kept in a file, and quoted when the server does not start."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ServerLog"]

_ROTATE_AT = 10 * 1024 * 1024
_TAIL = 16 * 1024
_GRAVE = ("PANIC:  ", "FATAL:  ", "ERROR:  ", "error: ")


class ServerLog:
    """An append-only log file, rotated once when it has grown large.

    Args:
        path: The file, readable by this user only; its directory is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _ROTATE_AT:
            path.replace(path.with_name(f"{path.name}.1"))
        self.descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        self._start = os.fstat(self.descriptor).st_size

    def close(self) -> None:
        """Close our end; the server keeps its own."""
        os.close(self.descriptor)

    def printed(self) -> str:
        """The end of what was printed since the log was opened."""
        size = os.fstat(self.descriptor).st_size
        start = max(self._start, size - _TAIL)
        return os.pread(self.descriptor, size - start, start).decode("utf-8", "replace")

    def fault(self) -> str | None:
        """The gravest line printed since the log was opened, without its prefix; ``None`` without one."""
        lines = self.printed().splitlines()
        for word in _GRAVE:
            for number, line in enumerate(lines):
                if word in line:
                    fault = line.split(word, 1)[1].strip()
                    # Which setting it was stands in the line before.
                    about_settings = number > 0 and fault.endswith("contains errors")
                    return f"{lines[number - 1].split(':  ', 1)[-1]}; {fault}" if about_settings else fault
        return lines[-1].strip() if lines else None
