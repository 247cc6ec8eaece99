"""How long one attempt of a job goes on asking a provider that cannot answer now.

The provider's libraries would retry by themselves; here it is done once for all of them, so that every try
is reserved and recorded as a paid call of its own, and no pause outlasts the job.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from headway import Retry

__all__ = ["Passing", "patiently"]

T = TypeVar("T")

_FIRST_PAUSE_S = 1.0
_backoff = wait_random_exponential(multiplier=_FIRST_PAUSE_S, max=20)


class Passing(Exception):
    """A provider's fault that may pass.

    Args:
        message: What happened, for people.
        code: The machine-readable code of the job's failure, if it comes to that.
        after: Seconds that the provider asks to wait, or ``None``.
        spent: Whether the call may have cost something all the same.
    """

    def __init__(self, message: str, *, code: str, after: float | None = None, spent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.after = after
        self.spent = spent

    def as_retry(self) -> Retry:
        """The error that leaves it to the job's next attempt."""
        return Retry(
            self.message,
            after=self.after,
            hint="The job tries again by itself; if this goes on, look at the provider's status page.",
            code=self.code,
        )


async def patiently(
    attempt: Callable[[], Awaitable[T]], *, tries: int, patience: float, time_left: Callable[[], float]
) -> T:
    """Try until it succeeds, waiting as the provider asks, or else leave it to the job's next attempt.

    Args:
        attempt: Raises ``Passing`` for what may pass.
        tries: At most so many.
        patience: The longest pause in seconds; one that must be longer ends the tries at once.
        time_left: Seconds until the job's attempt is stopped.

    Raises:
        Retry: it did not pass in time; with the provider's wish when it has one.
    """

    async def once() -> T:
        return await attempt()

    def hopeless(state: RetryCallState) -> bool:
        return state.upcoming_sleep > patience or state.upcoming_sleep >= time_left()

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Passing),
        wait=_pause,
        stop=lambda state: stop_after_attempt(tries)(state) or hopeless(state),
        reraise=True,
    )
    try:
        return await retrying(once)
    except Passing as passing:
        raise passing.as_retry() from passing.__cause__


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    drawn = _backoff(state)
    if isinstance(error, Passing) and error.after is not None:
        # Never sooner than asked, and not all at the same moment.
        return error.after + min(drawn, 1.0) * min(error.after, 1.0)
    return drawn
