"""What a client follows, for code without an event loop."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from headway.client.filters import Id
from headway.client.sync.runner import HasRunner
from headway.client.sync.watch import SyncWatch
from headway.client.telling import OnUpdate
from headway.core.answers import BatchSnapshot
from headway.core.feed import Update
from headway.core.listing import JobUpdate

__all__ = ["SyncWatches"]

T = TypeVar("T")


class SyncWatches(HasRunner):
    """The part of ``Headway`` that watches."""

    def watch(
        self,
        job_id: Id,
        after_seq: int | None = None,
        *,
        follow_retries: bool = False,
        on_update: OnUpdate[Update] | None = None,
    ) -> SyncWatch[Update]:
        """As ``AsyncHeadway.watch``; each update comes as soon as it happens."""
        return SyncWatch(
            self.runner,
            lambda hw: hw.watch(job_id, after_seq, follow_retries=follow_retries, on_update=on_update),
        )

    def watch_all(
        self,
        *,
        user: Id | None = None,
        organization: Id | None = None,
        project: Id | None = None,
        active_only: bool = False,
        recent: int = 50,
        on_update: OnUpdate[JobUpdate] | None = None,
    ) -> SyncWatch[JobUpdate]:
        """As ``AsyncHeadway.watch_all``."""
        return SyncWatch(
            self.runner,
            lambda hw: hw.watch_all(
                user=user,
                organization=organization,
                project=project,
                active_only=active_only,
                recent=recent,
                on_update=on_update,
            ),
        )

    def watch_batch(
        self, batch_id: Id, *, on_update: OnUpdate[BatchSnapshot] | None = None
    ) -> SyncWatch[BatchSnapshot]:
        """As ``AsyncHeadway.watch_batch``."""
        return SyncWatch(self.runner, lambda hw: hw.watch_batch(batch_id, on_update=on_update))

    @overload
    def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        into: None = None,
        *,
        on_update: OnUpdate[Update] | None = None,
    ) -> Any: ...
    @overload
    def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        *,
        into: type[T],
        on_update: OnUpdate[Update] | None = None,
    ) -> T: ...
    def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        into: Any = None,
        *,
        on_update: OnUpdate[Update] | None = None,
    ) -> Any:
        """As ``AsyncHeadway.result``."""
        return self.runner.run(lambda hw: hw.result(job_id, timeout, into, on_update=on_update))
