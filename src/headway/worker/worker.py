"""``Worker``: what a module declares its handlers with, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from headway.core.parts import Stage
from headway.core.retry import RetryPolicy
from headway.errors import ConfigError
from headway.settings import WorkerSettings
from headway.worker.limits import LimitRule
from headway.worker.registry import Push, Registry, Submitters, read_spec
from headway.worker.routes import Route, RouteHandler
from headway.worker.shape import RunIn

__all__ = ["Worker"]

HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])
RouteT = TypeVar("RouteT", bound=RouteHandler)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Worker:
    """Runs jobs: declare handlers on it, then ``await worker.run()`` or ``headway worker MODULE``.

    ::

        worker = Worker()

        @worker.job("cv.parse", queue="cv", timeout=300, stages=["extract", "parse"])
        async def parse_cv(ctx: Context, payload: CvPayload) -> CvResult: ...

        asyncio.run(worker.run())

    Making one does no I/O and reads no environment.

    Args:
        settings: Which project it serves and how; read from the environment when it starts, if omitted.
    """

    def __init__(self, settings: WorkerSettings | None = None) -> None:
        self.settings = settings
        self.registry = Registry()
        self.limits: dict[str, LimitRule] = {}
        self.routes: list[Route] = []

    def job(
        self,
        kind: str,
        *,
        queue: str = "default",
        timeout: float = 900.0,
        soft_timeout: float | None = None,
        retries: int | RetryPolicy = 5,
        stages: Sequence[Stage | str | Mapping[str, object]] = (),
        concurrency: int | None = None,
        kind_concurrency: int | None = None,
        tenant_concurrency: int | None = None,
        retention: timedelta = timedelta(days=7),
        cost_budget: Decimal | None = None,
        push: Push = "always",
        priority: int | None = None,
        max_priority: int | None = None,
        submitters: Submitters = "users",
        payload_limit: int | None = None,
        result_limit: int = 4_194_304,
        description: str | None = None,
        run_in: RunIn | None = None,
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare a handler; the function itself stays as it is.

        Args:
            kind: Stable dotted name, such as ``cv.parse``.
            queue: The lane it waits in.
            timeout: Seconds until an execution is stopped and counts as failed.
            soft_timeout: Seconds until ``ctx.told_to_stop`` becomes true; ``None`` for never.
            retries: How many executions may fail, or a whole policy.
            stages: What a person sees, in order: ``Stage`` with label and weight, or names.
            concurrency: How many of this kind one process runs at once; ``None`` for as many as it has slots.
            kind_concurrency: How many run at once everywhere; kept by the engine.
            tenant_concurrency: How many of one tenant run at once everywhere; kept by the engine.
            retention: How long a job stays after its end, with its files.
            cost_budget: What a job's paid calls may cost; ``None`` for no limit.
            push: ``watched`` sends changes only while somebody watches.
            priority: 0 to 9, what a job starts with when its submitter does not say; 5 when omitted.
            max_priority: The most urgent that users may ask for.
            submitters: ``service`` keeps the kind from users: children and schedules only.
            payload_limit: Bytes; 1 MiB when omitted.
            result_limit: Bytes; 4 MiB when omitted.
            description: For people.
            run_in: ``thread`` or ``process`` for ordinary functions (thread when omitted). A process is for
                work that keeps a processor busy or might take its process down with it: the handler must be
                importable by name, and payload and result must be picklable.

        Raises:
            ConfigError: a value is out of range, the kind is taken, or the handler cannot be called.
        """

        def declare(handler: HandlerT) -> HandlerT:
            self.registry.add(
                read_spec(
                    kind,
                    handler,
                    run_in=run_in,
                    queue=queue,
                    stages=stages,
                    retries=retries,
                    timeout=timeout,
                    soft_timeout=soft_timeout,
                    concurrency=concurrency,
                    kind_concurrency=kind_concurrency,
                    tenant_concurrency=tenant_concurrency,
                    retention=retention,
                    cost_budget=cost_budget,
                    push=push,
                    priority=priority,
                    max_priority=max_priority,
                    submitters=submitters,
                    payload_limit=payload_limit,
                    result_limit=result_limit,
                    description=description,
                )
            )
            return handler

        return declare

    def route(self, path: str, *, methods: Sequence[str] = ("GET",)) -> Callable[[RouteT], RouteT]:
        """Declare a route on the worker's HTTP port: ``async def f(request, api) -> Response``.

        Args:
            path: Such as ``/callbacks/{job_id}``; ``/healthz``, ``/readyz`` and ``/metrics`` are taken.
            methods: Such as ``["POST"]``.

        Raises:
            ConfigError: the path or a method is impossible, or taken.
        """
        names = tuple(method.upper() for method in methods)
        if not path.startswith("/") or path in ("/healthz", "/readyz", "/metrics"):
            raise ConfigError(
                f"route {path[:200]!r}: must begin with / and be none of the worker's own",
                hint="Choose a path such as /callbacks/{job_id}.",
                code="route_invalid",
            )
        if not names or not _METHODS.issuperset(names):
            raise ConfigError(
                f"route {path[:200]!r}: methods must be HTTP methods, not {list(methods)!r}",
                hint='Write methods=["POST"].',
                code="route_invalid",
            )

        def declare(handler: RouteT) -> RouteT:
            self._add_route(Route(path, names, handler))
            return handler

        return declare

    def limit(
        self,
        name: str,
        *,
        per_second: float | None = None,
        burst: int = 1,
        concurrency: int | None = None,
    ) -> None:
        """Declare a limit that all jobs of a process share: ``async with ctx.limit(name)``.

        Args:
            name: Such as a provider's.
            per_second: Calls a second.
            burst: Calls that may go at once before the pace applies.
            concurrency: Calls at the same time.

        Raises:
            ConfigError: a number is not above 0, or the name is declared with other numbers.
        """
        self._add_limit(LimitRule(name, per_second, burst, concurrency))

    def include(self, other: Worker) -> None:
        """Take over what another worker declares: kinds, limits and routes.

        Args:
            other: Not changed by this.

        Raises:
            ConfigError: both declare a kind, a limit or a route differently.
        """
        for spec in other.registry:
            self.registry.add(spec)
        for rule in other.limits.values():
            self._add_limit(rule)
        for route in other.routes:
            self._add_route(route)

    async def run(self) -> None:
        """Run jobs until SIGTERM or SIGINT, then drain; a second signal stops at once.

        Raises:
            ConfigError: a setting is missing or wrong, or nothing is declared.
            HeadwayError: the engine refused this worker.
        """
        from headway.worker.runtime import run_worker

        await run_worker(self)

    def _add_limit(self, rule: LimitRule) -> None:
        if self.limits.setdefault(rule.name, rule) != rule:
            raise ConfigError(
                f"limit {rule.name}: declared twice with different numbers",
                hint="Declare it once.",
                code="limit_twice",
            )

    def _add_route(self, route: Route) -> None:
        for present in self.routes:
            if present.path == route.path and present.handler is not route.handler:
                if set(present.methods) & set(route.methods):
                    raise ConfigError(
                        f"route {route.path}: declared twice",
                        hint="Give it a path of its own.",
                        code="route_twice",
                    )
            elif present == route:
                return
        self.routes.append(route)
