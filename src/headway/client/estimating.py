"""Looks now and then at when a job will end, beside the watch that tells it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from headway.client.connection import Connection
from headway.core.feed import Feed, Update
from headway.core.job import Snapshot
from headway.core.validation import read_answer
from headway.errors import HeadwayError

__all__ = ["Estimating"]

_log = logging.getLogger("headway.client")

# Shares of the policy's interval. Not at once: many jobs are done by then, and many watches may hear of
# theirs at one moment.
_FIRST = (1 / 30, 1 / 6)
_LATER = (0.8, 1.2)
_SOONEST = 1 / 3


class Estimating:
    """Reads the snapshot soon after an attempt has begun, and again when what it has said is old.

    Messages do not say when a job will end, and while they come a watch has no other reason to read. No
    update waits for a look: messages are taken in meanwhile. It tells nothing of an end, which is the watch's
    to tell, and is silent about what fails: whatever matters, the watch meets itself.

    Args:
        connection: What reads.
        feed: The watch's.
        tell: Takes what there is to tell.
    """

    def __init__(self, connection: Connection, feed: Feed, tell: Callable[[Update], None]) -> None:
        self._connection = connection
        self._feed = feed
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._attempt: tuple[int, int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def plan(self) -> None:
        """The feed has taken something in: see to it that there will be an estimate of this attempt."""
        attempt = self._feed.attempt
        if attempt == self._attempt:
            return
        self._attempt = attempt
        known = self._feed.snapshot
        if attempt is not None and known is not None and (known.run, known.attempt) == attempt:
            self._look_after(known)
        else:
            self._look_in(*_FIRST)

    def close(self) -> None:
        """Look no more; safe to call twice."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _look_after(self, snapshot: Snapshot) -> None:
        """Look again after the usual time, or sooner: an estimate that is over says nothing any more."""
        least, most = _LATER
        if snapshot.eta is not None:
            most = min(most, max(_SOONEST, snapshot.eta.seconds / self._connection.policy.estimate))
        self._look_in(min(least, most), most)

    def _look_in(self, least: float, most: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._attempt is None or self._closed:
            return
        share = random.uniform(least, most)  # noqa: S311 - spreads load
        self._timer = self._loop.call_later(self._connection.policy.estimate * share, self._begin)

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._look(), name="headway watch estimate")
            self._connection.keep(self._task)

    async def _look(self) -> None:
        arguments = {"job_id": str(self._feed.job_id)}
        try:
            document = await self._connection.call("snapshot", arguments, attempts=1)
            snapshot = read_answer(Snapshot, document, "snapshot")
            if not snapshot.ended:
                for update in self._feed.take_snapshot(snapshot):
                    self._tell(update)
        except HeadwayError as error:
            _log.debug("when job %s will end could not be read: %s", self._feed.job_id, error)
            self._look_in(*_LATER)
        else:
            self._look_after(snapshot)
