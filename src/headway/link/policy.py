"""How patient a link is, and how often it proves itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from headway.errors import ConfigError

__all__ = ["LinkPolicy"]

_COUNTS = ("channels_per_connection", "canary_attempts", "max_frame_bytes", "join_burst")
_FRACTIONS = ("token_life_used",)


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """Intervals and limits of a link, in seconds unless named otherwise; the defaults suit hosted Supabase.

    Args:
        connect_timeout: The longest that a handshake may take.
        token_timeout: The longest that the token function may take.
        join_timeout: The longest that the server may take to answer a join.
        changes_timeout: The longest that it may take after a join to say that changes are streamed.
        replication_wait: How long a joined topic waits to hear that messages sent by SQL are delivered;
            servers that do not say so cost this once per connection.
        leave_timeout: The longest that leaving a channel waits for the answer.
        close_timeout: The longest that a closing handshake may take before the socket is cut off.
        canary_interval: Between two proofs that a connection hears.
        canary_timeout: How long one canary may take to come back.
        canary_attempts: Canaries that may vanish in a row before a connection counts as deaf.
        max_connection_age: A connection is replaced at 80 to 100 % of this.
        token_life_used: The part of a token's life after which its connection is replaced.
        handover_timeout: How long a successor may take to listen everywhere before it is given up.
        overlap: How long both connections stay open once the successor listens.
        backoff_base: The first pause between attempts to connect is at most this; it doubles.
        backoff_cap: No pause is longer.
        stable_after: A connection that hears for this long has ended a series of failures.
        rejoin_base: As ``backoff_base``, between attempts to join one topic.
        rejoin_cap: As ``backoff_cap``, between attempts to join one topic.
        rate_limited_pause: The least pause after a refusal for reasons of rate.
        joins_per_second: Joins of the whole link; hosted projects allow 100 in all on the free plan.
        join_burst: Joins that may go at once before the pace applies.
        channels_per_connection: Topics of one socket, its canary not counted; hosted projects allow 100.
        max_frame_bytes: The longest frame accepted; servers send broadcasts of up to 3 MB.
        resume_check: How often to look whether the machine has slept.
        resume_threshold: A sleep longer than this makes every connection suspect.
    """

    connect_timeout: float = 10.0
    token_timeout: float = 15.0
    join_timeout: float = 10.0
    changes_timeout: float = 20.0
    replication_wait: float = 2.0
    leave_timeout: float = 2.0
    close_timeout: float = 2.0
    canary_interval: float = 30.0
    canary_timeout: float = 5.0
    canary_attempts: int = 3
    max_connection_age: float = 3600.0
    token_life_used: float = 0.75
    handover_timeout: float = 60.0
    overlap: float = 1.0
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    stable_after: float = 20.0
    rejoin_base: float = 1.0
    rejoin_cap: float = 30.0
    rate_limited_pause: float = 10.0
    joins_per_second: float = 40.0
    join_burst: int = 10
    channels_per_connection: int = 90
    max_frame_bytes: int = 8 * 1024 * 1024
    resume_check: float = 5.0
    resume_threshold: float = 15.0

    def __post_init__(self) -> None:
        for field in fields(self):
            self._check(field.name, getattr(self, field.name))
        for base, cap in (("backoff_base", "backoff_cap"), ("rejoin_base", "rejoin_cap")):
            if getattr(self, base) > getattr(self, cap):
                raise _invalid(base, f"is greater than {cap}")

    @staticmethod
    def _check(name: str, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _invalid(name, "is not a number")
        if name in _COUNTS and (not isinstance(value, int) or value < 1):
            raise _invalid(name, "is not a whole number of at least 1")
        if not math.isfinite(value) or value <= 0:
            raise _invalid(name, "is not a positive, finite number")
        if name in _FRACTIONS and value >= 1:
            raise _invalid(name, "is not below 1")


def _invalid(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"LinkPolicy.{name} {reason}", hint="Leave it out for the default.", code="link_policy_invalid"
    )
