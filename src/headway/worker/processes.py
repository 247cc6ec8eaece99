"""Runs blocking handlers in processes of their own: work that keeps a processor busy, or that may crash."""

from __future__ import annotations

import asyncio
import inspect
import logging
import multiprocessing.spawn
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import ForkingPickler
from typing import Any

from headway.errors import ConfigError, HeadwayError
from headway.worker.attempt import Attempt
from headway.worker.bridge import Operations
from headway.worker.observations import Observations
from headway.worker.process_messages import Answer, Ask, Done, Order, Setup, Stop, Tell, portable_error

__all__ = ["ProcessDied", "Processes"]

_log = logging.getLogger("headway.worker")

_PATIENCE = 0.5
_MOST_IDLE = 4
_IDLE_SECONDS = 120.0
_MOST_RUNS = 100


class ProcessDied(HeadwayError):
    """The process that ran the handler ended."""

    default_code = "process_died"


class Processes:
    """Child processes, kept warm between jobs; one job at a time in each.

    Args:
        url: The project's URL, for the handler's own clients.
        headers: With the key.
        public_url: Where the world outside reaches this worker.
        observations: Are told of incidents.
    """

    name = "processes"

    def __init__(
        self, url: str, headers: dict[str, str], public_url: str | None, observations: Observations
    ) -> None:
        self._setup = (url, headers, public_url)
        self._observations = observations
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()
        self._trimming: asyncio.TimerHandle | None = None
        self._stopping = False

    async def start(self) -> None:
        """Processes are started when the first job needs one."""

    async def stop(self) -> None:
        """End all processes."""
        self._stopping = True
        if self._trimming is not None:
            self._trimming.cancel()
        for process in [*self._idle, *self._busy]:
            process.end()
        self._idle.clear()

    async def run(self, attempt: Attempt, operations: Operations, payload: Any) -> Any:
        """What the handler returns or raises; its process is killed when it does not stop by itself."""
        order = _order(attempt, operations, payload)
        process = self._take()
        self._busy.add(process)
        try:
            running = process.run(order, operations)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                process.tell_to_stop()
                await asyncio.wait({running}, timeout=_PATIENCE)
                if not running.done():
                    _log.warning(
                        "the process of %s goes on although it was told to stop: killed",
                        attempt.job.kind,
                        extra=attempt.log_fields(),
                    )
                    self._observations.incident("process_killed", attempt.job)
                    process.end()
                elif not running.cancelled() and running.exception() is None:
                    return running.result()
                raise
            except ProcessDied:
                self._observations.incident("process_died", attempt.job)
                raise
        finally:
            self._busy.discard(process)
            self._put_back(process)

    def _take(self) -> _Process:
        now = time.monotonic()
        while self._idle:
            process = self._idle.pop()
            if process.usable and now - process.idle_since < _IDLE_SECONDS:
                return process
            process.end()
        return _Process(*self._setup)

    def _put_back(self, process: _Process) -> None:
        if self._stopping or not process.usable or len(self._idle) >= _MOST_IDLE:
            process.end()
            return
        process.idle_since = time.monotonic()
        self._idle.append(process)
        self._trim()

    def _trim(self) -> None:
        """End what has been idle for long: a process holds as much memory as a worker."""
        oldest = time.monotonic() - _IDLE_SECONDS
        for process in [process for process in self._idle if process.idle_since <= oldest]:
            self._idle.remove(process)
            process.end()
        if self._trimming is not None:
            self._trimming.cancel()
        if self._idle:
            left = self._idle[0].idle_since - oldest
            self._trimming = asyncio.get_running_loop().call_later(left, self._trim)


class _Process:
    """One child, and the threads that listen and write to it: while it starts, it reads nothing yet."""

    def __init__(self, url: str, headers: dict[str, str], public_url: str | None) -> None:
        ours, theirs = Pipe()
        self._pipe: Connection = ours
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._operations: Operations | None = None
        self._running: asyncio.Future[Any] | None = None
        self._runs = 0
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.idle_since = time.monotonic()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "headway.worker.process_child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        finally:
            theirs.close()
        preparation = multiprocessing.spawn.get_preparation_data("headway handler")
        preparation.pop("authkey", None)
        self._send(preparation)
        self._send(Setup(preparation, url, headers, public_url))
        self._writer = threading.Thread(target=self._write, name="headway process writer", daemon=True)
        self._writer.start()
        threading.Thread(target=self._listen, name="headway process pipe", daemon=True).start()

    @property
    def usable(self) -> bool:
        """Whether it can take another job."""
        idle = self._running is None or self._running.done()
        return not self._ended and idle and self._runs < _MOST_RUNS and self._process.poll() is None

    def run(self, order: Order, operations: Operations) -> asyncio.Future[Any]:
        """Start a handler."""
        self._operations = operations
        self._runs += 1
        self._running = self._loop.create_future()
        self._send(order)
        return self._running

    def tell_to_stop(self) -> None:
        """The execution is to stop."""
        self._send(Stop())

    def end(self) -> None:
        """Kill it; a process that has ended already is only reaped."""
        self._ended = True
        try:
            self._process.kill()
        except OSError:
            pass  # it has ended
        threading.Thread(target=self._process.wait, name="headway reaper", daemon=True).start()

    def _send(self, message: Any) -> None:
        self._outgoing.put(ForkingPickler.dumps(message))

    # In threads of its own ----------------------------------------------------------------------------------

    def _write(self) -> None:
        while (message := self._outgoing.get()) is not None:
            try:
                self._pipe.send_bytes(message)
            except (OSError, ValueError):
                return  # it has ended, which the other thread tells

    def _listen(self) -> None:
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                break
            except Exception as error:  # noqa: BLE001 - what a handler returns may not be readable here
                message = Done(error=portable_error(error))
            self._post(self._received, message)
        self._process.wait()
        self._outgoing.put(None)
        # A descriptor that is closed while it is written to may be somebody else's by then.
        self._writer.join(1.0)
        self._pipe.close()
        self._post(self._died)

    def _post(self, what: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:
            pass  # the loop is closed

    # On the worker's loop -----------------------------------------------------------------------------------

    def _received(self, message: Any) -> None:
        if isinstance(message, Done):
            self._settle(message.value, message.error)
        elif isinstance(message, Tell):
            try:
                getattr(self._operations, message.operation)(*message.args, **message.kwargs)
            except Exception:  # noqa: BLE001 - nobody waits for it
                _log.exception("a process asked for something impossible")
        elif isinstance(message, Ask):
            task = self._loop.create_task(self._answer(message), name="headway process operation")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, ask: Ask) -> None:
        try:
            value = getattr(self._operations, ask.operation)(*ask.args, **ask.kwargs)
            if inspect.isawaitable(value):
                value = await value
            answer = Answer(ask.number, value)
        except BaseException as error:  # noqa: BLE001 - a suspension travels as well
            answer = Answer(ask.number, error=portable_error(error))
        try:
            self._send(answer)
        except Exception as error:  # noqa: BLE001 - pickling fails in every way, and the child waits
            self._send(Answer(ask.number, error=portable_error(error)))

    def _died(self) -> None:
        self._ended = True
        status = self._process.poll()
        if status is not None and status < 0:
            what = f"was ended by signal {signal.Signals(-status).name}"
        else:
            what = f"has exited with status {status}"
        self._settle(
            None,
            ProcessDied(
                f"the handler's process {what}",
                hint="Lack of memory is the usual reason for SIGKILL; SIGSEGV points to a library.",
            ),
        )

    def _settle(self, value: Any, error: BaseException | None) -> None:
        running = self._running
        if running is None or running.done():
            return
        if error is None:
            running.set_result(value)
            return
        running.set_exception(error)
        running.exception()  # the caller may have gone


def _order(attempt: Attempt, operations: Operations, payload: Any) -> Order:
    spec = attempt.spec
    order = Order(
        handler=spec.handler,
        takes_payload=spec.shape.takes_payload,
        payload=payload,
        job=attempt.job,
        files=attempt.claimed.files,
        budget=operations.budget,
        timeout=attempt.time_left,
        result_limit=spec.result_limit,
    )
    try:
        pickle.dumps(order)
    except Exception as error:  # noqa: BLE001 - pickling fails in every way
        raise ConfigError(
            f"the handler or payload of {spec.kind} cannot be handed to a process: {error}",
            hint="Define the handler and the payload's model at the top level of a module.",
            code="handler_unpicklable",
        ) from None
    return order
