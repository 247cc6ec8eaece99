"""Streams and status for frameworks without an event loop: Flask, Django under WSGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Self
from uuid import UUID

from headway.web.status import JobStatusDocument, read_status
from headway.web.stream import SseStream, open_stream
from headway.web.wire import HEADERS

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway
    from headway.client.sync.headway import Headway

__all__ = ["BlockingStream", "open_blocking_stream", "read_status_blocking"]


class BlockingStream(Iterator[bytes]):
    """The body of a response with server-sent events; WSGI servers ``close`` it when the browser goes.

    A server needs a thread for every browser that listens: heartbeats are what it notices their going by.

    Attributes:
        status: 200, or 204 when the browser has seen the end: that tells it not to come back.
        headers: What the response needs, the media type included.
    """

    def __init__(self, headway: Headway, stream: SseStream, owned: bool) -> None:
        self._headway = headway
        self._stream = stream
        self._frames: AsyncIterator[bytes] | None = None
        self._owned = owned
        self._closed = False
        self.status = stream.status
        self.headers = {**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"}

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """The next event or heartbeat."""
        if self._closed:
            raise StopIteration
        frame = self._headway.runner.run(self._next)
        if frame is None:
            self.close()
            raise StopIteration
        return frame

    async def _next(self, _: AsyncHeadway) -> bytes | None:
        if self._frames is None:
            self._frames = aiter(self._stream)
        return await anext(self._frames, None)

    def close(self) -> None:
        """Stop watching; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._headway.runner.run(lambda _: self._stream.aclose())
        if self._owned:
            self._headway.close()


def open_blocking_stream(
    headway: Headway,
    job_id: UUID | str,
    last_event_id: str | None = None,
    *,
    owned: bool = False,
    heartbeat: float = 15.0,
) -> BlockingStream:
    """As ``open_stream``, for a job of a synchronous client.

    Args:
        headway: The client of whoever listens.
        job_id: The job.
        last_event_id: The header ``Last-Event-ID``, as it came.
        owned: The client was made for this request alone: it is closed with the stream, and also when there
            is none.
        heartbeat: Seconds of silence after which a comment is sent.

    Raises:
        NotFound: there is no such job, or it is not visible to this caller.
        InvalidRequest: ``last_event_id`` is none of this job's.
    """
    try:
        stream = headway.runner.run(
            lambda client: open_stream(client.job(job_id), last_event_id, heartbeat=heartbeat)
        )
    except BaseException:
        if owned:
            headway.close()
        raise
    return BlockingStream(headway, stream, owned)


def read_status_blocking(
    headway: Headway, job_id: UUID | str, *, view: str | None = None
) -> JobStatusDocument:
    """As ``read_status``, for a synchronous client."""
    return headway.runner.run(lambda client: read_status(client, job_id, view=view))
