"""Durable steps: what was done once is never done again."""

from __future__ import annotations

import asyncio
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from headway.core.json_limits import storable
from headway.core.validation import field_path
from headway.errors import ConfigError, InvalidRequest, LeaseLost
from headway.worker.attempt import Attempt
from headway.worker.faults import describe
from headway.worker.json_text import dump
from headway.worker.observations import step_span
from headway.worker.store import Store
from headway.worker.tools import Tools

__all__ = ["CURRENT_STEP", "Memo", "Steps", "mark_step", "read_as", "result_type"]

CURRENT_STEP: ContextVar[str | None] = ContextVar("headway_step", default=None)
"""The step that the present code is part of, for the usage ledger."""

_UNTYPED = (Any, object, inspect.Signature.empty)


@dataclass(frozen=True, slots=True)
class Memo:
    """A step's stored result, as JSON."""

    result: Any


class Steps:
    """The steps of one execution.

    Args:
        attempt: The execution; its claim has brought the steps that were completed before.
        store: Where steps are kept.
        tools: For threads, and to keep events in order.
    """

    def __init__(self, attempt: Attempt, store: Store, tools: Tools) -> None:
        self._attempt = attempt
        self._store = store
        self._tools = tools
        self._known = dict(attempt.claimed.steps)
        self._running: dict[str, asyncio.Future[None]] = {}

    async def run(
        self,
        name: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        into: Any,
    ) -> Any:
        """As ``Context.step``."""
        target = result_type(fn) if into is None else into
        while (busy := self._running.get(name)) is not None:
            await asyncio.shield(busy)
        done = self._running[name] = asyncio.get_running_loop().create_future()
        try:
            memo = await self.begin(name)
            if memo is None:
                memo = await self._execute(name, fn, args, kwargs)
        finally:
            del self._running[name]
            done.set_result(None)
        return read_as(target, memo.result, f"the result of step {name!r}")

    async def _execute(
        self, name: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Memo:
        token = CURRENT_STEP.set(name)
        try:
            with step_span(name):
                if _is_async(fn):
                    value = await fn(*args, **kwargs)
                else:
                    value = await self._tools.threads.run(fn, *args, **kwargs)
                    if inspect.isawaitable(value):  # a lambda around something async
                        value = await value
        except Exception as error:
            mark_step(error, name)
            await self.fail(name, error)
            raise
        finally:
            CURRENT_STEP.reset(token)
        return await self.complete(name, value)

    async def begin(self, name: str) -> Memo | None:
        """Say that a step begins; its result when it was completed before."""
        _check_name(name)
        if name in self._known:
            return Memo(self._known[name])
        self._refuse_if_lost()
        await self._tools.reporter.settle(self._attempt)
        answer = await self._store.checkpoint(self._attempt.lease, name, "running")
        if answer.status == "completed":
            self._known[name] = answer.result
            return Memo(answer.result)
        return None

    async def complete(self, name: str, value: Any) -> Memo:
        """Store what a step has answered; the first answer counts.

        Raises:
            InvalidRequest: it is no JSON, or too large.
        """
        try:
            plain = storable(value, "result", most_bytes=self._attempt.spec.result_limit)
        except InvalidRequest as error:
            refused = InvalidRequest(
                f"step {name!r}: {error.message}", hint=error.hint, code=error.code, details=error.details
            )
            await self.fail(name, refused)
            raise refused from None
        await self._tools.reporter.settle(self._attempt)
        answer = await self._store.checkpoint(self._attempt.lease, name, "completed", result=plain)
        kept = answer.result if answer.state == "repeated" else plain
        self._known[name] = kept
        return Memo(kept)

    async def fail(self, name: str, error: BaseException) -> None:
        """Say that a step has failed; a lost lease is not reported, for it cannot be."""
        if self._attempt.lost or isinstance(error, LeaseLost):
            return
        fault = describe(error, redact=self._tools.redact)
        try:
            await self._store.checkpoint(
                self._attempt.lease, name, "failed", error={"code": fault.code, "message": fault.message}
            )
        except LeaseLost:
            self._attempt.stop("lost")

    def _refuse_if_lost(self) -> None:
        if self._attempt.lost:
            raise LeaseLost(hint="Stop: another worker runs this job now.")


def mark_step(error: BaseException, name: str) -> None:
    """Remember in which step an exception was raised; the innermost counts."""
    if not hasattr(error, "__headway_step__"):
        try:
            error.__headway_step__ = name  # type: ignore[attr-defined]
        except AttributeError:
            pass  # an exception with slots: the job fails without naming the step


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= 200:
        raise InvalidRequest(
            "step: must have 1 to 200 characters",
            hint='Name the step: await ctx.step("extract", extract, path).',
            code="HW103",
            details="step",
        )


def _is_async(fn: Callable[..., Any]) -> bool:
    while isinstance(fn, functools.partial):
        fn = fn.func
    call = getattr(fn, "__call__", None)  # noqa: B004 - an object's own method is meant
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(call)


def result_type(fn: Callable[..., Any]) -> Any:
    """The return annotation of a function; ``Any`` without one."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    target = fn if inspect.isroutine(fn) else getattr(fn, "__call__", fn)  # noqa: B004
    try:
        return typing.get_type_hints(target, include_extras=True).get("return", Any)
    except (NameError, TypeError, AttributeError):
        return Any


def read_as(target: Any, plain: Any, what: str) -> Any:
    """Plain JSON as a type.

    Args:
        target: The type; JSON stays as it is for ``Any``.
        plain: The JSON.
        what: Its name in errors.

    Raises:
        ConfigError: the type does not fit what was stored, perhaps by an earlier version of the handler.
    """
    if target in _UNTYPED:
        return plain
    try:
        # As JSON: dates, UUIDs and tuples come back as what they were, in strict models too.
        return _adapter(target).validate_json(dump(plain))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise ConfigError(
            f"{what} does not fit its type: {field_path(first['loc']) or 'it'}: {first['msg'].lower()}",
            hint="Give a step that answers something else another name, or keep its type readable.",
            code="step_result_type",
        ) from None


@functools.lru_cache(maxsize=512)
def _adapter(target: Any) -> TypeAdapter[Any]:
    return TypeAdapter(target)
