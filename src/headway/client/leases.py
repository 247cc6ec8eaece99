"""Says to the engine that somebody listens, for kinds whose progress is sent only then."""

from __future__ import annotations

import asyncio
import logging
import random
import weakref
from collections import Counter
from typing import TYPE_CHECKING

from headway.errors import Denied, HeadwayError

if TYPE_CHECKING:
    from headway.client.connection import Connection

__all__ = ["Leases"]

_log = logging.getLogger("headway.client")

_MOST_TOPICS = 100


class Leases:
    """Renews the watch leases of every topic that is held, in one request for up to a hundred.

    Args:
        connection: Sends the requests.
    """

    def __init__(self, connection: Connection) -> None:
        # Weakly: a client that nobody holds must be noticed at once.
        self._connection = weakref.ref(connection)
        self._period = connection.policy.lease
        self._held: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def add(self, topic: str) -> None:
        """Renew the lease on a topic until it is dropped as often as it was added."""
        self._held[topic] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep(), name="headway watch leases")

    async def renew(self, *topics: str) -> None:
        """Take leases now.

        Raises:
            HeadwayError: a topic may not be watched, or the engine could not be asked.
        """
        if (connection := self._connection()) is not None:
            await connection.call("watch", {"topics": list(topics)}, attempts=1)

    def drop(self, topic: str) -> None:
        """Renew a topic's lease no more, unless others hold it."""
        self._held[topic] -= 1
        if self._held[topic] <= 0:
            del self._held[topic]
        if not self._held and self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        """Renew nothing any more."""
        self._held.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._period * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load
            held = sorted(self._held)
            for start in range(0, len(held), _MOST_TOPICS):
                await self._renew_some(held[start : start + _MOST_TOPICS])

    async def _renew_some(self, topics: list[str]) -> None:
        try:
            await self.renew(*topics)
        except Denied:
            # One topic that may not be watched any more must not cost the others their leases.
            if len(topics) > 1:
                for topic in topics:
                    await self._renew_some([topic])
        except HeadwayError as error:
            # The watches read on their own, and are told there what is wrong.
            _log.info("watch leases could not be renewed: %s", error)
