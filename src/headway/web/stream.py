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
from headway.settings import WebSettings
from headway.web.seats import Person, Seat, Seats
from headway.web.wire import (
    HEARTBEAT,
    Told,
    WireEvent,
    encode,
    has_ended,
    problem_event,
    read_last_event_id,
    wire_event,
)

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway

__all__ = ["Source", "SseStream", "open_stream"]

_log = logging.getLogger(__name__)

Source: TypeAlias = JobHandle | BatchHandle | Watch[Update] | Watch[JobUpdate] | Watch[BatchSnapshot]
"""What to stream: a job, a batch, or a watch that was begun already."""

_seats = Seats()


class SseStream:
    """An open stream: it knows already that there is something to tell, and to whom.

    Iterate over it for the encoded bytes, heartbeats included; ``aclose`` it whatever happens.

    Attributes:
        status: 200, or 204 when the browser has seen the end: that tells it not to come back.
    """

    def __init__(
        self,
        watch: Watch[Told],
        first: Told | None,
        owned: AsyncHeadway | None,
        heartbeat: float,
        seat: Seat | None,
    ) -> None:
        self._watch = watch
        self._first = first
        self._owned = owned
        self._seat = seat
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
            self._closing = asyncio.ensure_future(_release(self._watch, self._owned, self._seat))
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
        source: What to stream; a job is watched from the browser's ``Last-Event-ID`` on, and of a batch its
            end is not told twice.
        last_event_id: That header, as it came.
        owned: A client that was made for this request alone: closed with the stream, and also when there is
            none.
        heartbeat: Seconds of silence after which a comment is sent.

    Raises:
        NotFound: there is no such job, or it is not visible to this caller.
        InvalidRequest: ``last_event_id`` is none of this job's.
        TransportError: the caller has ``HEADWAY_STREAMS_PER_PERSON`` streams in this process already
            (``too_many_streams``).
        HeadwayError: whatever else makes watching impossible.
    """
    watch: Watch[Told] | None = None
    seat: Seat | None = None
    try:
        most = WebSettings.load().streams_per_person
        watch = _watch_of(source, last_event_id)
        person = await _person_of(watch)
        if person is not None:
            _seats.refuse_if_full(person, most)
        first = await anext(watch, None)
        if person is not None:
            # Only now has the project said that the token is what it claims to be: nobody can fill the seats
            # of somebody else.
            seat = _seats.take(person, most)
        if first is not None and has_ended(first) and wire_event(first).id == last_event_id:
            first = None
    except BaseException:
        await asyncio.shield(asyncio.ensure_future(_release(watch, owned, seat)))
        raise
    return SseStream(watch, first, owned, heartbeat, seat)


async def _release(watch: Watch[Told] | None, owned: AsyncHeadway | None, seat: Seat | None) -> None:
    if seat is not None:
        seat.release()
    if watch is not None:
        await watch.aclose()
    if owned is not None:
        await owned.close()


async def _person_of(watch: Watch[Told]) -> Person | None:
    """Whose stream it is; ``None`` for a key that speaks for itself."""
    subject = await watch.connection.owner()
    return None if subject is None else (watch.connection.url, subject)


def _watch_of(source: Source, last_event_id: str | None) -> Watch[Told]:
    if isinstance(source, JobHandle):
        return source.watch(read_last_event_id(last_event_id))  # type: ignore[return-value]  # Watch only yields
    if isinstance(source, BatchHandle):
        return source.watch()  # type: ignore[return-value]
    return source  # type: ignore[return-value]
