"""Which kinds a worker runs, and how."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from headway.core.parts import Stage
from headway.core.retry import RetryPolicy
from headway.core.stages import StagePlan
from headway.errors import ConfigError, HeadwayError
from headway.worker.shape import HandlerShape, RunIn, read_shape

__all__ = ["JobSpec", "Push", "Registry", "Submitters"]

Push: TypeAlias = Literal["always", "watched"]
Submitters: TypeAlias = Literal["users", "service"]

_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_QUEUE = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A kind as this worker runs it; ``Worker.job`` documents the fields."""

    kind: str
    handler: Callable[..., Any]
    shape: HandlerShape
    run_in: RunIn
    queue: str
    plan: StagePlan
    policy: RetryPolicy
    timeout: float
    soft_timeout: float | None
    concurrency: int | None
    kind_concurrency: int | None
    tenant_concurrency: int | None
    retention: timedelta
    cost_budget: Decimal | None
    push: Push
    priority: int | None
    max_priority: int | None
    submitters: Submitters
    payload_limit: int | None
    result_limit: int
    description: str | None

    def registration(self) -> dict[str, Any]:
        """As ``register_worker`` takes it."""
        document = {
            "kind": self.kind,
            "queue": self.queue,
            "description": self.description,
            "submitters": self.submitters,
            "priority": self.priority,
            "max_priority": self.max_priority,
            "max_attempts": self.policy.max_attempts,
            "timeout_seconds": math.ceil(self.timeout),
            "backoff_base_seconds": self.policy.base,
            "backoff_max_seconds": self.policy.cap,
            "stages": [
                {"name": s.name, "label": s.label or s.name, "weight": s.weight} for s in self.plan.stages
            ],
            "retention_seconds": max(60, round(self.retention.total_seconds())),
            "concurrency": self.kind_concurrency,
            "tenant_concurrency": self.tenant_concurrency,
            "cost_budget": None if self.cost_budget is None else format(self.cost_budget, "f"),
            "push": self.push,
            "payload_schema": self.shape.schema,
            "payload_limit": self.payload_limit,
            "result_limit": self.result_limit,
        }
        return {name: value for name, value in document.items() if value is not None}


class Registry:
    """The kinds that were declared, each once."""

    def __init__(self) -> None:
        self._specs: dict[str, JobSpec] = {}

    def __iter__(self) -> Iterator[JobSpec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    def __contains__(self, kind: object) -> bool:
        return kind in self._specs

    def get(self, kind: str) -> JobSpec:
        """The spec of a kind.

        Raises:
            ConfigError: it was not declared; the hint names the nearest.
        """
        if (spec := self._specs.get(kind)) is not None:
            return spec
        near = difflib.get_close_matches(kind, self._specs, n=1)
        raise ConfigError(
            f"kind {kind[:100]!r} is not declared",
            hint=f"Did you mean {near[0]}?" if near else f"Declared: {', '.join(self._specs) or 'none'}.",
            code="kind_unknown",
        )

    def add(self, spec: JobSpec) -> None:
        """Declare a kind.

        Raises:
            ConfigError: another handler has it.
        """
        present = self._specs.get(spec.kind)
        if present is not None and present.handler is not spec.handler:
            raise ConfigError(
                f"kind {spec.kind}: declared twice",
                hint="Give every handler a kind of its own.",
                code="kind_twice",
            )
        self._specs[spec.kind] = spec


def read_spec(
    kind: str,
    handler: Callable[..., Any],
    *,
    run_in: RunIn | None,
    queue: str,
    stages: Sequence[Stage | str | Mapping[str, object]],
    retries: int | RetryPolicy,
    timeout: float,
    soft_timeout: float | None,
    **rest: Any,
) -> JobSpec:
    """A kind as it was declared, checked as the engine would check it at registration.

    Raises:
        ConfigError: names kind and field.
    """
    if not isinstance(kind, str) or len(kind) > 100 or _KIND.fullmatch(kind) is None:
        raise _wrong(str(kind)[:100], "kind", "must be lower-case words joined by dots, such as cv.parse")
    if _QUEUE.fullmatch(queue) is None:
        raise _wrong(kind, "queue", "must be lower-case letters, digits, _ and -")
    _check_range(kind, "timeout", timeout, 0.001, 604_800)
    if soft_timeout is not None:
        _check_range(kind, "soft_timeout", soft_timeout, 0.001, timeout)
    for field, least, most in (
        ("concurrency", 1, 100_000),
        ("kind_concurrency", 0, 1_000_000),
        ("tenant_concurrency", 1, 1_000_000),
        ("priority", 0, 9),
        ("max_priority", rest["priority"] or 0, 9),
        ("payload_limit", 2, 16_777_216),
        ("result_limit", 2, 67_108_864),
        ("cost_budget", 0, 1_000_000_000),
    ):
        if rest[field] is not None:
            _check_range(kind, field, rest[field], least, most)
    _check_range(kind, "retention in seconds", rest["retention"].total_seconds(), 60, 316_224_000)
    try:
        plan = StagePlan(stages)
        policy = retries if isinstance(retries, RetryPolicy) else RetryPolicy(max_attempts=retries)
    except (HeadwayError, ValueError) as error:
        raise _wrong(kind, "stages or retries", str(error)) from None
    shape = read_shape(handler, kind)
    chosen: RunIn = run_in or ("async" if shape.is_async else "thread")
    if (chosen == "async") != shape.is_async:
        raise _wrong(
            kind,
            "run_in",
            f"is {chosen!r}, which an {'async def' if shape.is_async else 'ordinary def'} cannot be run in",
        )
    return JobSpec(
        kind=kind,
        handler=handler,
        shape=shape,
        run_in=chosen,
        queue=queue,
        plan=plan,
        policy=policy,
        timeout=float(timeout),
        soft_timeout=None if soft_timeout is None else float(soft_timeout),
        **rest,
    )


def _check_range(kind: str, field: str, value: float | Decimal, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not least <= value <= most:
        raise _wrong(kind, field, f"must be from {least:g} to {most:g}, not {value!r}"[:200])


def _wrong(kind: str, field: str, reason: str) -> ConfigError:
    return ConfigError(
        f"kind {kind}: {field}: {reason}", hint="Correct it where the job is declared.", code="job_invalid"
    )
