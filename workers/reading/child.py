"""The process that reads one file, under limits that it cannot lift.

It gets a file, limits and a directory on its command line, and leaves ``answer.json`` and pictures in the
directory. It has no secrets in its environment and needs no network. When it is killed by a limit, or
crashes in a parser, only this process is gone. It runs as the worker's user: what else that user may read on
this machine is for the container to limit.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from workers.reading.content_type import Unreadable, kind_of
from workers.reading.limits import Limits

__all__ = ["arguments", "main"]


def arguments(path: Path, limits: Limits, into: Path) -> str:
    """What ``main`` is started with.

    Args:
        path: The file to read.
        limits: What it may be.
        into: Where answer and pictures go.
    """
    return json.dumps({"path": str(path), "limits": asdict(limits), "into": str(into)})


def main(given: str) -> None:
    """Read the file; always ends the process, with 0 when there is an answer.

    Args:
        given: What ``arguments`` made.
    """
    asked = json.loads(given)
    limits, into = Limits(**asked["limits"]), Path(asked["into"])
    _confine(limits)
    try:
        answer = _read(Path(asked["path"]), limits, into)
    except Unreadable as refusal:
        answer = {"refused": refusal.code, "what": refusal.what}
    except (MemoryError, RecursionError):
        answer = {"refused": "file_too_complex", "what": None}
    (into / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    sys.exit(0)


def _read(path: Path, limits: Limits, into: Path) -> dict[str, object]:
    content = path.read_bytes()
    kind = kind_of(content)
    text, pages, pictures = "", 1, 0
    # Each parser is loaded only when it is needed: they take longer to start than most files to read.
    if kind == "pdf":
        from workers.reading.pdf import read_pdf

        del content
        text, pages, pictures = read_pdf(path, limits, into)
    elif kind == "docx":
        from workers.reading.word import read_docx

        del content
        text = read_docx(path, limits)
    elif kind == "image":
        from workers.reading.pictures import read_image

        pictures = read_image(path, limits, into)
    else:
        from workers.reading.plain_text import read_text

        text = read_text(content, limits)
    if not text.strip() and not pictures:
        raise Unreadable("file_no_text")
    return {"kind": kind, "text": text, "pages": pages, "pictures": pictures}


def _confine(limits: Limits) -> None:
    for what, most in (
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.most_unpacked_bytes),
        (resource.RLIMIT_NOFILE, 64),
        # A parser that was taken over starts nothing that would outlive this process.
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        # macOS refuses RLIMIT_AS; the time limits still hold there.
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))
    # When the machine runs out of memory, it is this process that goes, and not the worker with all its jobs.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Should the worker die, nobody else ends this process.
    signal.alarm(3 * limits.seconds)
