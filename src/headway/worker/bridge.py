"""How blocking handlers reach what is asynchronous: over a thread's loop, or over a process's pipe."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headway.worker.printing import log_printed
from headway.worker.steps import Memo
from headway.worker.store import CallInfo

if TYPE_CHECKING:
    from headway.worker.context import Context
    from headway.worker.limits import Limit

__all__ = ["Bridge", "Operations", "Stopped", "ThreadBridge"]


class Stopped(BaseException):
    """This execution is to stop at once: raised by whatever a blocking handler asks of its context then."""


class Bridge(Protocol):
    """Asks for one operation of ``Operations`` and waits for its answer, or tells without waiting."""

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """What the operation answers or raises; ``Stopped`` when the execution is to stop."""
        ...

    def tell(self, operation: str, *args: Any, **kwargs: Any) -> None:
        """Start a plain operation; what it raises is raised here when that is possible."""
        ...

    @property
    def state(self) -> dict[str, Any]:
        """``stopping``, ``told_to_stop`` and ``time_left``."""
        ...


class Operations:
    """What a ``SyncContext`` needs done on the worker's loop; arguments and answers can be pickled.

    Args:
        context: The execution's own.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._held: dict[int, Limit] = {}

    @property
    def budget(self) -> Decimal | None:
        """What is left for paid calls."""
        return self._context.budget

    # Plain.
    def told_to_stop(self) -> bool:
        return self._context.told_to_stop

    def printed(self, level: int, text: str) -> None:
        log_printed(self._context._attempt, level, text, self._context._tools.incident)

    def stage(self, name: str, message: str | None) -> None:
        self._context.stage(name, message)

    def progress(self, done: float, total: float, message: str | None) -> None:
        self._context.progress(done, total, message)

    def metrics(self, figures: dict[str, Any]) -> None:
        self._context.metrics(**figures)

    def log(self, level: int, text: str) -> None:
        self._context.log.log(level, "%s", text)

    def pause_limit(self, name: str, seconds: float) -> None:
        self._context.limit(name).pause(seconds)

    def exit_limit(self, place: int) -> None:
        """The slot is given back by the loop's own thread."""
        limit = self._held.pop(place)
        limit.release()

    # Awaited.
    async def enter_limit(self, name: str) -> int:
        limit = self._context.limit(name)
        await limit.acquire()
        place = max(self._held, default=0) + 1
        self._held[place] = limit
        return place

    async def emit(self, name: str, data: Any) -> None:
        await self._context.emit(name, data)

    async def begin_step(self, name: str) -> Memo | None:
        return await self._context._steps.begin(name)

    async def complete_step(self, name: str, value: Any) -> Memo:
        return await self._context._steps.complete(name, value)

    async def fail_step(self, name: str, error: BaseException) -> None:
        await self._context._steps.fail(name, error)

    async def reserve(self, call: CallInfo, max_cost: Decimal) -> Decimal | None:
        await self._context._costs.reserve(call, max_cost)
        return self._context.budget

    async def settle(self, call: CallInfo, cost: Decimal, quantity: Decimal) -> Decimal | None:
        await self._context._costs.settle(call, cost, quantity)
        return self._context.budget

    async def release(self, call: CallInfo) -> Decimal | None:
        await self._context._costs.release(call)
        return self._context.budget

    async def submit_child(self, kind: str, payload: Any, name: str | None, fields: dict[str, Any]) -> Any:
        return await self._context.submit_child(kind, payload, name=name, **fields)

    async def gather_children(self, timeout: float | None) -> Any:
        return await self._context.gather_children(timeout=timeout)

    async def wait_for_signal(self, name: str, timeout: float | None) -> Any:
        return await self._context.wait_for_signal(name, timeout=timeout)

    async def scratch(self) -> Path:
        return self._context.files.dir

    async def download(self, name: str) -> Path:
        return await self._context.files.download(name)

    async def read(self, name: str, most_bytes: int) -> bytes:
        return await self._context.files.read(name, most_bytes)

    async def upload(self, name: str, source: Any, options: dict[str, Any]) -> Any:
        return await self._context.files.upload(name, source, **options)

    async def signed_url(self, file: Any, expires: float) -> str:
        return await self._context.files.signed_url(file, expires)

    def close(self) -> None:
        """Give back what the handler has not."""
        for place in list(self._held):
            self.exit_limit(place)


class ThreadBridge:
    """Reaches the worker's loop from a thread of the same process.

    Args:
        operations: What can be asked.
        loop: The worker's.
    """

    def __init__(self, operations: Operations, loop: asyncio.AbstractEventLoop) -> None:
        self._operations = operations
        self._loop = loop

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """As ``Bridge.ask``."""
        self._refuse_if_stopping()
        work = getattr(self._operations, operation)
        try:
            future = asyncio.run_coroutine_threadsafe(work(*args, **kwargs), self._loop)
        except RuntimeError:
            raise Stopped from None  # the loop is closed
        while True:
            try:
                return future.result(timeout=0.25)
            except TimeoutError:
                if future.done():
                    return future.result()
                if self.state["stopping"]:
                    future.cancel()
                    raise Stopped from None
            except (CancelledError, asyncio.CancelledError):
                raise Stopped from None

    def tell(self, operation: str, *args: Any, **kwargs: Any) -> None:
        """As ``Bridge.tell``; plain operations may be called from any thread but those that wake the loop."""
        self._refuse_if_stopping()
        if operation in ("exit_limit", "pause_limit"):
            self._loop.call_soon_threadsafe(lambda: getattr(self._operations, operation)(*args, **kwargs))
            return
        getattr(self._operations, operation)(*args, **kwargs)

    @property
    def state(self) -> dict[str, Any]:
        """As ``Bridge.state``."""
        context = self._operations._context
        return {
            "stopping": context.cancelled,
            "told_to_stop": context.told_to_stop,
            "time_left": context.time_left,
        }

    def _refuse_if_stopping(self) -> None:
        if self.state["stopping"]:
            raise Stopped
