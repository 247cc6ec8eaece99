"""Reads a file in a process that may die of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
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
    size = path.stat().st_size
    if size == 0:
        raise FileRefused("file_empty")
    if size > limits.most_bytes:
        most = limits.most_bytes / (1024 * 1024)
        raise FileRefused(
            "file_too_large", f"The file has {size / 1024 / 1024:.1f} MB; at most {most:.0f} are read."
        )
    into.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-c",
        _RUN,
        _ROOT,
        arguments(path, limits, into),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        # Nothing of the worker's environment: a parser that is taken over finds no key.
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        cwd=into,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(3 * limits.seconds):
            status = await process.wait()
    except TimeoutError:
        raise FileRefused("file_too_complex") from None
    finally:
        await _end(process)
    return _answer(status, into)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # It has ended between the question and the signal.
        await process.wait()


def _answer(status: int, into: Path) -> ReadFile:
    answer_file = into / "answer.json"
    if status != 0 or not answer_file.exists():
        # Out of time, out of memory, or a crash in a parser: files of people do none of this.
        raise FileRefused("file_too_complex")
    answer = json.loads(answer_file.read_text(encoding="utf-8"))
    if code := answer.get("refused"):
        raise FileRefused(code, _named(code, answer.get("what")))
    pictures = [into / f"{number}.jpg" for number in range(1, answer["pictures"] + 1)]
    return ReadFile(answer["kind"], answer["text"], answer["pages"], pictures)


def _named(code: str, what: str | None) -> str | None:
    if what is None:
        return None
    if code == "file_type":
        return f"The file is {what}, not a PDF, DOCX, text or image."
    if code == "file_too_long":
        return f"The document is too long: {what}."
    return f"The file is too large: {what}."
