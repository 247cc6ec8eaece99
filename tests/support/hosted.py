"""A real Supabase project in the place of the embedded stack: ``pytest tests/integration --supabase``.

Its migrations must be applied, ``headway`` exposed and anonymous sign-ins allowed, as ``supabase start``
does by ``supabase/config.toml``. Tests that disturb the embedded stack's own services are skipped and say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn

import asyncpg
import pytest

__all__ = ["HostedDatabase", "HostedProject", "read_project"]

_NEEDED = ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "SUPABASE_DB_URL")


def _only_embedded(what: str) -> NoReturn:
    pytest.skip(f"needs {what} of the embedded stack, and --supabase was given")


@dataclass(frozen=True)
class HostedDatabase:
    """A project's Postgres, reached by its connection string."""

    dsn: str

    def connect_kwargs(self, user: str) -> dict[str, Any]:
        """Keyword arguments for ``asyncpg.connect``; only ``postgres`` has a password to give."""
        if user != "postgres":
            _only_embedded(f"a connection as {user}")
        return {"dsn": self.dsn}

    async def connect(self, user: str) -> asyncpg.Connection[asyncpg.Record]:
        """Open one connection; the caller closes it."""
        return await asyncpg.connect(**self.connect_kwargs(user))


@dataclass(frozen=True)
class HostedProject:
    """What tests use of a stack, as far as a real project has it."""

    url: str
    keys: Any
    database: HostedDatabase

    def service(self, name: str) -> NoReturn:
        """A service's own controls: the embedded stack's alone."""
        _only_embedded(f"the controls of {name}")

    def run(self, coroutine: Any) -> NoReturn:
        """Work on the stack's own loop: the embedded stack's alone."""
        coroutine.close()
        _only_embedded("the event loop")

    @property
    def context(self) -> NoReturn:
        """The stack's own parts: the embedded stack's alone."""
        _only_embedded("the context")

    @property
    def stack(self) -> NoReturn:
        """The stack itself: the embedded one alone."""
        _only_embedded("the inside")

    @property
    def inbox_url(self) -> NoReturn:
        """The mail inbox: the embedded stack's alone."""
        _only_embedded("the inbox")


def read_project(environment: Mapping[str, str]) -> HostedProject:
    """The project that the environment names.

    Args:
        environment: As it was before the tests emptied it.

    Raises:
        pytest.UsageError: a variable is missing.
    """
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        raise pytest.UsageError(f"--supabase needs {', '.join(missing)} in the environment")
    keys = SimpleNamespace(
        publishable_key=environment["SUPABASE_PUBLISHABLE_KEY"],
        secret_key=environment["SUPABASE_SECRET_KEY"],
        anon_key=environment.get("SUPABASE_ANON_KEY", environment["SUPABASE_PUBLISHABLE_KEY"]),
        service_role_key=environment.get("SUPABASE_SERVICE_ROLE_KEY", environment["SUPABASE_SECRET_KEY"]),
    )
    database = HostedDatabase(environment["SUPABASE_DB_URL"])
    return HostedProject(environment["SUPABASE_URL"].rstrip("/"), keys, database)
