"""Waits for a job's end, and for nothing else: what happens before is not asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from headway.client.cadence import Cadence
from headway.client.connection import Connection
from headway.client.reading import read_timeline
from headway.core.event import JobEvent
from headway.core.job import JobState, Snapshot
from headway.core.message import JobMessage, job_topic
from headway.core.validation import read_answer
from headway.errors import SchemaMismatch, TransportError
from headway.link import Gap, Listener, Listening, Message, Refused

__all__ = ["End", "EndWatcher"]

_log = logging.getLogger("headway.client")

# An idle worker has done a short job by then, and the message of its end saves the reading.
_HEAD_START_S = 0.015


@dataclass(frozen=True, slots=True)
class End:
    """How a run of a job has ended.

    Attributes:
        state: The job at its end.
        event: The event that ended it, when that is what told of it.
        snapshot: The snapshot, when that did.
    """

    state: JobState
    event: JobEvent | None = None
    snapshot: Snapshot | None = None


class EndWatcher:
    """Hears of the first end after its start.

    Args:
        job_id: The job.
        fresh: The job was submitted just now: this is its first run, and nothing was missed.
    """

    def __init__(self, job_id: UUID, *, fresh: bool) -> None:
        self._job_id = job_id
        self._fresh = fresh
        self._run = 1 if fresh else None
        self._leased = False
        self.state: JobState | None = None
        """The latest that is known of the job."""

    async def wait(self, connection: Connection) -> End:
        """The end, as soon as there is one.

        Raises:
            HeadwayError: the job cannot be read, and trying again would not help.
        """
        cadence = Cadence(connection.policy, first=connection.policy.patience if self._fresh else 0)
        if not self._fresh and (end := await self._read(connection, cadence)) is not None:
            return end
        topic = job_topic(self._job_id)
        listener, leave = await connection.hearing.listen(topic)
        try:
            while True:
                if (end := await self._step(connection, listener, cadence)) is not None:
                    return end
        finally:
            if self._leased:
                connection.leases.drop(topic)
            # Whoever waits for the result need not wait until the server has let the topic go.
            leaving = asyncio.create_task(listener.close(), name="headway watch end")
            leaving.add_done_callback(lambda _: leave())
            connection.keep(leaving)

    async def _step(self, connection: Connection, listener: Listener, cadence: Cadence) -> End | None:
        try:
            async with asyncio.timeout_at(cadence.due):
                event = await anext(listener)
        except TimeoutError:
            return await self._read(connection, cadence)
        except StopAsyncIteration:
            raise connection.closed_error() from None
        match event:
            case Message(event="job", payload=payload):
                cadence.heard()
                return self._take(payload, cadence)
            case Listening() if self._fresh:
                self._fresh = False
                # Who hears how it goes on will hear how it ends.
                cadence.hears(head_start=_HEAD_START_S if self.state is None else None)
                if self.state is not None:
                    cadence.heard()
            case Listening():
                cadence.hears()
                return await self._read(connection, cadence)
            case Gap() | Refused():
                cadence.deaf()
            case _:
                pass
        return None

    def _take(self, payload: Mapping[str, Any], cadence: Cadence) -> End | None:
        try:
            message = read_answer(JobMessage, payload, "message")
        except SchemaMismatch as error:
            _log.warning("a message about job %s was not understood: %s", self._job_id, error)
            cadence.soon()
            return None
        if message.id != self._job_id:
            return None
        self._learn(message)
        if not message.ended or message.run != self._run:
            return None
        ends = [event for event in message.events if event.ends and event.run == message.run]
        return End(message, ends[-1] if ends and not ends[-1].data_omitted else None)

    async def _read(self, connection: Connection, cadence: Cadence) -> End | None:
        """Read the snapshot, which renews the lease of a job that is pushed only while watched."""
        try:
            snapshot = await self._snapshot(connection)
            if snapshot.push == "watched" and not snapshot.ended and not self._leased:
                topic = job_topic(self._job_id)
                connection.leases.add(topic)
                self._leased = True
                await connection.leases.renew(topic)
                snapshot = await self._snapshot(connection)
            if self._run is None:
                self._run = snapshot.run
            if snapshot.run > self._run:
                return await self._end_of_run(connection, snapshot)
        except TransportError as error:
            connection.refuse_if_closed()
            _log.info("job %s could not be read; trying again: %s", self._job_id, error)
            cadence.failed(error.retry_after)
            return None
        cadence.read(missed=False)
        return End(snapshot, snapshot=snapshot) if snapshot.ended else None

    async def _snapshot(self, connection: Connection) -> Snapshot:
        document = await connection.call("snapshot", {"job_id": str(self._job_id)}, attempts=1)
        snapshot = read_answer(Snapshot, document, "snapshot")
        self._learn(snapshot)
        return snapshot

    async def _end_of_run(self, connection: Connection, snapshot: Snapshot) -> End | None:
        """The end that a person's retry has followed, before anything told of it."""
        for event in await read_timeline(connection, self._job_id):
            if event.ends and event.run == self._run:
                status, fault = event.status_after or snapshot.status, event.fault
                state = snapshot.model_copy(update={"status": status, "error": fault, "run": event.run})
                return End(state, event)
        return None

    def _learn(self, state: JobState) -> None:
        if self.state is None or state.revision > self.state.revision:
            self.state = state
