"""Follows one job: by messages while Realtime hears, by reading while it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from headway.client.cadence import Cadence
from headway.client.connection import Connection
from headway.client.estimating import Estimating
from headway.client.updates import Updates
from headway.core.feed import Feed, Update
from headway.core.message import job_topic
from headway.errors import InvalidRequest, SchemaMismatch, TransportError
from headway.link import Gap, Listener, Listening, Message, Refused

__all__ = ["JobWatcher"]

_log = logging.getLogger("headway.client")

_BATCH = 500
_MOST_DOUBTS = 10


class JobWatcher:
    """Hears of one job until its end.

    Args:
        job_id: The job.
        after_seq: The last ``seq`` that was seen; ``None`` begins with what is.
        follow_retries: Go on after ends.
        fresh: The job was submitted just now, so that there is nothing to read before Realtime hears.
    """

    def __init__(
        self, job_id: UUID, after_seq: int | None = None, *, follow_retries: bool = False, fresh: bool = False
    ) -> None:
        self._job_id = job_id
        self._feed = Feed(job_id, after_seq, follow_retries=follow_retries)
        self._fresh = fresh
        self._leased = False
        self._doubts = 0

    async def __call__(self, connection: Connection, updates: Updates[Update]) -> None:
        """Fill a queue until the end.

        Raises:
            HeadwayError: the job cannot be read, and trying again would not help.
        """
        feed = self._feed
        cadence = Cadence(connection.policy, first=connection.policy.patience if self._fresh else 0)
        if not self._fresh:
            # What has ended needs no connection.
            await self._read(connection, updates, cadence)
            if feed.ended:
                return
        topic = job_topic(self._job_id)
        estimating = Estimating(connection, feed, updates.put)
        try:
            async with connection.hearing.listening(topic) as listener:
                while not feed.ended:
                    estimating.plan()
                    await updates.room()
                    await self._step(connection, updates, listener, cadence)
                # Nobody need wait until the server has let the topic go.
                updates.close()
        finally:
            estimating.close()
            if self._leased:
                connection.leases.drop(topic)

    async def _step(
        self, connection: Connection, updates: Updates[Update], listener: Listener, cadence: Cadence
    ) -> None:
        """Take in one message, or read when it is time to."""
        try:
            async with asyncio.timeout_at(cadence.due):
                event = await anext(listener)
        except TimeoutError:
            await self._read(connection, updates, cadence)
            return
        except StopAsyncIteration:
            raise connection.closed_error() from None
        match event:
            case Message(event="job", payload=payload):
                cadence.heard()
                self._take(payload, updates, cadence)
                await self._fill(connection, updates, cadence)
            case Listening():
                cadence.hears()
                await self._read(connection, updates, cadence)
            case Gap() | Refused():
                cadence.deaf()
            case _:
                pass

    def _take(self, payload: dict[str, Any], updates: Updates[Update], cadence: Cadence) -> None:
        try:
            _put(updates, self._feed.take_message(payload))
        except SchemaMismatch as error:
            # The feed is as it was; what the message would have told is read instead.
            _log.warning("a message about job %s was not understood: %s", self._job_id, error)
            cadence.soon()

    async def _read(self, connection: Connection, updates: Updates[Update], cadence: Cadence) -> None:
        """Read the snapshot and whatever it shows to be missing."""
        before = self._feed.seq
        try:
            document = await connection.call("snapshot", {"job_id": str(self._job_id)}, attempts=1)
            news = self._feed.take_snapshot(document)
            _put(updates, news)
            if await self._lease(connection):
                document = await connection.call("snapshot", {"job_id": str(self._job_id)}, attempts=1)
                _put(updates, self._feed.take_snapshot(document))
        except TransportError as error:
            connection.refuse_if_closed()
            _log.info("job %s could not be read; trying again: %s", self._job_id, error)
            cadence.failed(error.retry_after)
            return
        except InvalidRequest as error:
            # Postgres sends out what was committed a moment before anybody can read it.
            if error.details != "after_seq" or self._doubts == _MOST_DOUBTS:
                raise
            self._doubts += 1
            cadence.soon()
            return
        cadence.read(missed=self._feed.seq != before and before is not None)
        await self._fill(connection, updates, cadence)

    async def _lease(self, connection: Connection) -> bool:
        """Hold the lease of a job that is pushed only while watched; whether it was taken just now."""
        snapshot = self._feed.snapshot
        if self._leased or self._feed.ended or snapshot is None or snapshot.push != "watched":
            return False
        topic = job_topic(self._job_id)
        connection.leases.add(topic)
        self._leased = True
        await connection.leases.renew(topic)
        return True

    async def _fill(self, connection: Connection, updates: Updates[Update], cadence: Cadence) -> None:
        """Read events while there is a hole."""
        while (after := self._feed.needs_events_after) is not None:
            arguments = {"job_id": str(self._job_id), "after_seq": after, "max_events": _BATCH}
            try:
                rows = await connection.call("events_after", arguments, attempts=1)
            except TransportError as error:
                connection.refuse_if_closed()
                cadence.failed(error.retry_after)
                return
            cadence.missed()
            _put(updates, self._feed.take_events(rows))
            if self._feed.needs_events_after == after:
                # Known of, but not to be read yet: a replica that is behind, say.
                cadence.soon()
                return
            await updates.room()


def _put(updates: Updates[Update], news: Iterable[Update]) -> None:
    for update in news:
        updates.put(update)
