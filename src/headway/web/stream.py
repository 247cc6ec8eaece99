"""A watch as a stream of server-sent events, for any framework."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias

from headway.client.handles import BatchHandle, JobHandle
from headway.client.watch import Watch
from headway.core.answers import BatchSnapshot
from headway.core.feed import Update
from headway.core.listing import JobUpdate
from headway.errors import HeadwayError
from headway.web.wire import HEARTBEAT, Told, WireEvent, encode, problem_event, read_last_event_id, wire_event

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway

__all__ = ["Source", "SseStream", "open_stream"]

_log = logging.getLogger(__name__)

Source: TypeAlias = JobHandle | BatchHandle | Watch[Update] | Watch[JobUpdate] | Watch[BatchSnapshot]
"""What to stream: a job, a batch, or a watch that was begun already."""


class SseStream:
    """An open stream: it knows already that there is something to tell, and to whom.

    Iterate over it for the encoded bytes, heartbeats included; ``aclose`` it whatever happens.

    Attributes:
        status: 200, or 204 when the browser has seen the end: that tells it not to come back.
    """

    def __init__(
        self, watch: Watch[Told], first: Told | None, owned: AsyncHeadway | None, heartbeat: float
    ) -> None:
        self._watch = watch
        self._first = first
        self._owned = owned
        self._heartbeat = heartbeat
        self._closing: asyncio.Future[None] | None = None
        self.status = 200 if first is not None else 204

    async def events(self) -> AsyncIterator[WireEvent | None]:
        """The events; ``None`` when it is time for a heartbeat. Everything is released at its end."""
        try:
            if self._first is None:
                return
            yield wire_event(self._first)
            while True:
                try:
                    # Waiting for an update may be cancelled: nothing is lost of it.
                    told = await asyncio.wait_for(anext(self._watch), self._heartbeat)
                except TimeoutError:
                    yield None
                    continue
                except StopAsyncIteration:
                    return
                except HeadwayError as error:
                    yield problem_event(error)
                    return
                yield wire_event(told)
        finally:
            await self.aclose()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        events = self.events()
        try:
            async for event in events:
                yield HEARTBEAT if event is None else encode(event)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Stop watching; safe to call twice."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(_release(self._watch, self._owned))
        # In a task of its own: a framework cancels everything that is awaited once the browser has gone.
        await asyncio.shield(self._closing)


async def open_stream(
    source: Source,
    last_event_id: str | None = None,
    *,
    owned: AsyncHeadway | None = None,
    heartbeat: float = 15.0,
) -> SseStream:
    """Begin to stream, once it is known that the caller may watch.

    Args:
        source: What to stream; a job is watched from the browser's ``Last-Event-ID`` on.
        last_event_id: That header, as it came.
        owned: A client that was made for this request alone: closed with the stream, and also when there is
            none.
        heartbeat: Seconds of silence after which a comment is sent.

    Raises:
        NotFound: there is no such job, or it is not visible to this caller.
        InvalidRequest: ``last_event_id`` is none of this job's.
        HeadwayError: whatever else makes watching impossible.
    """
    watch: Watch[Told] | None = None
    try:
        seen = read_last_event_id(last_event_id)
        watch = _watch_of(source, seen)
        first = await anext(watch, None)
        if isinstance(first, Update) and first.ended and first.event is None and first.seq == seen:
            first = None
    except BaseException:
        await asyncio.shield(asyncio.ensure_future(_release(watch, owned)))
        raise
    return SseStream(watch, first, owned, heartbeat)


async def _release(watch: Watch[Told] | None, owned: AsyncHeadway | None) -> None:
    if watch is not None:
        await watch.aclose()
    if owned is not None:
        await owned.close()


def _watch_of(source: Source, seen: int | None) -> Watch[Told]:
    if isinstance(source, JobHandle):
        return source.watch(seen)  # type: ignore[return-value]  # Watch only ever yields
    if isinstance(source, BatchHandle):
        return source.watch()  # type: ignore[return-value]
    return source  # type: ignore[return-value]
