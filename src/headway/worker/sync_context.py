"""``SyncContext``: what a blocking handler is given; the names of ``Context``, without ``await``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload
from uuid import UUID, uuid4

from headway.core.parts import FileRef
from headway.worker.blocking_tools import BlockingTools
from headway.worker.bridge import Bridge
from headway.worker.children import ChildResult
from headway.worker.job import JobInfo
from headway.worker.observations import step_span
from headway.worker.steps import CURRENT_STEP, mark_step, read_as, result_type
from headway.worker.store import CallInfo
from headway.worker.usage import make_call, money

if TYPE_CHECKING:
    import httpx
    from postgrest import SyncPostgrestClient
    from storage3 import SyncStorageClient

__all__ = ["SyncContext", "SyncFiles", "SyncLimit", "SyncPaidCall"]

T = TypeVar("T")

_CHUNK = 256 * 1024


class SyncContext:
    """Everything a blocking handler may know and do about its job; ``Context`` documents each name.

    Whatever is called here raises ``Stopped`` (no ``Exception``) once the execution is to stop at once: a
    handler that asks its context now and then ends by itself. One that does not should look at
    ``ctx.cancelled``; a thread that goes on for long is abandoned and reported, a process is killed.
    """

    def __init__(
        self,
        job: JobInfo,
        files: tuple[FileRef, ...],
        budget: Decimal | None,
        bridge: Bridge,
        tools: BlockingTools,
        public_url: str | None,
    ) -> None:
        self.job = job
        self.files = SyncFiles(files, bridge)
        self.log = _SyncLog(bridge)
        self._bridge = bridge
        self._tools = tools
        self._budget = budget
        self._public_url = public_url

    def stage(self, name: str, message: str | None = None) -> None:
        """As ``Context.stage``."""
        self._bridge.tell("stage", name, message)

    def progress(self, done: float, total: float = 100, message: str | None = None) -> None:
        """As ``Context.progress``."""
        self._bridge.tell("progress", done, total, message)

    def metrics(self, **figures: Any) -> None:
        """As ``Context.metrics``."""
        self._bridge.tell("metrics", figures)

    def emit(self, name: str, data: Any = None) -> None:
        """As ``Context.emit``."""
        self._bridge.ask("emit", name, data)

    @overload
    def step(self, name: str, fn: Callable[..., T], /, *args: Any, into: None = None, **kwargs: Any) -> T: ...
    @overload
    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, into: type[T], **kwargs: Any) -> T: ...
    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, into: Any = None, **kwargs: Any) -> Any:
        """As ``Context.step``; ``fn`` is an ordinary function and runs here."""
        memo = self._bridge.ask("begin_step", name)
        if memo is None:
            token = CURRENT_STEP.set(name)
            try:
                with step_span(name):
                    value = fn(*args, **kwargs)
            except Exception as error:
                mark_step(error, name)
                self._bridge.ask("fail_step", name, error)
                raise
            finally:
                CURRENT_STEP.reset(token)
            memo = self._bridge.ask("complete_step", name, value)
        target = result_type(fn) if into is None else into
        return read_as(target, memo.result, f"the result of step {name!r}")

    def usage(
        self,
        *,
        provider: str,
        cost: Decimal,
        quantity: Decimal | int | float = 1,
        model: str | None = None,
        unit: str | None = None,
        step: str | None = None,
    ) -> None:
        """As ``Context.usage``."""
        call = make_call(provider, model, unit, step)
        self._budget = self._bridge.ask("settle", call, money(cost, "cost"), money(quantity, "quantity"))

    def paid_call(
        self,
        *,
        provider: str,
        max_cost: Decimal,
        model: str | None = None,
        unit: str | None = None,
        step: str | None = None,
    ) -> SyncPaidCall:
        """As ``Context.paid_call``, used with ``with``."""
        return SyncPaidCall(self, make_call(provider, model, unit, step), money(max_cost, "max_cost"))

    @property
    def budget(self) -> Decimal | None:
        """As ``Context.budget``."""
        return self._budget

    def submit_child(self, kind: str, payload: Any = None, *, name: str | None = None, **fields: Any) -> UUID:
        """As ``Context.submit_child``."""
        child: UUID = self._bridge.ask("submit_child", kind, payload, name, fields)
        return child

    def gather_children(self, into: Any = None, *, timeout: float | None = None) -> list[ChildResult]:
        """As ``Context.gather_children``."""
        results: list[ChildResult] = self._bridge.ask("gather_children", timeout)
        if into is None:
            return results
        return [
            ChildResult(
                r.id,
                r.name,
                r.kind,
                r.status,
                read_as(into, r.result, f"the result of child {r.name or r.id}"),
            )
            if r.ok
            else r
            for r in results
        ]

    def wait_for_signal(self, name: str, *, timeout: float | None = None, into: Any = None) -> Any:
        """As ``Context.wait_for_signal``."""
        value = self._bridge.ask("wait_for_signal", name, timeout)
        return value if into is None else read_as(into, value, f"signal {name!r}")

    @property
    def db(self) -> SyncPostgrestClient:
        """The Data API through the official client, as the service role; schema ``public``."""
        return self._tools.db

    @property
    def storage(self) -> SyncStorageClient:
        """Storage through the official client, as the service role."""
        return self._tools.storage

    @property
    def http(self) -> httpx.Client:
        """A client for the world outside that all blocking jobs of the process share."""
        return self._tools.http

    def shared(self, factory: Callable[[], AbstractContextManager[T]]) -> T:
        """As ``Context.shared``, with an ordinary context manager."""
        return self._tools.shared(factory)

    def limit(self, name: str) -> SyncLimit:
        """As ``Context.limit``, used with ``with``."""
        return SyncLimit(name, self._bridge)

    def callback_url(self, path: str) -> str:
        """As ``Context.callback_url``."""
        from headway.worker.tools import callback_address

        return callback_address(self._public_url, path)

    @property
    def cancelled(self) -> bool:
        """As ``Context.cancelled``."""
        return bool(self._bridge.state["stopping"])

    @property
    def told_to_stop(self) -> bool:
        """As ``Context.told_to_stop``."""
        return bool(self._bridge.state["told_to_stop"])

    @property
    def time_left(self) -> float:
        """As ``Context.time_left``."""
        return float(self._bridge.state["time_left"])


class SyncFiles:
    """The files of one execution, blocking; ``Files`` documents each name."""

    def __init__(self, files: tuple[FileRef, ...], bridge: Bridge) -> None:
        self._files = list(files)
        self._bridge = bridge

    @property
    def inputs(self) -> tuple[FileRef, ...]:
        """What the job was given."""
        return tuple(file for file in self._files if file.direction == "input")

    @property
    def outputs(self) -> tuple[FileRef, ...]:
        """What it has made."""
        return tuple(file for file in self._files if file.direction == "output")

    @property
    def dir(self) -> Path:
        """A private directory for temporary files."""
        return Path(self._bridge.ask("scratch"))

    def download(self, name: str) -> Path:
        """As ``Files.download``."""
        return Path(self._bridge.ask("download", name))

    def stream(self, name: str) -> Iterator[bytes]:
        """A file's content, piece by piece, by way of a local copy."""
        with self.download(name).open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece

    def read(self, name: str, most_bytes: int = 64 * 1024 * 1024) -> bytes:
        """As ``Files.read``."""
        return bytes(self._bridge.ask("read", name, most_bytes))

    def upload(
        self,
        name: str,
        source: Path | bytes | Iterable[bytes],
        *,
        bucket: str = "job-files",
        path: str | None = None,
        content_type: str | None = None,
    ) -> FileRef:
        """As ``Files.upload``; pieces are put together in a temporary file first."""
        if not isinstance(source, (Path, bytes)):
            gathered = self.dir / f"upload-{uuid4()}"
            with gathered.open("wb") as into:
                into.writelines(source)
            source = gathered
        options = {"bucket": bucket, "path": path, "content_type": content_type}
        file: FileRef = self._bridge.ask("upload", name, source, options)
        self._files = [f for f in self._files if (f.direction, f.name) != ("output", name)] + [file]
        return file

    def signed_url(self, file: str | FileRef, expires: float = 3600.0) -> str:
        """As ``Files.signed_url``."""
        return str(self._bridge.ask("signed_url", file, expires))


class SyncLimit:
    """A declared limit for blocking handlers; used with ``with``."""

    def __init__(self, name: str, bridge: Bridge) -> None:
        self._name = name
        self._bridge = bridge
        self._place: int | None = None

    def pause(self, seconds: float) -> None:
        """As ``Limit.pause``."""
        self._bridge.tell("pause_limit", self._name, seconds)

    def __enter__(self) -> Self:
        self._place = self._bridge.ask("enter_limit", self._name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bridge.tell("exit_limit", self._place)


class SyncPaidCall:
    """As ``PaidCall``, used with ``with``."""

    def __init__(self, context: SyncContext, call: CallInfo, max_cost: Decimal) -> None:
        self._context = context
        self._call = call
        self._max_cost = max_cost
        self._said: list[tuple[CallInfo, Decimal, Decimal]] = []
        self._unknown = False

    def cost(
        self,
        *,
        cost: Decimal,
        quantity: Decimal | int | float = 1,
        model: str | None = None,
        unit: str | None = None,
    ) -> None:
        """As ``PaidCall.cost``."""
        base = self._call
        call_id = uuid4() if self._said else base.id
        call = CallInfo(call_id, base.provider, model or base.model, unit or base.unit, base.step)
        self._said.append((call, money(cost, "cost"), money(quantity, "quantity")))

    def unknown(self) -> None:
        """As ``PaidCall.unknown``."""
        self._unknown = True

    def __enter__(self) -> Self:
        self._context._budget = self._context._bridge.ask("reserve", self._call, self._max_cost)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        bridge, context = self._context._bridge, self._context
        if self._said:
            for call, cost, quantity in self._said:
                context._budget = bridge.ask("settle", call, cost, quantity)
        elif isinstance(error, Exception) and not self._unknown:
            context._budget = bridge.ask("release", self._call)
        elif error is None or isinstance(error, Exception):
            context._budget = bridge.ask("settle", self._call, self._max_cost, Decimal(1))
        # Else it was cut off: the engine counts the whole reservation when this execution ends.


class _SyncLog(logging.LoggerAdapter[logging.Logger]):
    """A job's logger on the far side of a bridge: lines are formatted here, and logged over there."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(logging.getLogger("headway.job"), {})
        self._bridge = bridge

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As ``JobLog.log``."""
        import sys
        import traceback

        try:
            text = str(msg) % args if args else str(msg)
        except Exception:  # noqa: BLE001 - a malformed line is still a line
            text = str(msg)
        if kwargs.get("exc_info"):
            given = kwargs["exc_info"]
            error = given if isinstance(given, BaseException) else sys.exc_info()[1]
            if error is not None:
                text += ": " + "".join(traceback.format_exception_only(error)).strip()
        self._bridge.tell("log", level, text)
