"""A worker on a thread of its own, beside code that has no event loop."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import jwt

from headway.client import Headway
from support.engine import Engine
from support.stack import TestStack

from .harness import QUICK, QUICK_LINK, Hand, Queue, Shop

T = TypeVar("T")


class Shift:
    """Moves jobs from synchronous tests.

    Args:
        stack: The stack.
        run: Runs a coroutine on the worker's loop.
        shop: The worker's side.
    """

    def __init__(self, stack: TestStack, run: Callable[[Coroutine[Any, Any, Any]], Any], shop: Shop) -> None:
        self.stack = stack
        self.run = run
        self.shop = shop

    def kind(self, **fields: Any) -> Queue:
        """A kind of the test's own."""
        queue: Queue = self.run(self.shop.kind(**fields))
        return queue

    def take(self, queue: Queue) -> Hand:
        """Claim the next job, waiting for it."""

        async def take() -> Hand:
            async with asyncio.timeout(30):
                while not (leases := await queue.worker.claim(1)):
                    await asyncio.sleep(0.01)
            return Hand(queue.worker, leases[0])

        hand: Hand = self.run(take())
        return hand

    def token(self, subject: uuid.UUID | None = None) -> str:
        """The access token of somebody new, unless said otherwise."""
        if subject is None:
            subject = self.run(self.shop.engine.user()).sub
        now = int(time.time())
        claims = {"sub": str(subject), "role": "authenticated", "aud": "authenticated", "iat": now}
        return jwt.encode({**claims, "exp": now + 3600}, self.stack.keys.jwt_secret, algorithm="HS256")

    def headway(self, **options: Any) -> Headway:
        """A synchronous client of somebody new."""
        return Headway(
            url=self.stack.url,
            key=self.stack.keys.publishable_key,
            **{"access_token": self.token(), "policy": QUICK, "link_policy": QUICK_LINK, **options},
        )


@contextmanager
def opened_shift(stack: TestStack) -> Iterator[Shift]:
    """A worker's thread for one test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="shift", daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=60)

    engine = run(Engine(stack.database).open())
    shop = Shop(stack, engine)
    try:
        yield Shift(stack, run, shop)
    finally:
        run(shop.close())
        shop.healthy()
        run(engine.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
