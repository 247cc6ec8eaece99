"""``headway sandbox``: the offline stand-in for the paid APIs, in the foreground, until a signal comes."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from headway.cli.environment import shell_lines
from headway.cli.up import is_loopback
from headway.sandbox.app import Sandbox
from headway.sandbox.prices import load_prices
from headway.sandbox.server import SandboxServer

__all__ = ["run_sandbox"]

_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_sandbox(*, host: str, port: int, output: str, prices: Path | None) -> None:
    """Serve the sandbox until SIGINT, SIGTERM or SIGHUP.

    Args:
        host: An address of this machine.
        port: 0 for a free one.
        output: How to print the variables when it answers: ``table``, ``env``, or ``json`` on one line.
        prices: A price list; the installation's own when omitted.

    Raises:
        ConfigError: the port is in use, or the price list is not one.
    """
    ended = threading.Event()
    for number in _STOPPING_SIGNALS:
        signal.signal(number, lambda *_: ended.set())
    with SandboxServer(Sandbox(prices=load_prices(prices)), host=host, port=port) as server:
        _announce(server, output)
        if not is_loopback(host):
            sys.stderr.write(
                f"warning: listening on {host}: whoever reaches this machine can use the sandbox\n"
            )
        ended.wait()


def _announce(server: SandboxServer, output: str) -> None:
    variables = {**server.environment, "HEADWAY_SANDBOX_URL": server.url}
    if output == "json":
        sys.stdout.write(json.dumps(variables) + "\n")
    elif output == "env":
        sys.stdout.write(shell_lines(variables))
    else:
        width = max(map(len, variables))
        sys.stdout.writelines(f"{name:>{width}}  {value}\n" for name, value in sorted(variables.items()))
        sys.stdout.write(
            "\nThe sandbox answers instead of the paid APIs; its keys open nothing else. Ctrl-C stops it.\n"
        )
    sys.stdout.flush()
