"""What a handler may return instead of a result."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headway.errors import InvalidRequest

__all__ = ["Cancel", "Snooze"]

_YEAR = 31_622_400


@dataclass(frozen=True, slots=True)
class Snooze:
    """Run me again later: burns no attempt, keeps all completed steps.

    ::

        return Snooze(60)

    Args:
        seconds: From now, 0 to 366 days.

    Raises:
        InvalidRequest: the number is negative, too large or no number.
    """

    seconds: float

    def __post_init__(self) -> None:
        number = isinstance(self.seconds, (int, float)) and not isinstance(self.seconds, bool)
        if not number or not math.isfinite(self.seconds) or not 0 <= self.seconds <= _YEAR:
            raise InvalidRequest(
                f"Snooze.seconds: must be from 0 to {_YEAR}, not {self.seconds!r}"[:200],
                hint="Return Snooze(60) to go on in a minute.",
                code="HW103",
                details="seconds",
            )


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the job as cancelled.

    Args:
        reason: Why, for whoever reads the job; at most 500 characters are kept.
    """

    reason: str | None = None
