"""How many streams one person may hold open in this process: each costs a watch, and often a socket."""

from __future__ import annotations

import threading
from typing import TypeAlias
from weakref import WeakSet, WeakValueDictionary

from headway.errors import TransportError

__all__ = ["Person", "Seat", "Seats"]

Person: TypeAlias = tuple[str, str]
"""A project's URL and the id of somebody who is signed in there."""

_COME_BACK_S = 5


class Seats:
    """Counts streams by person; any thread may ask.

    A stream that nobody has any more counts no more: a response that was never begun, because the browser had
    gone, is never closed either.
    """

    def __init__(self) -> None:
        # A row is held by those who sit in it. Nothing here runs code of ours while it is collected: that
        # happens at any moment, also under the lock.
        self._rows: WeakValueDictionary[Person, _Row] = WeakValueDictionary()
        self._lock = threading.Lock()

    def refuse_if_full(self, person: Person, most: int) -> None:
        """Do nothing, if one more may sit down.

        Args:
            person: Who.
            most: How many streams that person may have; 0 for any number.

        Raises:
            TransportError: there are as many already (``too_many_streams``, an answer of 429).
        """
        row = self._rows.get(person)
        if most and row is not None and len(row.seats) >= most:
            raise TransportError(
                f"there are {most} open streams of this person already",
                hint="Close one, or follow many jobs with one stream (watch_all); the server's setting is "
                "HEADWAY_STREAMS_PER_PERSON.",
                code="too_many_streams",
                status=429,
                retry_after=_COME_BACK_S,
            )

    def take(self, person: Person, most: int) -> Seat:
        """A seat, until it is released or nobody has it any more.

        Raises:
            TransportError: as ``refuse_if_full``.
        """
        with self._lock:
            self.refuse_if_full(person, most)
            row = self._rows.get(person) or _Row()
            self._rows[person] = row
            return Seat(row)

    def __len__(self) -> int:
        return sum(len(row.seats) for row in tuple(self._rows.values()))


class _Row:
    """The seats of one person."""

    def __init__(self) -> None:
        self.seats: WeakSet[Seat] = WeakSet()


class Seat:
    """One open stream.

    Args:
        row: Where it is counted.
    """

    def __init__(self, row: _Row) -> None:
        self._row: _Row | None = row
        row.seats.add(self)

    def release(self) -> None:
        """Let somebody else sit here; safe to call twice."""
        row, self._row = self._row, None
        if row is not None:
            row.seats.discard(self)
