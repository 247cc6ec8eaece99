"""One execution from payload to ending, whatever the handler does."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import ValidationError

from headway.core.json_limits import storable
from headway.core.parts import Fault
from headway.errors import HeadwayError, InvalidRequest, LeaseLost
from headway.worker.attempt import Attempt, plain_text
from headway.worker.blocking_tools import BlockingTools
from headway.worker.bridge import Operations, Stopped, ThreadBridge
from headway.worker.containment import stay_in_process
from headway.worker.context import Context
from headway.worker.ending import LOST, Ending
from headway.worker.faults import describe, payload_fault
from headway.worker.json_text import dump
from headway.worker.outcomes import Cancel, Snooze
from headway.worker.registry import JobSpec
from headway.worker.sizes import exceeds
from headway.worker.store import Store
from headway.worker.suspension import Suspend
from headway.worker.sync_context import SyncContext
from headway.worker.threads import Threads
from headway.worker.tools import Tools

__all__ = ["Executor", "HandlerExit", "ProcessRunner"]

_log = logging.getLogger("headway.worker")

_THREAD_PATIENCE = 0.5


class HandlerExit(HeadwayError):
    """The handler tried to end the process."""

    default_code = "handler_exit"


class ProcessRunner(Protocol):
    """Runs blocking handlers in processes of their own."""

    async def run(self, attempt: Attempt, operations: Operations, payload: Any) -> Any:
        """What the handler returns or raises; the process is gone when the caller is cancelled."""
        ...


@dataclass(slots=True)
class Executor:
    """Runs handlers.

    Attributes:
        store: The engine.
        tools: What contexts are made of.
        blocking: The same for blocking handlers.
        threads: Where blocking handlers run.
        processes: Where handlers run that asked for a process; ``None`` runs them in threads.
        draw: Draws evenly from 0 to 1, for the jitter of retries.
    """

    store: Store
    tools: Tools
    blocking: BlockingTools
    threads: Threads = field(default_factory=lambda: Threads("headway handler"))
    processes: ProcessRunner | None = None
    draw: Callable[[], float] = random.random

    async def run(self, attempt: Attempt) -> Ending:
        """How the execution ends; raises nothing."""
        context = Context(attempt, self.store, self.tools)
        try:
            ending = await self._run(attempt, context)
        finally:
            await context.files.close()
        return ending

    async def _run(self, attempt: Attempt, context: Context) -> Ending:
        spec = attempt.spec
        try:
            payload = _read_payload(spec, attempt.claimed.payload)
        except ValidationError as error:
            return Ending("failed", fault=payload_fault(error))
        try:
            if spec.run_in == "async":
                arguments = (context, payload) if spec.shape.takes_payload else (context,)
                value = await stay_in_process(spec.handler(*arguments))
            elif spec.run_in == "process" and self.processes is not None:
                value = await self._in_process(attempt, context, payload)
            else:
                value = await self._in_thread(attempt, context, payload)
            return self._of_value(spec, value)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises ends its job, never its worker
            return self._of_error(attempt, error)

    async def _in_thread(self, attempt: Attempt, context: Context, payload: Any) -> Any:
        spec = attempt.spec
        operations = Operations(context)
        bridge = ThreadBridge(operations, asyncio.get_running_loop())
        given = SyncContext(
            attempt.job,
            attempt.claimed.files,
            context.budget,
            bridge,
            self.blocking,
            self.tools.public_url,
        )
        arguments = (given, payload) if spec.shape.takes_payload else (given,)
        future = self.threads.submit(spec.handler, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not future.done():
                await asyncio.wait({future}, timeout=_THREAD_PATIENCE)
            if not future.done():
                self._abandon(attempt, future)
            elif not future.cancelled() and future.exception() is None:
                return future.result()
            raise
        finally:
            operations.close()

    async def _in_process(self, attempt: Attempt, context: Context, payload: Any) -> Any:
        assert self.processes is not None
        operations = Operations(context)
        try:
            return await self.processes.run(attempt, operations, payload)
        finally:
            operations.close()

    def _abandon(self, attempt: Attempt, future: asyncio.Future[Any]) -> None:
        """A thread cannot be stopped: its job ends without it."""
        since = time.monotonic()
        _log.error(
            "the thread of %s %s goes on although it was told to stop: abandoned",
            attempt.job.kind,
            attempt.job.id,
            extra=attempt.log_fields(),
        )
        self.tools.incident("thread_abandoned", attempt)

        def ended(_: asyncio.Future[Any]) -> None:
            _log.warning(
                "the abandoned thread of %s %s has ended after %.1f s",
                attempt.job.kind,
                attempt.job.id,
                time.monotonic() - since,
                extra=attempt.log_fields(),
            )
            self.tools.incident("thread_ended", attempt)

        future.add_done_callback(ended)

    # What becomes of it --------------------------------------------------------------------------------

    def _of_value(self, spec: JobSpec, value: Any) -> Ending:
        if isinstance(value, Snooze):
            return Ending("snooze", delay=float(value.seconds))
        if isinstance(value, Cancel):
            reason = None if value.reason is None else self.tools.redact(str(value.reason)[:4000])
            return Ending("cancelled", message=plain_text(reason, 500))
        if value is None and spec.shape.result is None:
            return Ending("completed")
        try:
            return Ending("completed", result=_read_result(spec, value))
        except ValidationError as error:
            fault = describe(error)
            return Ending(
                "failed",
                fault=Fault(
                    code="result_invalid",
                    message=f"result: {fault.message}",
                    hint="The handler returns something else than it declares.",
                ),
            )
        except InvalidRequest as error:
            return Ending(
                "failed", fault=Fault(code="result_invalid", message=error.message, hint=error.hint)
            )

    def _of_error(self, attempt: Attempt, error: BaseException) -> Ending:
        if attempt.lost or isinstance(error, LeaseLost):
            attempt.stop("lost")
            return LOST
        if isinstance(error, Suspend):
            return Ending("wait", wait=error.wait)
        if attempt.stop_reason is not None:
            # Nothing that a handler raises then outweighs the reason that it was stopped for.
            return self.of_stop(attempt)
        if isinstance(error, (SystemExit, KeyboardInterrupt, GeneratorExit)):
            self.tools.incident("handler_exit", attempt)
            error = HandlerExit(
                f"the handler raised {type(error).__name__}, which would end the whole worker",
                hint="Return, or raise an error, instead of calling sys.exit().",
            )
        elif isinstance(error, (asyncio.CancelledError, Stopped)):
            error = HandlerExit(
                "the handler was cancelled by something within itself",
                hint="Look for task.cancel(), or a task group that failed.",
                code="handler_cancelled",
            )
        elif not isinstance(error, Exception):
            self.tools.incident("handler_exit", attempt)
        return self.of_failure(attempt, error)

    def of_failure(self, attempt: Attempt, error: BaseException) -> Ending:
        """How an execution ends that failed: the retry policy of its kind decides."""
        claimed = attempt.claimed
        # The job's own limit counts: its submitter may have asked for fewer attempts.
        policy = replace(attempt.spec.policy, max_attempts=claimed.max_attempts)
        decision = policy.decide(error, failures=claimed.failures, now=datetime.now(UTC), random=self.draw)
        fault = describe(error, step=_failed_step(error), redact=self.tools.redact)
        if decision.again:
            return Ending("retry", fault=fault, delay=decision.delay, cause=error)
        return Ending("failed", fault=fault, cause=error)

    def of_stop(self, attempt: Attempt) -> Ending:
        """How an execution ends that was stopped."""
        if attempt.stop_reason == "cancelled":
            return Ending("cancelled")
        if attempt.stop_reason == "released":
            return Ending("release")
        if attempt.stop_reason == "timeout":
            return self.of_failure(attempt, _timeout(attempt))
        return LOST


def _timeout(attempt: Attempt) -> HeadwayError:
    stage = f" in stage {attempt.stage}" if attempt.stage else ""
    return HeadwayError(
        f"the job took longer than {attempt.spec.timeout:g} s{stage}",
        hint="Try again later, or with less work in one job.",
        code="timeout",
    )


def _failed_step(error: BaseException) -> str | None:
    step = getattr(error, "__headway_step__", None)
    return step if isinstance(step, str) else None


def _read_payload(spec: JobSpec, payload: Any) -> Any:
    if spec.shape.payload is None:
        return payload
    # As JSON, so that strict models take dates and tuples from their JSON forms.
    return spec.shape.payload.validate_json(dump(payload))


def _read_result(spec: JobSpec, value: Any) -> Any:
    if exceeds(value, spec.result_limit):
        raise InvalidRequest(
            f"result: has more than {spec.result_limit} bytes",
            hint="Store large data as a file: await ctx.files.upload(...).",
            code="HW104",
            details="result",
        )
    adapter = spec.shape.result
    if adapter is not None:
        value = adapter.dump_python(adapter.validate_python(value), mode="json")
    return storable(value, "result", most_bytes=spec.result_limit)
