"""Where a video comes from, and how it is handed on without being held in memory."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import mimetypes
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from headway import Context, FileRef, InvalidRequest, NotFound, TransportError

__all__ = ["Aborted", "PulledFile", "VideoSource", "open_source"]

_LOOK_S = 0.2
_PIECE = 1024 * 1024
# What Gemini calls a format that others know under another name.
_NAMES = {"video/quicktime": "video/mov", "video/x-msvideo": "video/avi", "video/x-ms-wmv": "video/wmv"}


class Aborted(Exception):
    """Nobody wants the rest of the file."""


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A video in Storage.

    Attributes:
        stream: Its content from the beginning, piece by piece; may be called again.
        size: In bytes.
        content_type: As the provider calls it.
    """

    stream: Callable[[], AsyncGenerator[bytes, None]]
    size: int
    content_type: str


async def open_source(ctx: Context, path: str, *, most_bytes: int) -> VideoSource:
    """The video of a job: its input file, or else an object of bucket ``videos``.

    Args:
        ctx: The job's context.
        path: In the bucket.
        most_bytes: The largest video that is taken.

    Raises:
        InvalidRequest: it is no video, empty, or too large.
        NotFound: it is gone.
        TransportError: Storage could not be asked.
    """
    given = next((file for file in ctx.files.inputs if (file.bucket, file.path) == ("videos", path)), None)
    file = given or FileRef(direction="input", name="video", bucket="videos", path=path)
    kind = file.content_type or mimetypes.guess_type(path)[0] or ""
    if given is not None and given.bytes is not None and kind:
        size, stream = given.bytes, _of_input(ctx, given.name)
    else:
        # Names say little: what it was uploaded as, Storage knows.
        size, stored_as = await _look(ctx, file)
        kind, stream = file.content_type or stored_as or kind, _of_object(ctx, file)
    if not kind.startswith("video/"):
        raise _unfit(f"is {kind or 'of an unknown type'}, not a video", "file_not_video")
    if not size:
        raise _unfit("is empty", "file_empty")
    if size > most_bytes:
        raise _unfit(
            f"has {size:,} bytes; at most {most_bytes:,} are taken",
            "file_too_large",
            "Cut it into several videos, or make it smaller.",
        )
    return VideoSource(stream, size, _NAMES.get(kind, kind))


def _of_input(ctx: Context, name: str) -> Callable[[], AsyncGenerator[bytes, None]]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        async for piece in ctx.files.stream(name):
            yield piece

    return pieces


def _of_object(ctx: Context, file: FileRef) -> Callable[[], AsyncGenerator[bytes, None]]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            async with ctx.http.stream("GET", await ctx.files.signed_url(file)) as response:
                _check(response.status_code)
                async for piece in response.aiter_bytes(_PIECE):
                    yield piece
        except httpx.TransportError as error:
            # Whoever reads it talks to another server at the same time, whose fault it is not.
            raise OSError("Storage has broken off") from error

    return pieces


async def _look(ctx: Context, file: FileRef) -> tuple[int, str]:
    """A stored object's size, and what it was uploaded as."""
    address = await ctx.files.signed_url(file)
    async with ctx.http.stream("GET", address, headers={"range": "bytes=0-0"}) as response:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == 416:
            return 0, ""
        _check(response.status_code)
        _, _, whole = response.headers.get("content-range", "").rpartition("/")
        return int(whole) if whole.isdecimal() else int(response.headers.get("content-length", "0")), kind


def _check(status: int) -> None:
    if status in (400, 404):
        raise NotFound(
            "video: its file is not in Storage any more", hint="Upload it again.", code="file_gone"
        )
    if status >= 400:
        raise TransportError(f"Storage answered {status}", hint="Try again later.", status=status)


def _unfit(reason: str, code: str, remedy: str = "Upload an MP4, WebM or MOV video.") -> InvalidRequest:
    return InvalidRequest(f"video: {reason}", hint=remedy, code=code, details="video")


class PulledFile(io.RawIOBase):
    """Pieces that an event loop gives, as the file that a library reads in a thread.

    No more of it is in memory than the reader has asked for and one piece. It can only be read forward; its
    size can be found out by seeking to its end before that.

    Args:
        pieces: The content.
        size: In bytes.
        told: Called in the thread with how many bytes were read so far.
    """

    def __init__(
        self, pieces: AsyncIterator[bytes], size: int, told: Callable[[int], None] = lambda count: None
    ) -> None:
        self._pieces = pieces
        self._size = size
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._read = 0
        self._seen = 0
        self._aborted = threading.Event()

    def abort(self) -> None:
        """Let the reader fail at its next read; from any thread."""
        self._aborted.set()

    @property
    def aborted(self) -> bool:
        """Whether nobody wants it any more."""
        return self._aborted.is_set()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._seen

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        target = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._seen, os.SEEK_END: self._size}[whence]
        if target not in (self._read, self._size):
            raise io.UnsupportedOperation("the file can only be read forward")
        self._seen = target
        return target

    def readinto(self, into: Any) -> int:
        piece = self.read(len(into)) or b""
        into[: len(piece)] = piece
        return len(piece)

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, or the rest; fewer only at the end.

        Raises:
            Aborted: nobody wants the file any more.
            OSError: there is less of it than was said.
        """
        wanted = self._size - self._read if size is None or size < 0 else min(size, self._size - self._read)
        while len(self._buffer) < wanted:
            piece = self._next()
            if piece is None:
                raise OSError(f"the file ends after {self._read + len(self._buffer)} of {self._size} bytes")
            self._buffer += piece
        with memoryview(self._buffer) as view:
            answer = bytes(view[:wanted])
        del self._buffer[:wanted]
        self._read += wanted
        self._seen = self._read
        self._told(self._read)
        return answer

    def _next(self) -> bytes | None:
        async def pull() -> bytes | None:
            return await anext(self._pieces, None)

        pulling = asyncio.run_coroutine_threadsafe(pull(), self._loop)
        while not self._aborted.is_set():
            try:
                return pulling.result(_LOOK_S)
            except concurrent.futures.TimeoutError:
                if pulling.done():
                    raise
        pulling.cancel()
        raise Aborted
