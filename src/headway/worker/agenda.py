"""What is due when, as the engine's sweep says: one idle request instead of one per service."""

from __future__ import annotations

import asyncio
import time
from typing import Literal, TypeAlias, get_args

__all__ = ["Agenda", "Topic"]

Topic: TypeAlias = Literal["schedules", "deliveries", "retention"]
"""Schedules that will fire, notifications that wait to be sent, jobs and objects past their retention."""


class Agenda:
    """Tells services when the engine has something for them; kept by the sweeper.

    ::

        while True:
            await agenda.due("deliveries")
            ...  # send what is due

    Times travel as seconds from now, so that a worker whose clock is wrong is on time all the same.
    """

    def __init__(self) -> None:
        self._due: dict[Topic, float | None] = dict.fromkeys(get_args(Topic))
        self._left_until: dict[Topic, float] = {}
        self._changed = asyncio.Event()

    def put(self, topic: Topic, seconds: float | None) -> None:
        """Something is due.

        Args:
            topic: What.
            seconds: From now; 0 or less is now, ``None`` is nothing in sight.
        """
        moment = None if seconds is None else time.monotonic() + max(0.0, seconds)
        self._set(topic, None if moment is None else max(moment, self._left_until.get(topic, moment)))

    def bring_forward(self, topic: Topic, seconds: float = 0.0) -> None:
        """Something is due now or soon, if not sooner: what a service that has left work behind says."""
        moment, known = time.monotonic() + seconds, self._due[topic]
        if known is None or moment < known:
            self._set(topic, moment)

    def leave(self, topic: Topic, seconds: float) -> None:
        """What was due is not this worker's to take: whatever ``put`` says of it, it is not due before then.

        Args:
            topic: What.
            seconds: From now.
        """
        self._left_until[topic] = time.monotonic() + seconds

    def _set(self, topic: Topic, moment: float | None) -> None:
        self._due[topic] = moment
        self._changed.set()

    @property
    def anything_due(self) -> bool:
        """Whether something is due now that no service has taken yet."""
        now = time.monotonic()
        return any(moment is not None and moment <= now for moment in self._due.values())

    async def due(self, topic: Topic) -> None:
        """Wait until something of a topic is due; it counts as taken then, until a sweep says so again."""
        while True:
            moment = self._due[topic]
            left = None if moment is None else moment - time.monotonic()
            if left is not None and left <= 0:
                self._due[topic] = None
                return
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                pass  # it is due, or nearly
