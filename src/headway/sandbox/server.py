"""Serves a sandbox on a port, on a thread of its own."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import uvicorn

from headway.errors import HeadwayError
from headway.listening import EmbeddedServer, bind
from headway.sandbox.app import Sandbox

__all__ = ["SandboxServer"]

_START_S = 30
_GRACE_S = 2


class SandboxServer:
    """Serves one sandbox; a context manager that starts and stops it on a thread of its own.

    Args:
        sandbox: What to serve; a new one with all providers when omitted.
        host: An address of this machine.
        port: 0 for a free one.

    Raises:
        ConfigError: the port is in use or the address is not this machine's.
    """

    def __init__(self, sandbox: Sandbox | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.sandbox = sandbox or Sandbox()
        self._listener = bind(host, port, setting="--port")
        self._host = host
        self._listening = threading.Event()
        self._server = EmbeddedServer(
            uvicorn.Config(
                self.sandbox.app,
                lifespan="on",
                log_config=None,
                # It reports an answer that is left unfinished as an error; here that is a fault on demand.
                log_level="critical",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            ),
            self._listening.set,
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is served, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._listener.getsockname()[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which the providers' clients find it."""
        return self.sandbox.environment(self.url)

    def start(self) -> None:
        """Serve on a thread; returns when connections are accepted.

        Raises:
            HeadwayError: it did not start.
        """
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listener],), name="sandbox", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not self._listening.wait(0.05):
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise HeadwayError(
                    "the sandbox did not start", hint="See the log for why.", code="sandbox_not_started"
                )

    def stop(self) -> None:
        """End the thread, open requests after a short grace too; safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.should_exit = True
            thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
