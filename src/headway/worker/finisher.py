"""Tells the engine how executions ended: many in one request, and for as long as it takes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from headway.core.lease import Finished
from headway.core.parts import Fault
from headway.errors import HeadwayError, TransportError
from headway.worker.attempt import Attempt
from headway.worker.ending import LOST, Ending
from headway.worker.json_text import dump
from headway.worker.store import Store

__all__ = ["Finisher"]

_log = logging.getLogger("headway.worker")

_MOST_OUTCOMES = 500
_MOST_BYTES = 4_000_000
_LONGEST_PAUSE = 5.0


@dataclass(slots=True)
class _Entry:
    attempt: Attempt
    ending: Ending
    document: dict[str, Any]
    size: int
    done: Callable[[Ending], None]
    refused: bool = False


class Finisher:
    """Gathers endings while earlier ones are under way, and sends them together.

    An ending is sent until the engine has taken it, has said that the lease is lost, or has refused it: then
    the job fails with the refusal instead.

    Args:
        store: The engine.
        worker_id: The worker.
        senders: How many requests may be under way.
    """

    name = "finisher"

    def __init__(self, store: Store, worker_id: UUID, *, senders: int = 2) -> None:
        self._store = store
        self._worker_id = worker_id
        self._waiting: deque[_Entry] = deque()
        self._senders = senders
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived = asyncio.Event()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def unfinished(self) -> int:
        """How many endings the engine does not know yet."""
        return len(self._waiting) + self._under_way

    async def start(self) -> None:
        """Begin to send."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._send(), name=f"headway finisher {number}")
                for number in range(self._senders)
            ]

    async def stop(self) -> None:
        """Stop sending; what was not sent expires with its lease."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def drained(self) -> None:
        """Wait until the engine knows all endings."""
        await self._idle.wait()

    def put(self, attempt: Attempt, ending: Ending, done: Callable[[Ending], None]) -> None:
        """Tell of an ending.

        Args:
            attempt: The execution.
            ending: How it ended.
            done: Called with what has become of it, once the engine knows.
        """
        self._waiting.append(_entry(attempt, ending, done))
        self._idle.clear()
        self._arrived.set()

    async def _send(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            batch = self._gather()
            self._under_way += len(batch)
            try:
                await self._finish(batch)
            except Exception:  # noqa: BLE001 - what is not told expires; what follows must be told
                _log.exception("%d endings could not be told", len(batch))
                for entry in batch:
                    entry.done(LOST)
            finally:
                self._under_way -= len(batch)
                if not self.unfinished:
                    self._idle.set()

    def _gather(self) -> list[_Entry]:
        batch: list[_Entry] = []
        size = 0
        while self._waiting and len(batch) < _MOST_OUTCOMES:
            entry = self._waiting[0]
            if batch and size + entry.size > _MOST_BYTES:
                break
            size += entry.size
            batch.append(self._waiting.popleft())
        return batch

    async def _finish(self, batch: list[_Entry]) -> None:
        failures = 0
        while batch:
            try:
                rows = await self._store.finish(self._worker_id, [entry.document for entry in batch])
            except TransportError as error:
                failures += 1
                if failures in (1, 10):
                    _log.warning("%d endings could not be told yet: %s", len(batch), error)
                pause = min(_LONGEST_PAUSE, 0.1 * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
            except HeadwayError as error:
                await self._refused_whole(batch, error)
                return
            else:
                batch = self._judge(batch, rows)

    def _judge(self, batch: list[_Entry], rows: list[Finished]) -> list[_Entry]:
        """Conclude what was taken; answers what is to be sent once more."""
        by_job = {row.job_id: row for row in rows}
        again = []
        for entry in batch:
            row = by_job.get(entry.attempt.job.id)
            if row is None or row.state == "lost":
                entry.done(LOST)
            elif row.state != "invalid":
                entry.done(_as_applied(entry.ending, row))
            elif entry.refused:
                _log.error(
                    "the end of %s is refused: %s",
                    entry.attempt.job.kind,
                    row.reason,
                    extra=entry.attempt.log_fields(),
                )
                entry.done(LOST)
            else:
                again.append(_failed_instead(entry, row.code, row.reason))
        return again

    async def _refused_whole(self, batch: list[_Entry], error: HeadwayError) -> None:
        """One outcome must not spoil the others: each for itself, and the one at fault fails."""
        if len(batch) > 1:
            for entry in batch:
                await self._finish([entry])
            return
        (entry,) = batch
        if entry.refused:
            _log.error("an end is refused: %s", error, extra=entry.attempt.log_fields())
            entry.done(LOST)
            return
        await self._finish([_failed_instead(entry, error.code, error.message)])


def _entry(attempt: Attempt, ending: Ending, done: Callable[[Ending], None]) -> _Entry:
    document = ending.document(attempt.lease)
    size = 200
    if ending.word == "completed" and ending.result is not None:
        written = dump(ending.result)
        size += len(written)
        document["result"] = orjson.Fragment(written)
    return _Entry(attempt, ending, document, size, done)


def _as_applied(ending: Ending, row: Finished) -> Ending:
    """What has become of it: the engine may know better, such as that a retry was the last."""
    if row.state == "applied" and ending.word == "retry" and row.status in ("failed", "cancelled"):
        return replace(ending, word=row.status)
    return ending


def _failed_instead(entry: _Entry, code: str | None, reason: str | None) -> _Entry:
    fault = Fault(
        code=code or "result_invalid",
        message=reason or "the engine refused how the job ended",
        hint="Return less, or store it as a file: await ctx.files.upload(...).",
    )
    instead = _entry(entry.attempt, Ending("failed", fault=fault), entry.done)
    instead.refused = True
    return instead
