"""The sandbox on a thread beside the tests, and as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headway.sandbox.server import SandboxServer


@pytest.fixture(scope="session")
def _sandbox_server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox_server(_sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    """A sandbox that listens; healthy, with ledger and counts at zero when the test begins.

    ``.url``, ``.environment``, ``.sandbox.faults``, ``.sandbox.ledger``, ``.sandbox.requests``,
    ``.sandbox.images``.
    """
    sandbox = _sandbox_server.sandbox
    sandbox.faults.clear()
    sandbox.ledger.clear()
    sandbox.requests.clear()
    sandbox.images.clear()
    yield _sandbox_server
    sandbox.faults.clear()


@contextmanager
def sandbox_process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """``headway sandbox`` in a process, with the variables that it printed.

    Args:
        arguments: More of the command line.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "headway.cli", "sandbox", "-o", "json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
