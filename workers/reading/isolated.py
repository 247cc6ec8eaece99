"""Reads a file in a process that may die of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workers.reading.child import arguments
from workers.reading.content_type import FileKind
from workers.reading.limits import Limits
from workers.reading.refusals import FileRefused

__all__ = ["ReadFile", "read_file"]

_ROOT = str(Path(__file__).parents[2])
_RUN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from workers.reading.child import main; main(sys.argv[2])"
)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What was found in a file.

    Attributes:
        kind: What it is, by its content.
        text: In reading order; empty when there are only pictures.
        pages: Of a PDF; 1 otherwise.
        pictures: JPEG files of what can only be seen, in order.
    """

    kind: FileKind
    text: str
    pages: int
    pictures: Sequence[Path]


async def read_file(path: Path, limits: Limits, into: Path) -> ReadFile:
    """Read a file that may be anything.

    Args:
        path: The file.
        limits: What it may be, and what reading it may take.
        into: A directory of the caller's own for what is found; made when missing.

    Raises:
        FileRefused: it is not read; says why, and what to do.
    """
    path, into = path.resolve(), into.resolve()
    size = path.stat().st_size
    if size == 0:
        raise FileRefused("file_empty")
    if size > limits.most_bytes:
        most = limits.most_bytes / (1024 * 1024)
        raise FileRefused(
            "file_too_large", f"The file has {size / 1024 / 1024:.1f} MB; at most {most:.0f} are read."
        )
    into.mkdir(parents=True, exist_ok=True)
    # In a thread: uvloop's own way to start processes forks the worker, its sockets and hooks included.
    process = await asyncio.to_thread(_start, arguments(path, limits, into), into)
    try:
        status = await asyncio.to_thread(process.wait, 3 * limits.seconds)
    except subprocess.TimeoutExpired:
        raise FileRefused("file_too_complex") from None
    finally:
        # Out of time, or cancelled: then the thread that waits comes back by this.
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return _answer(status, into)


def _start(given: str, into: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program; the file's path is ours, too
        [sys.executable, "-I", "-c", _RUN, _ROOT, given],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Nothing of the worker's environment: no key gets into a crash or a parser's messages.
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        cwd=into,
        start_new_session=True,
    )


def _answer(status: int, into: Path) -> ReadFile:
    answer_file = into / "answer.json"
    if status != 0 or not _is_plain(answer_file):
        # Out of time, out of memory, or a crash in a parser: files of people do none of this.
        raise FileRefused("file_too_complex")
    answer = json.loads(answer_file.read_text(encoding="utf-8"))
    if code := answer.get("refused"):
        raise FileRefused(code, _named(code, answer.get("what")))
    pictures = [into / f"{number}.jpg" for number in range(1, answer["pictures"] + 1)]
    if not all(map(_is_plain, pictures)):
        raise FileRefused("file_too_complex")
    return ReadFile(answer["kind"], answer["text"], answer["pages"], pictures)


def _is_plain(path: Path) -> bool:
    # A link out of the directory, or a pipe that never ends, is the work of a parser that was taken over.
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _named(code: str, what: str | None) -> str | None:
    if what is None:
        return None
    if code == "file_type":
        return f"The file is {what}, not a PDF, DOCX, text or image."
    if code == "file_too_long":
        return f"The document is too long: {what}."
    return f"The file is too large: {what}."
