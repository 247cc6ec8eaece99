"""How long, and how often, a transfer tries again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from headway.client.closed import CLIENT_CLOSED
from headway.errors import HeadwayError, TransportError

__all__ = ["MOST_FAILURES", "patiently", "pause_after", "worth_another_try"]

T = TypeVar("T")

MOST_FAILURES = 6
"""How often in a row a transfer may fail without a byte of progress."""

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_PAUSED_PROJECT = 540


def worth_another_try(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    if not isinstance(error, TransportError):
        return False
    return error.status != _PAUSED_PROJECT and error.code != CLIENT_CLOSED


def pause_after(failures: int, error: BaseException | None) -> float:
    """Seconds to wait after so many failures in a row: drawn from a doubling range, or what was asked for."""
    # Jitter, not a secret.
    drawn = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures))  # noqa: S311
    asked = error.retry_after if isinstance(error, TransportError) and error.retry_after else 0.0
    return max(drawn, min(asked, 60.0))


async def patiently(work: Callable[[int], Awaitable[T]]) -> T:
    """Do something that can safely be repeated until it succeeds, or fails too often.

    Args:
        work: Gets the number of the try, from 1.

    Raises:
        HeadwayError: its last error.
    """

    def wait(state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        return pause_after(state.attempt_number, failure)

    tries = AsyncRetrying(
        retry=retry_if_exception(worth_another_try),
        stop=stop_after_attempt(MOST_FAILURES),
        wait=wait,
        reraise=True,
    )
    async for attempt in tries:
        with attempt:
            return await work(attempt.retry_state.attempt_number)
    raise HeadwayError("a transfer was given up without a reason")  # pragma: no cover - reraise=True
