"""The program of a child process: runs one blocking handler after the other, for one worker."""

from __future__ import annotations

import contextlib
import io
import itertools
import multiprocessing.spawn
import os
import queue
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

from headway.errors import InvalidRequest
from headway.worker.blocking_tools import BlockingTools
from headway.worker.bridge import Stopped
from headway.worker.process_messages import Answer, Ask, Done, Order, Setup, Stop, Tell, portable_error
from headway.worker.sizes import exceeds
from headway.worker.sync_context import SyncContext

__all__ = ["main"]

_STATE_AGE = 0.2
_FORKED_STATUS = 70
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _PipeBridge:
    """Reaches the worker over the pipe."""

    def __init__(self, pipe: Connection, timeout: float) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._deadline = time.monotonic() + timeout
        self._told_to_stop = False
        self._asked_at = 0.0
        self.stopping = False

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """As ``Bridge.ask``."""
        if self.stopping:
            raise Stopped
        number = next(self._numbers)
        waiting: Future[Any] = Future()
        self._waiting[number] = waiting
        self.send(Ask(number, operation, args, kwargs))
        try:
            return waiting.result()
        finally:
            self._waiting.pop(number, None)

    def tell(self, operation: str, *args: Any, **kwargs: Any) -> None:
        """As ``Bridge.tell``; a refusal is raised here, so it is asked for."""
        if operation in ("stage", "progress", "metrics"):
            self.ask(operation, *args, **kwargs)
            return
        if self.stopping:
            raise Stopped
        self.send(Tell(operation, args, kwargs))

    @property
    def state(self) -> dict[str, Any]:
        """As ``Bridge.state``; whether it was told to stop is asked for now and then."""
        if not self.stopping and time.monotonic() - self._asked_at > _STATE_AGE:
            self._asked_at = time.monotonic()
            self._told_to_stop = bool(self.ask("told_to_stop"))
        return {
            "stopping": self.stopping,
            "told_to_stop": self._told_to_stop or self.stopping,
            "time_left": max(0.0, self._deadline - time.monotonic()),
        }

    def send(self, message: Any) -> None:
        with self._lock:
            self._pipe.send(message)

    def answered(self, answer: Answer) -> None:
        """Called by the thread that listens."""
        waiting = self._waiting.get(answer.number)
        if waiting is None or waiting.done():
            return
        if answer.error is not None:
            waiting.set_exception(answer.error)
        else:
            waiting.set_result(answer.value)

    def stop(self) -> None:
        """Called by the thread that listens."""
        self.stopping = True
        for waiting in list(self._waiting.values()):
            if not waiting.done():
                waiting.set_exception(Stopped())


class _Printed(io.TextIOBase):
    """Standard output and error, as lines of the job's log over there."""

    def __init__(self, level: int) -> None:
        self._level = level
        self.bridge: _PipeBridge | None = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        bridge = self.bridge
        if bridge is not None and text:
            # In pieces: what is printed at once may be larger than memory allows twice.
            for start in range(0, min(len(text), 512_000), 64_000):
                bridge.send(Tell("printed", (self._level, text[start : start + 64_000]), {}))
        return len(text)


class _Child:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._bridge: _PipeBridge | None = None
        self._streams = (_Printed(20), _Printed(30))

    def run(self) -> None:
        setup: Setup = self._pipe.recv()
        tools = BlockingTools(setup.url, setup.headers)
        sys.stdout, sys.stderr = self._streams
        os.register_at_fork(after_in_child=self._copied)
        threading.Thread(target=self._listen, name="headway pipe", daemon=True).start()
        while True:
            order = self._orders.get()
            assert self._bridge is not None
            for stream in self._streams:
                stream.bridge = self._bridge
            done = _run(order, self._bridge, tools, setup.public_url)
            for stream in self._streams:
                stream.bridge = None
            try:
                self._bridge.send(done)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 - pickling fails in every way
                self._bridge.send(Done(error=_unportable(done.value, error)))

    def _copied(self) -> None:
        """In a copy that a handler has made of this process: it has nothing to say to the worker."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self._pipe.close()
        for stream in self._streams:
            stream.bridge = None
        if self._bridge is not None:
            self._bridge.stopping = True

    def _listen(self) -> None:
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                os._exit(0)  # the worker has gone, or has no more work for us
            except Exception as error:  # noqa: BLE001 - a module that cannot be imported here
                _PipeBridge(self._pipe, 0).send(Done(error=portable_error(error)))
                continue
            if isinstance(message, Order):
                self._bridge = _PipeBridge(self._pipe, message.timeout)
                self._orders.put(message)
            elif self._bridge is not None and isinstance(message, Answer):
                self._bridge.answered(message)
            elif self._bridge is not None and isinstance(message, Stop):
                self._bridge.stop()


def _run(order: Order, bridge: _PipeBridge, tools: BlockingTools, public_url: str | None) -> Done:
    context = SyncContext(order.job, order.files, order.budget, bridge, tools, public_url)
    pid = os.getpid()
    try:
        arguments = (context, order.payload) if order.takes_payload else (context,)
        try:
            value = order.handler(*arguments)
        finally:
            if os.getpid() != pid:
                os._exit(_FORKED_STATUS)
        if exceeds(value, order.result_limit):
            raise InvalidRequest(
                f"result: has more than {order.result_limit} bytes",
                hint="Store large data as a file: ctx.files.upload(...).",
                code="HW104",
                details="result",
            )
        return Done(value)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's
        portable = portable_error(error)
        trace = "".join(traceback.format_exception(error))
        with contextlib.suppress(Exception):
            portable.add_note(trace[-8000:])
        return Done(error=portable)


def _unportable(value: Any, error: Exception) -> InvalidRequest:
    return InvalidRequest(
        f"result: a {type(value).__name__} cannot leave the process: {error}",
        hint="Return JSON, or a model that is defined at the top level of a module.",
        code="result_invalid",
        details="result",
    )


def main(descriptor: int) -> None:
    """Serve a worker until it closes the pipe.

    Args:
        descriptor: The pipe's file descriptor.
    """
    # Ctrl-C in a terminal reaches the whole group; the worker decides what becomes of its children. Caught,
    # not ignored: programs that a handler starts would go on ignoring them.
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    # What a handler starts must not keep the pipe open when this process has gone.
    os.set_inheritable(descriptor, False)
    pipe = Connection(descriptor)
    preparation: dict[str, Any] = pipe.recv()
    multiprocessing.spawn.prepare(preparation)
    _Child(pipe).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
