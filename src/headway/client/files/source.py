"""What can be uploaded, as one thing: so many bytes that can be read again from any place."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import os
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias, cast

from headway.errors import InvalidRequest

__all__ = ["Opened", "Source", "Upload", "content_type_of", "opened"]

Source: TypeAlias = Path | str | bytes | IO[bytes] | AsyncIterator[bytes]
"""A path, the bytes themselves, a file open for reading, or pieces as they come."""

_PIECE = 256 * 1024
_MOST_IN_MEMORY = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to upload, and what is to be known of it.

    Attributes:
        source: Its bytes.
        name: What it is called; the path's last part, or ``file``, when omitted.
        content_type: Its media type; told from the name when omitted.
        bucket: Where it goes, when not where the others go.
        path: Under which path; one of its own in its owner's folder when omitted.
    """

    source: Source
    name: str | None = None
    content_type: str | None = None
    bucket: str | None = None
    path: str | None = None


@dataclass(slots=True)
class Opened:
    """An open source.

    Attributes:
        size: Its bytes.
        name: What it is called.
        identity: What tells it from every other file and from itself with another content; ``None`` for what
            exists only in this process.
    """

    file: IO[bytes]
    size: int
    name: str
    identity: str | None = None
    origin: int = 0
    _stamp: tuple[int, int] | None = None

    async def pieces(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Read a part, a piece at a time.

        Args:
            start: From which byte.
            length: How many bytes.

        Raises:
            InvalidRequest: the file has become shorter.
        """
        end = start + length
        while start < end:
            piece = await asyncio.to_thread(self._read, start, min(_PIECE, end - start))
            if not piece:
                raise _changed(self.name)
            start += len(piece)
            yield piece

    def check_unchanged(self) -> None:
        """Raises:
        InvalidRequest: the file was written to since it was opened.
        """
        if self._stamp is not None and _stamp(os.fstat(self.file.fileno())) != self._stamp:
            raise _changed(self.name)

    def _read(self, start: int, length: int) -> bytes:
        self.file.seek(self.origin + start)
        return self.file.read(length)


@asynccontextmanager
async def opened(source: Source, name: str | None = None) -> AsyncIterator[Opened]:
    """Open a source; what cannot be read twice is put aside on disk first.

    Args:
        source: What to upload; a file that the caller has opened stays open.
        name: What it is called, when it is not to say so itself.

    Raises:
        InvalidRequest: it is no such thing, or no file is there.
    """
    if isinstance(source, (str, Path)):
        async with _of_path(Path(source), name) as of_path:
            yield of_path
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield Opened(io.BytesIO(source), len(source), name or "file")
    elif isinstance(source, AsyncIterator):
        with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY) as aside:
            size = 0
            async for piece in source:
                if not isinstance(piece, (bytes, bytearray, memoryview)):
                    raise _wrong(f"a piece is of type {type(piece).__name__}", "Let it yield bytes.")
                size += await asyncio.to_thread(aside.write, piece)
            yield Opened(cast(IO[bytes], aside), size, name or "file")
    elif hasattr(source, "read"):
        async with _of_file(source, name) as of_file:
            yield of_file
    else:
        raise _wrong(
            f"a {type(source).__name__} cannot be uploaded",
            "Send a path, bytes, a file opened in binary mode, or an async iterator of bytes.",
        )


@asynccontextmanager
async def _of_path(path: Path, name: str | None) -> AsyncIterator[Opened]:
    try:
        # A pipe that nobody writes to would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            raise _unreadable(path, "it is a folder")
        raise _unreadable(path, "it is a pipe or a device", "Open it, and pass what open() has returned.")
    with os.fdopen(descriptor, "rb") as file:
        stamp = _stamp(facts)
        identity = f"{path.resolve()}\0{facts.st_dev}\0{facts.st_ino}\0{stamp[0]}\0{stamp[1]}"
        yield Opened(file, facts.st_size, name or path.name, identity, _stamp=stamp)


@asynccontextmanager
async def _of_file(file: IO[bytes], name: str | None) -> AsyncIterator[Opened]:
    said = getattr(file, "name", None)
    chosen = name or (Path(said).name if isinstance(said, str) and said else "file")
    if isinstance(file, io.TextIOBase):
        raise _wrong("the file is open as text", 'Open it with mode "rb".')
    if getattr(file, "closed", False):
        raise _wrong("the file is closed", "Leave it open until it has been uploaded.")
    if isinstance(file, io.IOBase) and not file.readable():
        raise _wrong("the file is open for writing alone", 'Open it with mode "rb".')
    if file.seekable():
        origin = file.tell()
        size = file.seek(0, os.SEEK_END) - origin
        try:
            yield Opened(file, size, chosen, origin=origin)
        finally:
            file.seek(origin)
        return
    with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY) as aside:
        size = 0
        while piece := await asyncio.to_thread(file.read, _PIECE):
            size += aside.write(piece)
        yield Opened(cast(IO[bytes], aside), size, chosen)


def content_type_of(name: str) -> str:
    """The media type that a file's name tells; ``application/octet-stream`` when it tells none."""
    return mimetypes.guess_type(name, strict=False)[0] or "application/octet-stream"


def _stamp(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_size, facts.st_mtime_ns


def _wrong(reason: str, hint: str) -> InvalidRequest:
    return InvalidRequest(f"source: {reason}", hint=hint, code="HW100", details="source")


def _unreadable(path: Path, reason: str, hint: str | None = None) -> InvalidRequest:
    return InvalidRequest(
        f"source: {path} cannot be read: {reason}",
        hint=hint or "Check the path and its permissions.",
        code="file_unreadable",
        details="source",
    )


def _changed(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"source: {name} was changed while it was uploaded",
        hint="Upload it again when nobody writes to it.",
        code="file_changed",
        details="source",
    )
