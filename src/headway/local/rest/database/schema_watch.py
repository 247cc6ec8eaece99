"""Keeps the configuration and the schema cache up to date.

Source: PostgREST's documentation, "Schema Cache Reloading" and "Listener": the channel ``pgrst``, payload
``reload schema``, ``reload config`` or none for both. Supabase's event triggers notify it after DDL.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from headway.local.database import Database
from headway.local.rest.database.codecs import TYPES_QUERY, PgType
from headway.local.rest.database.settings import (
    ROLE_SETTINGS_QUERY,
    SETTINGS_QUERY,
    RestConfig,
    apply_settings,
    parse_role_settings,
)
from headway.local.rest.database.transaction import LOGIN_ROLE
from headway.local.rest.plan_cache import PlanCache
from headway.local.rest.schema.cache import load_schema_cache
from headway.local.rest.schema.model import SchemaCache

__all__ = ["SchemaWatch", "State"]

_log = logging.getLogger(__name__)
_CHANNEL = "pgrst"
_DEBOUNCE_S = 0.1
_MOST_DELAYS = 10
_FIRST_RETRY_S = 0.05
_LAST_RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class State:
    """What requests are answered with; replaced as a whole.

    Args:
        config: The configuration.
        cache: The schema cache.
        types: The types of the database.
        plans: Plans requests, and remembers how.
    """

    config: RestConfig
    cache: SchemaCache
    types: tuple[PgType, ...]
    plans: PlanCache


class SchemaWatch:
    """Loads the state, and loads it again when the database says that it changed.

    Args:
        database: Where.
        config: The project's configuration, which the database's settings override.
        on_change: Called after each load with the new state.
    """

    def __init__(self, database: Database, config: RestConfig, on_change: Callable[[State], None]) -> None:
        self._database = database
        self._config = config
        self._on_change = on_change
        self._state: State | None = None
        self._version = 0
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._loaded = asyncio.Condition()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._in_use = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State | None:
        """The last state; ``None`` while there has been none."""
        return self._state

    @property
    def reload_pending(self) -> bool:
        """Whether a change is known that the state does not show yet."""
        return not self._settled.is_set()

    @property
    def version(self) -> int:
        """How many times the state was loaded."""
        return self._version

    async def newer_than(self, version: int) -> None:
        """Wait until the state was loaded more often than that.

        Args:
            version: A value of ``version``.
        """
        async with self._loaded:
            await self._loaded.wait_for(lambda: self._version > version)

    async def reload(self) -> None:
        """Load the state once more, and wait for it."""
        self._settled.clear()
        self._changed.set()
        await self.settled()

    async def is_behind(self) -> bool:
        """Whether a change was committed before this call that the state does not show yet.

        A commit signals the listening session before it returns to whoever made it, and a session hands
        over its notifications when it answers; so one question is enough to know.
        """
        connection = self._connection
        if not self.reload_pending and connection is not None:
            async with self._in_use:
                try:
                    await connection.execute("SELECT")
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    return False
        return self.reload_pending

    async def settled(self, timeout_s: float = 5.0) -> None:
        """Wait until every change that is known is loaded, or the time is over.

        Args:
            timeout_s: The longest wait, in seconds.
        """
        try:
            await asyncio.wait_for(self._settled.wait(), timeout_s)
        except TimeoutError:
            _log.warning("the schema cache is still being loaded after %s s", timeout_s)

    async def start(self) -> None:
        """Load the state and begin to listen."""
        listening = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(listening), name="rest-schema-watch")
        await listening

    async def stop(self) -> None:
        """Stop listening; the last state stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self, listening: asyncio.Future[None]) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                async with _connected(self._database) as connection:
                    self._connection = connection
                    await self._follow(connection, listening)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                # The database is restarting, or gone; requests meanwhile say so themselves.
                _log.warning("the schema cache's connection is lost: %s", type(error).__name__)
                if not listening.done():
                    listening.set_exception(error)
                    return
            self._connection = None
            self._settled.clear()
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, _LAST_RETRY_S)

    async def _follow(
        self, connection: asyncpg.Connection[asyncpg.Record], listening: asyncio.Future[None]
    ) -> None:
        connection.add_termination_listener(lambda *_: self._changed.set())
        await connection.add_listener(_CHANNEL, self._on_notify)
        self._changed.set()
        delay_s = 0.0
        while True:
            await self._changed.wait()
            # A migration notifies once per statement; one load after the last of them is enough.
            for _ in range(_MOST_DELAYS):
                self._changed.clear()
                await asyncio.sleep(delay_s)
                if not self._changed.is_set():
                    break
            if connection.is_closed():
                return
            self._changed.clear()
            async with self._in_use:
                await self._load(connection)
            delay_s = _DEBOUNCE_S
            if not self._changed.is_set():
                self._settled.set()
            if not listening.done():
                listening.set_result(None)

    def _on_notify(self, *details: Any) -> None:
        payload = details[-1]
        if payload in ("", "reload schema", "reload config"):
            self._settled.clear()
            self._changed.set()

    async def _load(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        types = tuple(PgType(*row) for row in await connection.fetch(TYPES_QUERY))
        settings = {row["name"]: row["value"] for row in await connection.fetch(SETTINGS_QUERY)}
        roles = parse_role_settings([dict(row) for row in await connection.fetch(ROLE_SETTINGS_QUERY)])
        config = apply_settings(self._config, settings, roles)
        async with connection.transaction(readonly=True):
            await connection.execute("SELECT set_config('search_path', '', true)")
            cache = await load_schema_cache(
                connection.fetchval,
                config.schemas,
                config.extra_search_path,
                hoisted=config.hoisted,
                version=self._version + 1,
            )
        self._state = State(config, cache, types, PlanCache(config, cache))
        self._on_change(self._state)
        async with self._loaded:
            self._version += 1
            self._loaded.notify_all()


class _connected:
    """A connection of the login role, closed on leaving, whatever state it is in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> asyncpg.Connection[asyncpg.Record]:
        self._connection = await self._database.connect(LOGIN_ROLE)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        self._connection.terminate()
