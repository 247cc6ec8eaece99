"""Follows a batch: how many of its jobs have ended, until all have."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

from headway.client.cadence import Cadence
from headway.client.connection import Connection
from headway.client.list_watcher import Scope
from headway.client.updates import Updates
from headway.core.answers import BatchSnapshot
from headway.core.validation import read_answer
from headway.errors import NotFound, TransportError
from headway.link import Gap, Listener, Listening, Message, Refused

__all__ = ["BatchWatcher", "read_batch"]

_log = logging.getLogger("headway.client")


async def read_batch(connection: Connection, batch_id: UUID, *, attempts: int | None = None) -> BatchSnapshot:
    """The batch as it is now.

    Raises:
        NotFound: there is none, or it is not visible.
    """
    document = await connection.call("batch_snapshot", {"batch_id": str(batch_id)}, attempts=attempts)
    return read_answer(BatchSnapshot, document, "batch snapshot")


class BatchWatcher:
    """Hears of one batch until its last job has ended.

    Args:
        batch_id: The batch.
    """

    def __init__(self, batch_id: UUID) -> None:
        self._batch_id = batch_id
        self._told: BatchSnapshot | None = None

    async def __call__(self, connection: Connection, updates: Updates[BatchSnapshot]) -> None:
        """Fill a queue until the end.

        Raises:
            HeadwayError: the batch cannot be read, and trying again would not help.
        """
        cadence = Cadence(connection.policy, first=0)
        scope: Scope | None = None
        while scope is None:
            try:
                await self._look(connection, updates)
                if self._finished:
                    return
                scope = await self._scope(connection)
            except TransportError as error:
                connection.refuse_if_closed()
                cadence.failed(error.retry_after)
                await asyncio.sleep(max(cadence.due - asyncio.get_running_loop().time(), 0))
        async with connection.hearing.listening(scope.topic) as listener:
            while not self._finished:
                await updates.room()
                await self._step(connection, updates, listener, cadence)
            updates.close()

    @property
    def _finished(self) -> bool:
        return self._told is not None and self._told.finished_at is not None

    async def _scope(self, connection: Connection) -> Scope:
        rows = await connection.select(
            lambda rest: (
                rest.from_("batches")
                .select("owner_id", "organization_id")
                .eq("id", str(self._batch_id))
                .limit(1)
            )
        )
        if not rows:
            raise NotFound("there is no such batch", hint="Check the id and who is signed in.", code="HW301")
        organization, owner = rows[0]["organization_id"], rows[0]["owner_id"]
        if organization is not None:
            return Scope(organization=UUID(organization))
        # A batch of nobody is told to nobody's list; it is read.
        return Scope(user=UUID(owner) if owner is not None else UUID(int=0))

    async def _step(
        self, connection: Connection, updates: Updates[BatchSnapshot], listener: Listener, cadence: Cadence
    ) -> None:
        try:
            async with asyncio.timeout_at(cadence.due):
                event = await anext(listener)
        except TimeoutError:
            await self._read(connection, updates, cadence)
            return
        except StopAsyncIteration:
            raise connection.closed_error() from None
        match event:
            case Message(event="batches", payload=payload) if self._concerns(payload):
                cadence.heard()
                # Thousands of jobs may end in a second: one reading tells of all of them.
                cadence.soon()
            case Listening():
                cadence.hears()
                await self._read(connection, updates, cadence)
            case Gap() | Refused():
                cadence.deaf()
            case _:
                pass

    def _concerns(self, payload: dict[str, Any]) -> bool:
        batches = payload.get("batches")
        wanted = str(self._batch_id)
        return isinstance(batches, list) and any(
            isinstance(batch, dict) and batch.get("id") == wanted for batch in batches
        )

    async def _read(self, connection: Connection, updates: Updates[BatchSnapshot], cadence: Cadence) -> None:
        try:
            changed = await self._look(connection, updates)
        except TransportError as error:
            connection.refuse_if_closed()
            _log.info("batch %s could not be read; trying again: %s", self._batch_id, error)
            cadence.failed(error.retry_after)
            return
        cadence.read(missed=changed)

    async def _look(self, connection: Connection, updates: Updates[BatchSnapshot]) -> bool:
        """Read the batch, and tell of it when it has changed."""
        batch = await read_batch(connection, self._batch_id, attempts=1)
        before = self._told
        if before is not None and batch.model_copy(update={"at": before.at}) == before:
            return False
        self._told = batch
        updates.put(batch)
        return True
