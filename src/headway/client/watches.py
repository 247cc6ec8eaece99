"""What a client follows: one job, a list, a batch, and the wait for a result."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from headway.client.batch_watcher import BatchWatcher
from headway.client.connection import Connected
from headway.client.filters import Id, id_of
from headway.client.job_watcher import JobWatcher
from headway.client.list_watcher import ListWatcher
from headway.client.outcome import wait_for_result
from headway.client.telling import OnUpdate
from headway.client.watch import Watch
from headway.core.answers import BatchSnapshot
from headway.core.feed import Update
from headway.core.listing import JobUpdate

__all__ = ["Watches"]

T = TypeVar("T")


class Watches(Connected):
    """The part of ``AsyncHeadway`` that watches."""

    def watch(
        self,
        job_id: Id,
        after_seq: int | None = None,
        *,
        follow_retries: bool = False,
        on_update: OnUpdate[Update] | None = None,
    ) -> Watch[Update]:
        """Yields every step of a job in order, until it has ended.

        Every event comes exactly once; progress between events may be merged, latest wins. It goes on across
        lost connections, refreshed tokens, sleep and restarts, by reading every 2 s where Realtime does not
        hear.

        Args:
            job_id: The job.
            after_seq: Go on after this ``seq``, which an earlier update had; 0 for the whole story. When
                omitted, the first update is the present, and tells what is.
            follow_retries: Go on after the end, for the case that somebody retries the job.
            on_update: Called with every update beside the iteration, in order; a plain function in a thread.
                It may be slow, and may raise.

        Raises:
            InvalidRequest: it is no id, or ``after_seq`` is another job's; the latter from the iteration.
            NotFound: there is no such job, or it is not visible; from the iteration.
            HeadwayError: whatever makes watching impossible; from the iteration.
        """
        watcher = JobWatcher(id_of(job_id, "job_id"), after_seq, follow_retries=follow_retries)
        return Watch(self.connection, watcher, on_update)

    def watch_all(
        self,
        *,
        user: Id | None = None,
        organization: Id | None = None,
        project: Id | None = None,
        active_only: bool = False,
        recent: int = 50,
        on_update: OnUpdate[JobUpdate] | None = None,
    ) -> Watch[JobUpdate]:
        """Yields the latest state of every job of a list whenever it changes, new jobs among them, for ever.

        Args:
            user: The person whose own jobs are meant; the signed-in user when nothing is named.
            organization: The organisation whose jobs are meant.
            project: The project whose jobs are meant.
            active_only: Begin with the jobs that have not ended; their ends are told.
            recent: With how many ended jobs to begin, the latest; up to 500.
            on_update: As in ``watch``.

        Raises:
            InvalidRequest: a value is wrong; or more than one is named, or none and nobody is signed in: that
                comes from the iteration.
            Denied: the list may not be read; from the iteration.
        """
        named = {"user": user, "organization": organization, "project": project}
        ids = (None if value is None else id_of(value, name) for name, value in named.items())
        watcher = ListWatcher(*ids, active_only=active_only, recent=recent)
        return Watch(self.connection, watcher, on_update)

    def watch_batch(
        self, batch_id: Id, *, on_update: OnUpdate[BatchSnapshot] | None = None
    ) -> Watch[BatchSnapshot]:
        """Yields a batch's counts whenever they have changed, until its last job has ended."""
        return Watch(self.connection, BatchWatcher(id_of(batch_id, "batch_id")), on_update)

    @overload
    async def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        into: None = None,
        *,
        on_update: OnUpdate[Update] | None = None,
    ) -> Any: ...
    @overload
    async def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        *,
        into: type[T],
        on_update: OnUpdate[Update] | None = None,
    ) -> T: ...
    async def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        into: Any = None,
        *,
        on_update: OnUpdate[Update] | None = None,
    ) -> Any:
        """What a job has answered, as soon as it has.

        Args:
            job_id: The job.
            timeout: Seconds to wait; for ever when omitted. 0 looks once.
            into: The type to read the result as: a pydantic model, or anything pydantic can validate.
            on_update: As in ``watch``.

        Raises:
            JobFailed: it failed for good; message, hint and code are what it died of, ``snapshot`` its last.
            JobCancelled: it was cancelled.
            TimedOut: it has not ended in time, and goes on; ``code`` is ``result_timeout``.
            SchemaMismatch: the result is not of the type ``into``.
            HeadwayError: as ``watch`` does.
        """
        return await wait_for_result(
            self.connection,
            id_of(job_id, "job_id"),
            timeout=timeout,
            into=into,
            on_update=on_update,
        )
