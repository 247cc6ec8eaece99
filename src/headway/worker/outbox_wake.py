"""The service that hears of notifications to deliver before a sweep does."""

from __future__ import annotations

import asyncio
import random

from headway.link import Listening, Message, RealtimeLink
from headway.worker.agenda import Agenda
from headway.worker.duty import Duty
from headway.worker.observations import Observations

__all__ = ["OutboxWake"]

_TOPIC = "outbox"
# Every worker that delivers hears the same message, and one of them is enough.
_JITTER = 0.3


class OutboxWake(Duty):
    """Listens to the private broadcasts about new messages, and says that deliveries are due.

    Args:
        link: The worker's.
        agenda: Is told.
        observations: Are told of failures.
    """

    name = "outbox wake"

    def __init__(self, link: RealtimeLink, agenda: Agenda, observations: Observations) -> None:
        super().__init__(observations)
        self._link = link
        self._agenda = agenda

    async def turn(self) -> None:
        """Listen for as long as the link lives."""
        async with self._link.listen(_TOPIC) as listener:
            async for event in listener:
                if isinstance(event, (Listening, Message)):
                    await asyncio.sleep(random.uniform(0, _JITTER))  # noqa: S311 - no secret
                    self._agenda.bring_forward("deliveries")
