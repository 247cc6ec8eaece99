"""Several things at once, but not all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

__all__ = ["gather"]

A = TypeVar("A")
T = TypeVar("T")


async def gather(work: Callable[[A], Awaitable[T]], over: Iterable[A], concurrency: int) -> list[T]:
    """The results of some work for each of several things, in their order.

    The first failure stops the others and is raised by itself: a retry policy knows classes of errors, not
    groups.

    Args:
        work: Called for each thing.
        over: The things.
        concurrency: How many at a time.
    """
    places = asyncio.Semaphore(concurrency)

    async def one(thing: A) -> T:
        async with places:
            return await work(thing)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(thing)) for thing in over]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from several
    return [task.result() for task in tasks]
