"""Servers on data directories of the test's own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.local.postgres.binaries import Binaries, resolve_binaries
from headway.local.postgres.server import PostgresServer
from headway.settings import LocalSettings

MakeServer = Callable[..., PostgresServer]


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return resolve_binaries(LocalSettings())


@pytest.fixture
async def make_server(binaries: Binaries, tmp_path: Path) -> AsyncIterator[MakeServer]:
    """Makes servers that are stopped after the test, on ``tmp_path/postgres`` unless told otherwise."""
    made: list[PostgresServer] = []

    def make(**changes: Any) -> PostgresServer:
        arguments: dict[str, Any] = {"data_dir": tmp_path / "postgres", "durable": False, **changes}
        made.append(PostgresServer(arguments.pop("binaries", binaries), **arguments))
        return made[-1]

    yield make
    for server in made:
        await server.stop()


@pytest.fixture(scope="session")
def pristine(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that ``initdb`` has made once, to be copied."""
    import asyncio

    data_dir = tmp_path_factory.mktemp("pristine") / "postgres"

    async def make() -> None:
        server = PostgresServer(binaries, data_dir=data_dir, durable=False)
        await server.start()
        await server.stop()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(make())
    return data_dir


@pytest.fixture
def cluster_dir(pristine: Path, tmp_path: Path) -> Path:
    """A data directory with a cluster in it, as ``make_server`` uses it."""
    subprocess.run(["cp", "-a", pristine, tmp_path / "postgres"], check=True)
    return tmp_path / "postgres"


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory that every user can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="headway-open-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
