"""Limits that all jobs of a process share: so many calls a second, so many at once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiolimiter import AsyncLimiter

from headway.errors import ConfigError

__all__ = ["Limit", "LimitRule"]

_LONGEST_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class LimitRule:
    """What a limit allows.

    Args:
        name: Such as a provider's.
        per_second: Calls a second, evenly; ``None`` is no limit.
        burst: Calls that may go at once before the pace applies.
        concurrency: Calls at the same time; ``None`` is no limit.

    Raises:
        ConfigError: a number is not above 0, or nothing is limited.
    """

    name: str
    per_second: float | None = None
    burst: int = 1
    concurrency: int | None = None

    def __post_init__(self) -> None:
        for field in ("per_second", "burst", "concurrency"):
            value = getattr(self, field)
            if value is not None and value <= 0:
                raise ConfigError(
                    f"limit {self.name}: {field} must be above 0, not {value}",
                    hint="Leave it out for no limit.",
                    code="limit_invalid",
                )
        if self.per_second is None and self.concurrency is None:
            raise ConfigError(
                f"limit {self.name}: limits nothing",
                hint="Give per_second, concurrency or both.",
                code="limit_invalid",
            )


class Limit:
    """One declared limit at work; used with ``async with`` around every call.

    Args:
        rule: What it allows.
    """

    def __init__(self, rule: LimitRule) -> None:
        self.rule = rule
        self._pace = None
        if rule.per_second is not None:
            # A bucket of `burst` that refills at `per_second`.
            self._pace = AsyncLimiter(rule.burst, rule.burst / rule.per_second)
        self._slots = asyncio.Semaphore(rule.concurrency) if rule.concurrency is not None else None
        self._paused_until = 0.0

    def pause(self, seconds: float) -> None:
        """Let nobody begin for a while: what a provider's 429 asks for.

        Args:
            seconds: From now; a shorter pause never shortens a longer one.
        """
        until = time.monotonic() + min(max(seconds, 0.0), _LONGEST_PAUSE)
        self._paused_until = max(self._paused_until, until)

    async def acquire(self) -> None:
        """Wait for a turn; ``release`` must follow."""
        if self._slots is not None:
            await self._slots.acquire()
        try:
            if self._pace is not None:
                await self._pace.acquire()
            while (left := self._paused_until - time.monotonic()) > 0:  # noqa: ASYNC110 - it may be extended
                await asyncio.sleep(left)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """The call is over."""
        if self._slots is not None:
            self._slots.release()

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
