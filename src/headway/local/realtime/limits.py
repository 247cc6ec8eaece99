"""What a plan allows; off by default, so that a client's behaviour at a limit can be tested on purpose.

Source: the documentation's page "Realtime Limits" and supabase/realtime ``lib/realtime/api/tenant.ex``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, get_args, get_type_hints

__all__ = ["LimitInvalid", "RateCounter", "RealtimeLimits"]

# Beyond any plan, and the reason that a client which joins without end harms only itself.
CHANNELS_PER_SOCKET_CEILING = 5_000


class LimitInvalid(ValueError):
    """A limit has an unknown name or an impossible value; the message names it."""


@dataclass(frozen=True, slots=True)
class RealtimeLimits:
    """A plan's limits; ``None`` switches one off. Assign one to a running service's ``limits`` at any time.

    Args:
        max_connections: Sockets at once; one more is refused at the handshake with 429.
        max_channels_per_connection: Joined channels of one socket (``ChannelRateLimitReached``).
        max_joins_per_second: Joins of the whole project (``ClientJoinRateLimitReached``; the socket is then
            disconnected).
        max_events_per_second: Messages of the whole project, each send and each delivery counted; a channel
            that meets an exceeded limit is closed, a REST call answered with 429, a database message dropped.
        max_bytes_per_second: Bytes of broadcast payloads of the whole project. The real server keeps the
            number and enforces nothing; here it acts like ``max_events_per_second``.
        max_presence_events_per_second: Presence messages of the whole project.
        max_presence_calls: ``track`` and ``untrack`` calls of one channel per ``presence_window_s``.
        presence_window_s: The window of ``max_presence_calls``, in seconds.
        max_payload_kb: Kilobytes (1000) of a broadcast or presence payload; larger ones are not delivered.
        max_change_bytes: Bytes of a row change, above which only values up to 64 bytes survive.
        private_only: Whether public channels are refused.
        rate_window_s: Seconds over which rates are averaged; the real server averages 5 s ticks over 60 s.
        idle_timeout_s: Seconds without a message after which a socket is closed (Phoenix's default), so
            that a client which forgets its heartbeats fails here as it does there.
        no_channel_timeout_s: Seconds without any channel after which a socket is closed.
        send_timeout_s: Seconds that a socket may refuse to take bytes before it is cut off.
        max_backlog_bytes: Bytes that may wait for one socket before it is cut off.
        error_backoff_s: Pause before a refusal; the real server waits 5 s for joins, 2 s for handshakes.
        replication_ready_timeout_s: How long a join with ``replication_ready`` waits.
        token_check_s: The longest interval between two checks of a channel's token.
    """

    max_connections: int | None = None
    max_channels_per_connection: int | None = None
    max_joins_per_second: float | None = None
    max_events_per_second: float | None = None
    max_bytes_per_second: float | None = None
    max_presence_events_per_second: float | None = None
    max_presence_calls: int | None = None
    presence_window_s: float = 30
    max_payload_kb: int = 3_000
    max_change_bytes: int = 1_048_576
    private_only: bool = False
    rate_window_s: float = 5
    idle_timeout_s: float | None = 60
    no_channel_timeout_s: float | None = 600
    send_timeout_s: float = 30
    max_backlog_bytes: int = 16 * 1024 * 1024
    error_backoff_s: float = 0
    replication_ready_timeout_s: float = 60
    token_check_s: float = 300

    @classmethod
    def free(cls) -> Self:
        """The documented limits of the Free plan."""
        return cls(
            max_connections=200,
            max_channels_per_connection=100,
            max_joins_per_second=100,
            max_events_per_second=100,
            max_presence_events_per_second=20,
            max_presence_calls=5,
            max_payload_kb=256,
        )

    @classmethod
    def pro(cls) -> Self:
        """The documented limits of the Pro plan."""
        return cls(
            max_connections=500,
            max_channels_per_connection=100,
            max_joins_per_second=500,
            max_events_per_second=500,
            max_presence_events_per_second=50,
            max_presence_calls=5,
        )

    @classmethod
    def self_hosted(cls) -> Self:
        """The defaults of a self-hosted server."""
        return cls(
            max_connections=200,
            max_channels_per_connection=100,
            max_joins_per_second=100,
            max_events_per_second=100,
            max_bytes_per_second=100_000,
            max_presence_events_per_second=1_000,
            max_presence_calls=5,
        )

    def changed(self, values: Mapping[str, Any]) -> Self:
        """These limits with the named ones replaced.

        Args:
            values: Limits by name.

        Raises:
            LimitInvalid: one is unknown or has an impossible value.
        """
        hints = get_type_hints(type(self))
        for name, value in values.items():
            if name not in hints:
                raise LimitInvalid(f"{name}: no such limit; there are {', '.join(sorted(hints))}")
            allowed = get_args(hints[name]) or (hints[name],)
            if float in allowed:
                allowed = (*allowed, int)
            if type(value) not in allowed:
                raise LimitInvalid(f"{name}: expected {' or '.join(sorted(t.__name__ for t in allowed))}")
            if type(value) in (int, float) and not (value >= 0 and value < float("inf")):
                raise LimitInvalid(f"{name}: expected a number of at least 0")
        return replace(self, **values)

    def as_dict(self) -> dict[str, Any]:
        """The limits by name."""
        return asdict(self)

    def payload_fits(self, size: int) -> bool:
        """Whether a payload may be sent; the padding is the real server's.

        Args:
            size: Its bytes as JSON, or as they are when binary.
        """
        return size <= self.max_payload_kb * 1000 + 500


class RateCounter:
    """An average rate over a sliding window.

    Args:
        clock: Seconds that only grow.
    """

    __slots__ = ("_buckets", "_clock", "_total")

    _SLICES = 10

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: deque[list[float]] = deque()
        self._total = 0.0

    def add(self, amount: float, window_s: float) -> None:
        """Count something that happened now."""
        now = self._clock()
        self._expire(now, window_s)
        if self._buckets and now - self._buckets[-1][0] < window_s / self._SLICES:
            self._buckets[-1][1] += amount
        else:
            self._buckets.append([now, amount])
        self._total += amount

    def per_second(self, window_s: float) -> float:
        """The rate over the last ``window_s`` seconds."""
        self._expire(self._clock(), window_s)
        return self._total / window_s if window_s else 0.0

    def exceeded(self, limit: float | None, window_s: float) -> bool:
        """Whether the rate is above a limit; never without one."""
        return limit is not None and self.per_second(window_s) > limit

    def _expire(self, now: float, window_s: float) -> None:
        while self._buckets and self._buckets[0][0] <= now - window_s:
            self._total -= self._buckets.popleft()[1]
        if not self._buckets:
            self._total = 0.0
