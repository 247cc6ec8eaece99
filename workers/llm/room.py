"""Calls that one job makes at once, within a budget that all of them together might pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from headway import BudgetExceeded
from workers.llm.paying import Paying

__all__ = ["Rooms"]


@dataclass(slots=True)
class _Room:
    users: int = 0
    underway: int = 0
    ended: int = 0
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def end_one(self) -> None:
        self.underway -= 1
        self.ended += 1
        self.told.set()
        self.told = asyncio.Event()


class Rooms:
    """Lets a call for which there is no money wait for others of its job.

    A call is reserved with the most that it can cost, which is many times what it does: a budget that would
    do for all of them is not to be given up because they are under way together.
    """

    def __init__(self) -> None:
        # By identity: contexts compare as they like.
        self._rooms: dict[int, _Room] = {}

    @asynccontextmanager
    async def reserved(
        self, ctx: Paying, reservation: Callable[[], AbstractAsyncContextManager[Any]]
    ) -> AsyncIterator[Any]:
        """A reservation, as soon as there is room for it.

        Args:
            ctx: Whose budget it is.
            reservation: Makes one; asked again when another call has ended.

        Raises:
            BudgetExceeded: there is no room although no other call is under way.
        """
        room = self._rooms.setdefault(id(ctx), _Room())
        room.users += 1
        try:
            async with AsyncExitStack() as stack:
                paid = await _entered(room, stack, reservation)
                yield paid
        finally:
            room.users -= 1
            if not room.users:
                del self._rooms[id(ctx)]


async def _entered(
    room: _Room, stack: AsyncExitStack, reservation: Callable[[], AbstractAsyncContextManager[Any]]
) -> Any:
    while True:
        ended, told = room.ended, room.told
        entering = AsyncExitStack()
        try:
            paid = await entering.enter_async_context(reservation())
        except BudgetExceeded:
            # Another may have ended while this one was refused.
            if room.ended == ended:
                if not room.underway:
                    raise
                await told.wait()
            continue
        room.underway += 1
        # Left in the other order: first the money is settled, then the others are told.
        stack.callback(room.end_one)
        stack.push_async_exit(entering)
        return paid
