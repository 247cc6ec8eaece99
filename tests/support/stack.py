"""A whole stack behind one port, running on a thread of its own beside the tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from headway.local.config import ProjectConfig, load_config
from headway.local.database import Database
from headway.local.keys import StackKeys
from headway.local.service import StackContext
from headway.settings import LocalSettings
from support.hosted import HostedProject, read_project

if TYPE_CHECKING:
    from headway.local.stack import Stack

T = TypeVar("T")

SUPABASE_DIR = Path(__file__).parents[2] / "supabase"


@dataclass(frozen=True)
class TestStack:
    """A running stack and the loop it runs on."""

    __test__ = False

    stack: Stack
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return self.stack.public_url

    @property
    def keys(self) -> StackKeys:
        return self.stack.keys

    @property
    def database(self) -> Database:
        return self.stack.database

    @property
    def context(self) -> StackContext:
        return self.stack.context

    @property
    def inbox_url(self) -> str:
        assert self.stack.inbox_url is not None
        return self.stack.inbox_url

    def service(self, name: str) -> Any:
        """The service object, for its controls; call its coroutines through ``run``."""
        return self.stack._services[name]

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the stack's own loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=120)


def project_config(**changes: Any) -> ProjectConfig:
    """The project's own configuration with some sections' keys replaced.

    Args:
        changes: Section name to a dict of keys, such as ``auth={"jwt_expiry": 5}``; nested sections nest.
    """
    raw = load_config(SUPABASE_DIR / "config.toml").model_dump()

    def merge(into: dict[str, Any], other: dict[str, Any]) -> None:
        for key, value in other.items():
            if isinstance(value, dict) and isinstance(into.get(key), dict):
                merge(into[key], value)
            else:
                into[key] = value

    merge(raw, changes)
    return ProjectConfig.model_validate(raw)


@contextmanager
def running_stack(
    data_dir: Path,
    *,
    config: ProjectConfig | None = None,
    supabase_dir: Path = SUPABASE_DIR,
    **settings: Any,
) -> Iterator[TestStack]:
    """A stack on free ports that is down again when the block ends.

    Args:
        data_dir: An empty directory, or that of an earlier stack to start again.
        config: Instead of the project's own.
        supabase_dir: Where the migrations are.
        settings: Fields of ``LocalSettings`` to change.
    """
    # Imported here so that unit tests, which load this plugin too, do not pay for the whole stack.
    from headway.local.stack import Stack

    chosen = LocalSettings(**{"api_port": 0, "db_port": 0, "inbox_port": 0, "durable": False, **settings})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stack", daemon=True)
    thread.start()

    async def start() -> Stack:
        stack = Stack(supabase_dir, data_dir, config or project_config(), chosen)
        await stack.start()
        return stack

    try:
        stack = asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=120)
        try:
            yield TestStack(stack, loop)
        finally:
            asyncio.run_coroutine_threadsafe(stack.stop(), loop).result(timeout=60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
    environment_as_given: dict[str, str],
) -> Iterator[TestStack | HostedProject]:
    """One stack per test process with the project's migrations; tests make their own users and rows.

    With ``--supabase`` it is a real project, as far as that goes.
    """
    if pytestconfig.getoption("--supabase"):
        yield read_project(environment_as_given)
        return
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
