"""When a failed attempt is worth another, and after how long."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, TypeAlias

from pydantic import ValidationError

from headway.core.retry_after import retry_after_of
from headway.errors import (
    ApiError,
    BudgetExceeded,
    ConfigError,
    JobEnded,
    LeaseLost,
    Retry,
    SchemaMismatch,
    TransportError,
)

__all__ = ["DEFAULT_RULES", "RetryDecision", "RetryPolicy", "Rule"]

Rule: TypeAlias = Literal["never", "backoff"]

LONGEST_DELAY = 31_622_400.0
"""The engine takes no delay above 366 days."""

DEFAULT_RULES: Mapping[type[BaseException], Rule] = MappingProxyType(
    {
        ValidationError: "never",
        ApiError: "never",
        ConfigError: "never",
        SchemaMismatch: "never",
        BudgetExceeded: "never",
        JobEnded: "never",
        LeaseLost: "never",
        NotImplementedError: "never",
        TransportError: "backoff",
    }
)
"""By class of error; the nearest ancestor counts, and what has none here is retried."""

# Statuses of a provider's refusal that another attempt may turn into an answer.
_PASSING = frozenset({408, 409, 423, 425, 429})


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What to do after a failed attempt.

    Attributes:
        delay: Seconds until the next attempt; ``None``: the job has failed for good.
        reason: Why, for logs: ``asked``, ``told`` (the server said when), ``backoff``, ``never`` or
            ``exhausted``.
    """

    delay: float | None
    reason: Literal["asked", "told", "backoff", "never", "exhausted"]

    @property
    def again(self) -> bool:
        """Whether there is another attempt."""
        return self.delay is not None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """By which errors, how often and how patiently a job is tried again.

    Errors are judged in this order: ``Retry`` raised by the handler; rules by class; the HTTP status of what
    a provider's library raised (any exception with ``response.status_code`` or ``status_code``), where 4xx
    are never retried but for 408, 409, 423, 425 and 429; everything else is unknown, and retried.

    A server's ``Retry-After`` is honoured: never sooner, and later by up to ``base`` seconds, so that jobs
    refused together don't come back together. Otherwise the delay is drawn evenly from 0 to the smaller of
    ``cap`` and ``base`` times 2 per failure before ("full jitter").

    Args:
        max_attempts: How many attempts may fail.
        base: Seconds.
        cap: Seconds.
        rules: By class of error, beside and before ``DEFAULT_RULES``.
    """

    max_attempts: int = 5
    base: float = 5.0
    cap: float = 3600.0
    rules: Mapping[type[BaseException], Rule] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.max_attempts, bool) or not 1 <= self.max_attempts <= 100:
            raise ConfigError(
                "RetryPolicy.max_attempts must be from 1 to 100",
                hint="Leave it out for 5.",
                code="retry_policy",
            )
        for name, value in (("base", self.base), ("cap", self.cap)):
            if not 0 <= value <= 604_800:
                raise ConfigError(
                    f"RetryPolicy.{name} must be from 0 to 604800 seconds",
                    hint="Leave it out for the default.",
                    code="retry_policy",
                )

    def decide(
        self, error: BaseException, *, failures: int, now: datetime, random: Callable[[], float]
    ) -> RetryDecision:
        """What to do after an attempt that failed.

        Args:
            error: What it failed with.
            failures: Attempts of this run that have failed before.
            now: The present moment, with an offset.
            random: Draws evenly from 0 (included) to 1 (excluded).
        """
        asked = isinstance(error, Retry)
        if not asked and self._rule(error) == "never":
            return RetryDecision(None, "never")
        if failures + 1 >= self.max_attempts:
            return RetryDecision(None, "exhausted")
        if isinstance(error, Retry) and error.after is not None:
            return RetryDecision(_within_limits(error.after), "asked")
        told = _told_delay(error, now)
        if told is not None:
            return RetryDecision(_within_limits(told + random() * self.base), "told")
        return RetryDecision(self.backoff(failures, random=random), "asked" if asked else "backoff")

    def backoff(self, failures: int, *, random: Callable[[], float]) -> float:
        """Seconds before the attempt that follows, with full jitter.

        Args:
            failures: Attempts that have failed before the latest.
            random: Draws evenly from 0 (included) to 1 (excluded).
        """
        return random() * min(self.cap, self.base * 2.0 ** min(failures, 60))

    def _rule(self, error: BaseException) -> Rule:
        for ancestor in type(error).__mro__:
            if ancestor in self.rules:
                return self.rules[ancestor]
            if ancestor in DEFAULT_RULES:
                return DEFAULT_RULES[ancestor]
        status = _status_of(error)
        if status is not None and 400 <= status < 500 and status not in _PASSING:
            return "never"
        return "backoff"


def _status_of(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int) and not isinstance(status, bool):
            return status
    return None


def _told_delay(error: BaseException, now: datetime) -> float | None:
    if isinstance(error, TransportError):
        return error.retry_after
    headers = getattr(getattr(error, "response", None), "headers", None)
    return retry_after_of(headers, now) if isinstance(headers, Mapping) else None


def _within_limits(seconds: float) -> float:
    return 0.0 if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_DELAY)
