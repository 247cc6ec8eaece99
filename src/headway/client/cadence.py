"""When a watch reads, although nothing tells it to."""

from __future__ import annotations

import asyncio
import random

from headway.client.policy import ClientPolicy

__all__ = ["Cadence"]

_SOON_S = 0.1


class Cadence:
    """The time of the next reading.

    While Realtime does not hear, every ``poll`` seconds. While it hears, a message may still be lost, and
    nothing may follow that would show it: after ``quiet`` seconds of silence a reading looks, then after
    twice that, and so on up to ``quiet_cap``; a reading that finds what no message told begins anew.

    Args:
        policy: The intervals.
        first: Seconds until the first reading.
    """

    def __init__(self, policy: ClientPolicy, first: float) -> None:
        self._policy = policy
        self._hears = False
        self._quiet = policy.quiet
        self._failures = 0
        self._clock = asyncio.get_running_loop()
        self.due = self._clock.time() + first

    def hears(self, *, head_start: float | None = None) -> None:
        """Realtime hears from now on.

        Args:
            head_start: Read in so many seconds, unless a message comes first.
        """
        self._hears = True
        self._quiet = self._policy.quiet
        if head_start is not None:
            self.due = self._clock.time() + head_start

    def deaf(self) -> None:
        """Realtime does not hear any more."""
        if self._hears:
            self._hears = False
            self._in(self._policy.poll)

    def heard(self) -> None:
        """A message came."""
        if self._hears:
            self._quiet = self._policy.quiet
            self._in(self._quiet)

    def missed(self) -> None:
        """A message has shown that an earlier one is missing: others may be, too."""
        self._quiet = self._policy.quiet

    def read(self, *, missed: bool) -> None:
        """A reading succeeded; ``missed`` when it found what no message had told."""
        self._failures = 0
        if not self._hears:
            self._in(self._policy.poll)
            return
        if missed:
            self._quiet = self._policy.poll
            self._in(self._quiet)
        else:
            self._in(self._quiet)
            self._quiet = min(self._quiet * 2, self._policy.quiet_cap)

    def failed(self, retry_after: float | None = None) -> None:
        """A reading failed; the pauses grow, and a server that names one is given it."""
        self._failures += 1
        self._in(min(self._policy.poll * 1.5 ** (self._failures - 1), self._policy.quiet_cap))
        if retry_after is not None:
            self.due = max(self.due, self._clock.time() + min(retry_after, 300))

    def soon(self) -> None:
        """There is more to read, in a moment."""
        now = self._clock.time()
        soon = now + _SOON_S
        self.due = min(self.due, soon) if self.due > now else soon

    def _in(self, seconds: float) -> None:
        # Many watches begin at the same moment and must not read at the same moment for ever.
        self.due = self._clock.time() + seconds * random.uniform(0.8, 1.2)  # noqa: S311
