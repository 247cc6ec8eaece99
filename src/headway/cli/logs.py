"""``headway logs``: what the stack and its Postgres logged, in the order of time."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headway.cli.target import target_project
from headway.errors import HeadwayError

__all__ = ["print_logs"]

_POLL_S = 0.1
_BLOCK = 64 * 1024
# Both logs begin their entries with this; what does not, continues the entry above it.
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC ")


@dataclass
class _Tail:
    """A log file read from near its end, and then as it grows, is rotated or begins anew."""

    name: str
    path: Path
    _inode: int = 0
    _offset: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def last(self, lines: int) -> list[str]:
        try:
            with self.path.open("rb") as file:
                entry = os.fstat(file.fileno())
                self._inode, self._offset = entry.st_ino, entry.st_size
                content, start = b"", entry.st_size
                while start > 0 and content.count(b"\n") <= lines:
                    start = max(0, start - _BLOCK)
                    file.seek(start)
                    content = file.read(min(_BLOCK, entry.st_size - start - len(content))) + content
        except FileNotFoundError:
            return []
        return content.decode("utf-8", "replace").splitlines()[-lines:] if lines else []

    def fresh(self) -> Iterator[str]:
        try:
            with self.path.open("rb") as file:
                entry = os.fstat(file.fileno())
                if entry.st_ino != self._inode or entry.st_size < self._offset:
                    self._inode, self._offset, self._rest = entry.st_ino, 0, b""
                file.seek(self._offset)
                content = file.read()
                self._offset += len(content)
        except FileNotFoundError:
            return
        *whole, self._rest = (self._rest + content).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")


def print_logs(
    sources: Sequence[str], *, project: Path | None, data_dir: Path | None, follow: bool, lines: int
) -> None:
    """Print past log lines by time, and then new ones until interrupted.

    Args:
        sources: ``stack``, ``postgres`` or both.
        project: The option ``--project``.
        data_dir: The option ``--data-dir``.
        follow: Whether to go on.
        lines: How many past lines.

    Raises:
        HeadwayError: nothing has been logged yet and nothing is waited for.
    """
    target = target_project(project, data_dir)
    paths = {"stack": target.stack_log, "postgres": target.postgres_log}
    tails = [_Tail(name, paths[name]) for name in sources]
    if not follow and not any(tail.path.exists() for tail in tails):
        raise HeadwayError(
            f"There is no log in {target.data_dir}",
            hint="Start a stack with `headway up`.",
            code="not_running",
        )
    try:
        _write(_merged(tails, lines))
        while follow:
            _write((tail.name, line) for tail in tails for line in tail.fresh())
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Whoever read us has seen enough; keep the interpreter from flushing into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _merged(tails: Sequence[_Tail], lines: int) -> list[tuple[str, str]]:
    dated: list[tuple[str, int, str, str]] = []
    for tail in tails:
        stamp = ""
        for line in tail.last(lines):
            match = _STAMP.match(line)
            stamp = match[0] if match else stamp
            dated.append((stamp, len(dated), tail.name, line))
    return [(name, line) for _, _, name, line in sorted(dated)][-lines:] if lines else []


def _write(entries: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> None:
    for name, line in entries:
        sys.stdout.write(f"{name:8} | {line}\n")
    sys.stdout.flush()
