"""One stress for every service: started and stopped in any order, it ends as if it had never been."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from headway.worker.service import Service

__all__ = ["stress_start_and_stop"]


async def stress_start_and_stop(
    build: Callable[[], Service], *, owned: Callable[[asyncio.Task[Any]], bool] = lambda _task: True
) -> None:
    """Start and stop a service in every order that may happen; nothing hangs, raises or is left behind.

    Args:
        build: A new service that has not been started.
        owned: Whether a task could be the service's; not what it starts for somebody else.
    """
    before = set(asyncio.all_tasks())
    threads = set(threading.enumerate())

    async def ends_clean(service: Service) -> None:
        async with asyncio.timeout(20):
            await service.stop()
        left = {task for task in asyncio.all_tasks() if not task.done() and owned(task)} - before
        assert not left, f"{service.name} leaves {left}"

    never_started = build()
    assert never_started.name
    await ends_clean(never_started)

    twice = build()
    await twice.start()
    await twice.start()
    await twice.stop()
    await ends_clean(twice)

    again = build()
    for _ in range(3):
        await again.start()
        await ends_clean(again)

    at_once = build()
    await at_once.start()
    await asyncio.gather(*(at_once.stop() for _ in range(3)))
    await ends_clean(at_once)

    together = build()
    await asyncio.gather(together.start(), together.stop(), together.start(), together.stop())
    await ends_clean(together)

    for moments in range(6):
        hurried = build()
        starting = asyncio.create_task(hurried.start())
        for _ in range(moments):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        await ends_clean(hurried)

    for thread in set(threading.enumerate()) - threads:
        # The executor's own threads stay for the next piece of work.
        assert thread.name.startswith("asyncio_"), thread
