"""How what a job says finds its way to the engine, as handlers' tools see it."""

from __future__ import annotations

from typing import Any, Protocol

from headway.core.json_limits import storable
from headway.errors import InvalidRequest
from headway.worker.attempt import Attempt

__all__ = ["Reporter", "read_event"]

_LARGEST_EVENT = 60_000


class Reporter(Protocol):
    """Takes what jobs say; the keeper in life, a recorder in tests."""

    def changed(self, attempt: Attempt) -> None:
        """An execution has said something; never waits, callable from any thread."""
        ...

    async def emit(self, attempt: Attempt, name: str, data: Any) -> None:
        """Store an event, after all that was said before it.

        Raises:
            InvalidRequest: it cannot be stored.
            LeaseLost: another worker owns the job.
        """
        ...

    async def settle(self, attempt: Attempt) -> None:
        """Wait until stages and events said so far are stored, so that what follows comes after them."""
        ...


def read_event(name: str, data: Any) -> Any:
    """An event's data as plain JSON that the engine will store.

    Raises:
        InvalidRequest: the name or the data is not storable.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= 100:
        raise InvalidRequest(
            "name: must have 1 to 100 characters",
            hint='Name the event: await ctx.emit("slide", {...}).',
            code="HW103",
            details="name",
        )
    storable(name, "name")
    return storable(data, "data", most_bytes=_LARGEST_EVENT)
