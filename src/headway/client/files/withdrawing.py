"""Work that is seen through when its caller is cancelled: what is on its way cannot be called back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from headway.errors import HeadwayError

__all__ = ["or_withdrawn", "seen_through"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

# A caller that is cancelled again leaves the rest to itself; nobody else has these tasks.
_going_on: set[asyncio.Task[Any]] = set()


async def or_withdrawn(
    work: Coroutine[Any, Any, T], withdraw: Callable[[], Awaitable[None]], *, patience: float
) -> T:
    """What some work returns; if the caller is cancelled, what the work has made is taken back.

    Args:
        work: Makes something.
        withdraw: Takes it back, if it is there.
        patience: Seconds that the work is given to end by itself once the caller is cancelled.

    Raises:
        BaseException: whatever the work raises.
    """

    async def take_back(task: asyncio.Task[T]) -> None:
        await seen_through(task, patience)
        if not task.cancelled() and task.exception() is not None:
            return
        try:
            await withdraw()
        except HeadwayError as error:
            _log.info("what a cancelled call has made could not be taken back: %s", error)

    task = _kept(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.shield(_kept(take_back(task)))
        raise


async def seen_through(task: asyncio.Task[Any], patience: float) -> None:
    """Wait until a task has ended; it is cancelled when that takes too long.

    Args:
        task: The task.
        patience: Seconds.
    """
    _, late = await asyncio.wait({task}, timeout=patience)
    if late:
        task.cancel()
        await asyncio.wait({task})


def _kept(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.get_running_loop().create_task(work)
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
    return task
