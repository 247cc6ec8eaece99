"""``Context``: what an async handler is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, overload
from uuid import UUID

from headway.worker.attempt import Attempt
from headway.worker.children import Children, ChildResult
from headway.worker.files import Files
from headway.worker.job import JobInfo
from headway.worker.joblog import JobLog
from headway.worker.limits import Limit
from headway.worker.signals import Signals
from headway.worker.steps import Steps
from headway.worker.store import Store
from headway.worker.tools import Tools
from headway.worker.usage import Costs, PaidCall

if TYPE_CHECKING:
    import httpx
    from postgrest import AsyncPostgrestClient
    from storage3 import AsyncStorageClient

__all__ = ["Context"]

T = TypeVar("T")

_LONGEST_SAID = 4_000


class Context:
    """Everything a handler may know and do about its job.

    ``stage``, ``progress`` and ``metrics`` are plain calls that never wait; what they say is coalesced on its
    way. Everything that is awaited is fenced by the job's lease and raises ``LeaseLost`` when another worker
    owns the job by now.

    Attributes:
        job: The job and this execution of it.
        files: Its input and output files.
        log: A logger; what it says from INFO on can be read in the job's timeline.
    """

    def __init__(self, attempt: Attempt, store: Store, tools: Tools) -> None:
        self._attempt = attempt
        self._store = store
        self._tools = tools
        self._steps = Steps(attempt, store, tools)
        self._costs = Costs(attempt, store)
        self._children = Children(attempt, store)
        self._signals = Signals(attempt, store)
        self.job: JobInfo = attempt.job
        self.files = Files(attempt, store, tools)
        self.log = JobLog(attempt, tools)

    # Progress -----------------------------------------------------------------------------------------------

    def stage(self, name: str, message: str | None = None) -> None:
        """A stage begins; watchers are told at once.

        Args:
            name: One of the kind's stages.
            message: For people, what is happening.

        Raises:
            InvalidRequest: the kind has no such stage; the hint names the nearest.
        """
        self._attempt.enter_stage(name, self._clean(message))
        self._tools.reporter.changed(self._attempt)

    def progress(self, done: float, total: float = 100, message: str | None = None) -> None:
        """So much of the current stage is done; the latest wins, and the bar never falls.

        Args:
            done: 0 or more.
            total: What ``done`` counts towards.
            message: For people; ``""`` clears it, ``None`` leaves it.

        Raises:
            InvalidRequest: a number is negative or not finite.
        """
        self._attempt.advance(done, total, self._clean(message))
        self._tools.reporter.changed(self._attempt)

    def metrics(self, **figures: Any) -> None:
        """Merge live figures into the job's metrics; ``None`` takes one away.

        Args:
            figures: Any JSON values, 4 kB in all.

        Raises:
            InvalidRequest: they are not JSON, or too large together.
        """
        self._attempt.add_metrics(figures)
        self._tools.reporter.changed(self._attempt)

    async def emit(self, name: str, data: Any = None) -> None:
        """Add a durable event: partial output that watchers receive while the job runs; stored on return.

        Args:
            name: Of the event, 1 to 100 characters.
            data: Any JSON up to 64 kB; larger things are files, or results of steps.

        Raises:
            InvalidRequest: the name or the data cannot be stored.
            LeaseLost: another worker owns the job.
        """
        await self._tools.reporter.emit(self._attempt, name, data)

    # Steps --------------------------------------------------------------------------------------------------

    @overload
    async def step(
        self, name: str, fn: Callable[..., Awaitable[T]], /, *args: Any, into: None = None, **kwargs: Any
    ) -> T: ...
    @overload
    async def step(
        self, name: str, fn: Callable[..., T], /, *args: Any, into: None = None, **kwargs: Any
    ) -> T: ...
    @overload
    async def step(
        self, name: str, fn: Callable[..., Any], /, *args: Any, into: type[T], **kwargs: Any
    ) -> T: ...
    async def step(
        self, name: str, fn: Callable[..., Any], /, *args: Any, into: Any = None, **kwargs: Any
    ) -> Any:
        """Run a function once, ever: what it returned is stored, and later executions get it back.

        The value is what its JSON reads back as, in the first execution as in every other, so that a handler
        cannot come to depend on anything that a retry would not give it.

        Args:
            name: Unique within the job, 1 to 200 characters.
            fn: Async, or an ordinary function, which then runs in a thread.
            args: For ``fn``.
            into: The type to read the result as; ``fn``'s return annotation when omitted, plain JSON without
                one.
            kwargs: For ``fn``.

        Raises:
            InvalidRequest: the name or the result cannot be stored.
            LeaseLost: another worker owns the job; ``fn`` was not run, or its result not stored.
        """
        return await self._steps.run(name, fn, args, kwargs, into)

    # Money --------------------------------------------------------------------------------------------------

    async def usage(
        self,
        *,
        provider: str,
        cost: Decimal,
        quantity: Decimal | int | float = 1,
        model: str | None = None,
        unit: str | None = None,
        step: str | None = None,
    ) -> None:
        """Record a paid call that was made.

        Args:
            provider: Such as ``openai``.
            cost: Exact, in the project's currency; at most 12 decimals.
            quantity: How many units were used.
            model: Such as ``gpt-4o-mini``.
            unit: ``call`` when omitted.
            step: The running step when omitted.

        Raises:
            InvalidRequest: a value is out of range.
        """
        await self._costs.record(
            provider=provider, cost=cost, quantity=quantity, model=model, unit=unit, step=step
        )

    def paid_call(
        self,
        *,
        provider: str,
        max_cost: Decimal,
        model: str | None = None,
        unit: str | None = None,
        step: str | None = None,
    ) -> PaidCall:
        """Reserve the greatest cost of a call before it is made: ``async with ctx.paid_call(...) as call``.

        Args:
            provider: Such as ``openai``.
            max_cost: The most that the call can cost.
            model: Such as ``gpt-4o-mini``.
            unit: ``call`` when omitted.
            step: The running step when omitted.

        Raises:
            BudgetExceeded: on entering: the job's or the tenant's budget does not allow it.
        """
        return self._costs.paid_call(provider=provider, max_cost=max_cost, model=model, unit=unit, step=step)

    @property
    def budget(self) -> Decimal | None:
        """What is left for this job's paid calls; ``None`` when nothing limits them."""
        return self._costs.left

    # Children and signals -----------------------------------------------------------------------------------

    async def submit_child(
        self, kind: str, payload: Any = None, *, name: str | None = None, **fields: Any
    ) -> UUID:
        """Submit a child job, once per name: a later execution finds the same child again.

        Args:
            kind: The child's kind.
            payload: A pydantic model or any JSON.
            name: Unique among this job's children; the kind and a count in calling order when omitted.
            fields: Further fields of a submission, such as ``queue``, ``priority``, ``tags``, ``files``.

        Returns:
            The child's id.

        Raises:
            InvalidRequest: a field is wrong.
            LeaseLost: another worker owns the job.
        """
        return await self._children.submit(kind, payload, name, fields)

    async def gather_children(self, into: Any = None, *, timeout: float | None = None) -> list[ChildResult]:
        """The results of all children, once all have ended. Waits without holding a worker.

        While a child is open, this execution ends here, and the handler is run again from the top later;
        completed steps are remembered.

        Args:
            into: The type to read results as; plain JSON when omitted.
            timeout: Seconds after which the job goes on whatever the children do; 30 days when omitted.

        Raises:
            TimedOut: the time is over and a child is still open.
        """
        return await self._children.gather(into, timeout)

    async def wait_for_signal(self, name: str, *, timeout: float | None = None, into: Any = None) -> Any:
        """What a person or a webhook has answered. Waits without holding a worker, as for children.

        Args:
            name: The signal's: lower-case letters, digits, ``_ . : -``; ``system.…`` is out of people's
                reach.
            timeout: Seconds to wait; 30 days when omitted.
            into: The type to read the answer as; plain JSON when omitted.

        Raises:
            TimedOut: no answer came in time.
            InvalidRequest: the name is impossible.
        """
        return await self._signals.wait(name, timeout, into)

    # Tools --------------------------------------------------------------------------------------------------

    @property
    def db(self) -> AsyncPostgrestClient:
        """The Data API through the official client, as the service role; schema ``public``."""
        return self._tools.db

    @property
    def storage(self) -> AsyncStorageClient:
        """Storage through the official client, as the service role."""
        return self._tools.storage

    @property
    def http(self) -> httpx.AsyncClient:
        """A client for the world outside that all jobs share."""
        return self._tools.http

    async def shared(self, factory: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """Something that all jobs of the process share: made on first use, closed when the worker stops.

        Args:
            factory: Such as a function under ``@asynccontextmanager``; it is the key as well.
        """
        return await self._tools.shared.get(factory)

    def limit(self, name: str) -> Limit:
        """A declared limit: ``async with ctx.limit("openai")``; ``.pause(seconds)`` after a 429.

        Raises:
            ConfigError: it was not declared with ``worker.limit``.
        """
        return self._tools.limit(name)

    def callback_url(self, path: str) -> str:
        """Where the world outside reaches a route of this worker.

        Args:
            path: Such as ``/callbacks/123``.

        Raises:
            ConfigError: ``HEADWAY_PUBLIC_URL`` is not set.
        """
        return self._tools.callback_url(path)

    # Stopping -----------------------------------------------------------------------------------------------

    @property
    def cancelled(self) -> bool:
        """Whether this execution is to stop at once: cancelled, out of time, or its lease is lost."""
        return self._attempt.stopping

    @property
    def told_to_stop(self) -> bool:
        """Whether it should finish up: its soft timeout has passed, or the worker drains.

        Returning ``Snooze(0)`` hands the job on, with all its completed steps.
        """
        return self._attempt.told_to_stop

    @property
    def time_left(self) -> float:
        """Seconds until this execution is stopped."""
        return self._attempt.time_left

    def _extra(self) -> Mapping[str, object]:
        return self._attempt.log_fields()

    def _clean(self, message: object) -> str | None:
        """A message is for people, who must not find a key in it; cut generously before the search."""
        return None if message is None else self._tools.redact(str(message)[:_LONGEST_SAID])
