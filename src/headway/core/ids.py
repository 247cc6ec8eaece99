"""Ids for new jobs, in the order in which they were made."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

__all__ = ["new_id"]

_last = 0


def new_id() -> UUID:
    """A UUID of version 7: later ones are greater, and nobody can guess them.

    Source: RFC 9562, 5.7, with the sub-millisecond part of 6.2, method 3; within a process they
    do not fall when the clock is set back.
    """
    global _last  # noqa: PLW0603 - one order for the whole process
    # Ticks of a 4096th of a millisecond, as the 60 bits of time hold. There is no lock: threads at the same
    # moment may share a tick, never an id, and a lock would stay locked in a process forked just then.
    _last = ticks = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)
