"""Waits for a job's end, and makes of it what the job has answered or the error that it died of."""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from headway.client.connection import Connection
from headway.client.end_watcher import End, EndWatcher
from headway.client.job_watcher import JobWatcher
from headway.client.reading import read_result, read_snapshot
from headway.client.telling import OnUpdate
from headway.client.watch import Watch
from headway.core.feed import Update
from headway.core.job import JobState
from headway.core.validation import field_path
from headway.errors import (
    HeadwayError,
    JobCancelled,
    JobEnded,
    JobFailed,
    NotFound,
    SchemaMismatch,
    TimedOut,
)

__all__ = ["as_type", "wait_for_result"]

_log = logging.getLogger("headway.client")

# Realtime reads the log, where a commit is before other sessions see it: on a busy server, the end is told a
# moment before the result can be read.
_NOT_YET_S = (0.005, 0.02, 0.1, 0.5, 1.0)


async def wait_for_result(
    connection: Connection,
    job_id: UUID,
    *,
    timeout: float | None,
    into: Any,
    on_update: OnUpdate[Update] | None,
    fresh: bool = False,
) -> Any:
    """What the job has answered, when it has.

    Raises:
        JobFailed, JobCancelled: it has ended otherwise.
        TimedOut: it has not ended in time; it goes on.
    """
    connection.refuse_if_closed()
    if timeout is not None and timeout <= 0:
        return as_type(await _present(connection, job_id, timeout), into)
    waiter = EndWatcher(job_id, fresh=fresh)
    try:
        async with asyncio.timeout(timeout):
            if on_update is None:
                end = await waiter.wait(connection)
            else:
                end = await _watch_to_the_end(connection, JobWatcher(job_id, fresh=fresh), on_update)
            return as_type(await _result_of(connection, job_id, end), into)
    except TimeoutError:
        raise _late(timeout, waiter.state) from None


async def _present(connection: Connection, job_id: UUID, timeout: float) -> Any:
    """The result that is there already.

    Raises:
        TimedOut: the job has not ended.
    """
    snapshot = await read_snapshot(connection, job_id)
    if not snapshot.ended:
        raise _late(timeout, snapshot)
    return await _result_of(connection, job_id, End(snapshot, snapshot=snapshot))


async def _watch_to_the_end(connection: Connection, watcher: JobWatcher, on_update: OnUpdate[Update]) -> End:
    """The end of a job whose every step somebody wants to be told."""
    last: Update | None = None
    watch = Watch(connection, watcher, on_update)
    try:
        async for update in watch:
            last = update
    finally:
        watch.release()
    if last is None:
        raise connection.closed_error()
    return End(last.job, last.event, last.snapshot)


async def _result_of(connection: Connection, job_id: UUID, end: End) -> Any:
    """The result that a job has ended with.

    Raises:
        JobFailed, JobCancelled: it has none.
    """
    if end.state.status != "completed":
        raise await _failure(connection, job_id, end)
    if end.snapshot is not None and not end.snapshot.result_omitted:
        return end.snapshot.result
    if end.event is not None and end.event.has_result:
        return end.event.result
    return await (_told_result if end.snapshot is None else read_result)(connection, job_id)


async def _told_result(connection: Connection, job_id: UUID) -> Any:
    for pause in _NOT_YET_S:
        try:
            return await read_result(connection, job_id)
        except NotFound:
            await asyncio.sleep(pause)
    return await read_result(connection, job_id)


def as_type(result: Any, into: Any) -> Any:
    """A result as a value of a type; as it is when ``into`` is ``None``.

    Raises:
        SchemaMismatch: it does not fit; the message names the field, never its content.
    """
    if into is None:
        return result
    try:
        return _adapter(into).validate_python(result)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = field_path(first["loc"])
        raise SchemaMismatch(
            f"the result is not as expected: {path or 'it'}: {first['msg'].lower()}",
            hint="Pass as `into` the type that the worker's handler returns, of the same version.",
            code="result_mismatch",
            details=path,
        ) from None


@lru_cache(maxsize=256)
def _adapter(into: Any) -> TypeAdapter[Any]:
    return TypeAdapter(into)


async def _failure(connection: Connection, job_id: UUID, end: End) -> JobEnded:
    snapshot = end.snapshot
    if snapshot is None:
        try:
            snapshot = await read_snapshot(connection, job_id)
        except HeadwayError as error:
            # What is known already is worth more than the reason for which more is not.
            _log.info("the last snapshot of job %s could not be read: %s", job_id, error)
    if end.state.status == "cancelled":
        reason = end.event.reason if end.event is not None else snapshot and snapshot.cancel_reason
        said = f": {reason}" if reason else ""
        return JobCancelled(f"the job was cancelled{said}", snapshot=snapshot)
    fault = end.state.error
    if fault is None:
        return JobFailed(snapshot=snapshot)
    return JobFailed(fault.message, hint=fault.hint, code=fault.code, snapshot=snapshot)


def _late(timeout: float | None, last: JobState | None) -> TimedOut:
    if last is None:
        # It may have ended: who could not ask must not say that it has not.
        said = f"nothing was heard of the job within {timeout:g} s"
    else:
        said = f"the job has not ended within {timeout:g} s; it is {last.status} at {last.percent:g} %"
    return TimedOut(said, hint="It goes on: wait again, watch it, or cancel it.", code="result_timeout")
