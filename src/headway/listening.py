"""Listening on a port inside another program: a bound socket, and a uvicorn that leaves signals alone."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import uvicorn

from headway.errors import ConfigError

__all__ = ["EmbeddedServer", "bind"]


def bind(host: str, port: int, *, setting: str, host_setting: str | None = None) -> socket.socket:
    """A listening socket, so that a taken port is known before anything else has started.

    Args:
        host: An address of this machine.
        port: 0 for a free one.
        setting: The name of what chose the port, for the error.
        host_setting: The name of what chose the address, where that is another.

    Raises:
        ConfigError: the port is in use or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, for asyncio leaves Nagle's algorithm on where it is not: a second small frame
    # would then wait 40 ms for the first one's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} on {host} is in use ({setting})",
                hint=f"Stop what listens there, or choose another port by {setting}.",
                code="port_in_use",
            ) from error
        raise ConfigError(
            f"cannot listen on {host}:{port} ({host_setting or setting}): {error}",
            hint="Choose an address of this machine and a port you may bind.",
            code="cannot_listen",
        ) from error
    return listener


class EmbeddedServer(uvicorn.Server):
    """Leaves the process's signals alone, and says when it listens.

    Args:
        config: uvicorn's.
        on_listening: Called once, on the server's thread, when connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and then says so."""
        await super().startup(sockets)
        self._on_listening()
