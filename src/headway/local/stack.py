"""A whole stack: Postgres, the four services, and the gateway in front of them."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from headway.errors import HeadwayError
from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.gateway.app import Gateway
from headway.local.gateway.keyring import KeyRing
from headway.local.gateway.server import HttpServer, bind
from headway.local.holding import DataDirLock, RunningStack
from headway.local.identity import TokenVerifier
from headway.local.keys import StackKeys, load_or_create_keys
from headway.local.postgres.binaries import resolve_binaries
from headway.local.postgres.bootstrap import bootstrap
from headway.local.postgres.migrations import (
    apply_migrations,
    apply_seed,
    reset_database,
    store_vault_secrets,
)
from headway.local.postgres.server import PostgresServer
from headway.local.service import Service, StackContext
from headway.settings import LocalSettings

__all__ = ["Stack"]

_log = logging.getLogger("headway.stack")

_SERVICES = ("rest", "auth", "storage", "realtime")


class Stack:
    """An embedded Supabase-compatible stack, for development and tests.

    ::

        async with Stack(supabase_dir, data_dir, config, LocalSettings()) as stack:
            print(stack.public_url, stack.keys.publishable_key)

    Args:
        supabase_dir: The project's ``supabase`` folder, with ``migrations`` and perhaps ``seed.sql``.
        data_dir: Where everything that the stack keeps lives.
        config: The project's configuration.
        settings: How to run on this machine.
        migrate: Whether pending migrations are applied at start, and the seed to a new database.
    """

    def __init__(
        self,
        supabase_dir: Path,
        data_dir: Path,
        config: ProjectConfig,
        settings: LocalSettings,
        *,
        migrate: bool = True,
    ) -> None:
        self._supabase_dir = supabase_dir
        self._data_dir = data_dir.absolute()
        self._config = config
        self._settings = settings
        self._migrate = migrate
        self._lock = DataDirLock(self._data_dir)
        self._gateway: HttpServer | None = None
        self._inbox: HttpServer | None = None
        self._postgres: PostgresServer | None = None
        self._services: dict[str, Service] = {}
        self._mounted: dict[str, Any] = {}
        self._resetting = asyncio.Lock()
        self.keys: StackKeys
        self.database: Database
        self.context: StackContext
        self.public_url = ""
        self.db_url: str | None = None
        self.inbox_url: str | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bring everything up; returns when the first request would be answered.

        Raises:
            ConfigError: the data directory or a port is in use, or no Postgres is to be had.
            HeadwayError: a migration failed; the stack is down again.
        """
        self._lock.acquire()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        for sentence in self._config.left_out:
            _log.warning("config.toml: %s", sentence)
        self.keys = load_or_create_keys(self._data_dir / "keys.json")
        listener = self._bind(self._settings.api_port, self._config.api.port, "api.port")
        self.public_url = _url(listener)
        self._gateway = HttpServer(Gateway(KeyRing(self.keys), self._mounted, self._administer), listener)
        # Importing them takes as long as initdb, which is a process of its own and needs no company.
        importing = asyncio.create_task(asyncio.to_thread(self._service_modules))
        try:
            await self._start_postgres()
            await self._prepare_database()
        finally:
            await asyncio.wait({importing})
        await importing
        await self._start_services()
        await self._start_inbox()
        await self._gateway.start()
        self._lock.publish(
            RunningStack(
                pid=os.getpid(),
                api_url=self.public_url,
                db_url=self.db_url,
                inbox_url=self.inbox_url,
                socket_dir=self.database.socket_dir,
                db_port=self.database.port,
            )
        )

    def _bind(self, chosen: int | None, configured: int, key: str) -> socket.socket:
        if chosen is None:
            return bind(self._settings.host, configured, setting=f"{key} in supabase/config.toml")
        return bind(self._settings.host, chosen, setting=f"HEADWAY_LOCAL_{key.replace('.', '_').upper()}")

    async def _start_postgres(self) -> None:
        port = self._settings.db_port
        if port is None:
            port = self._config.db.port
        if port == 0:
            port = _free_port()
        self._postgres = PostgresServer(
            resolve_binaries(self._settings),
            data_dir=self._data_dir / "postgres",
            tcp_port=port,
            password=self.keys.db_password,
            durable=self._settings.durable,
            run_as=self._settings.run_as,
            log_path=self._data_dir / "postgres.log",
        )
        self.database = await self._postgres.start()
        self.db_url = f"postgresql://postgres@127.0.0.1:{port}/{self.database.name}"

    async def _prepare_database(self) -> None:
        await bootstrap(
            self.database,
            password=self.keys.db_password,
            auto_expose_new_tables=bool(self._config.api.auto_expose_new_tables),
        )
        if not self._migrate:
            return
        await store_vault_secrets(self.database, self._config)
        for migration in await apply_migrations(self.database, self._supabase_dir, self._config):
            _log.info("applied migration %s", migration.version)
        await apply_seed(self.database, self._supabase_dir, self._config)

    async def _start_services(self) -> None:
        self.context = StackContext(
            config=self._config,
            settings=self._settings,
            keys=self.keys,
            verifier=TokenVerifier(self.keys),
            database=self.database,
            data_dir=self._data_dir,
            public_url=self.public_url,
        )
        for name, module in self._service_modules().items():
            service: Service = module.build(self.context)
            self._services[name] = service
            await service.start()
            self._mounted[name] = service.app

    def _service_modules(self) -> dict[str, Any]:
        # By name, since the parts must not know each other and unused ones cost start-up time.
        return {
            name: importlib.import_module(f"headway.local.{name}.service")
            for name in _SERVICES
            if _enabled(self._config, name)
        }

    async def _stop_services(self) -> None:
        self._mounted.clear()
        async with AsyncExitStack() as ending:
            for service in self._services.values():
                ending.push_async_callback(service.stop)
            self._services.clear()

    async def _start_inbox(self) -> None:
        if not hasattr(self._services.get("auth"), "inbox_app") or not self._config.inbucket.enabled:
            return
        listener = self._bind(self._settings.inbox_port, self._config.inbucket.port, "inbucket.port")
        self._inbox = HttpServer(self._inbox_app, listener)
        await self._inbox.start()
        self.inbox_url = _url(listener)

    async def _inbox_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Looked up at each request: a reset replaces the Auth service and with it the inbox.
        app: ASGIApp | None = getattr(self._services.get("auth"), "inbox_app", None)
        if app is None:
            app = PlainTextResponse("The stack is being reset.", 503, {"retry-after": "1"})
        await app(scope, receive, send)

    async def stop(self) -> None:
        """Let open requests finish, then take everything down; safe to call twice."""
        async with AsyncExitStack() as ending:
            # Each is stopped even when another one fails to.
            ending.callback(self._lock.release)
            ending.push_async_callback(self._stop_postgres)
            ending.push_async_callback(self._stop_services)
            ending.push_async_callback(self._stop_servers)

    async def _stop_servers(self) -> None:
        servers = [server for server in (self._gateway, self._inbox) if server is not None]
        self._gateway = self._inbox = None
        await asyncio.gather(*(server.stop() for server in servers))

    async def _stop_postgres(self) -> None:
        postgres, self._postgres = self._postgres, None
        if postgres is not None:
            await postgres.stop()

    async def reset(self) -> None:
        """Drop the database's content and apply migrations and seed anew; keys and ports stay.

        Requests meanwhile are answered with 503.
        """
        async with self._resetting:
            await self._stop_services()
            try:
                await reset_database(
                    self.database,
                    self._supabase_dir,
                    self._config,
                    password=self.keys.db_password,
                )
            finally:
                await self._start_services()

    @property
    def database_alive(self) -> bool:
        """Whether Postgres runs; it may die under a started stack."""
        return self._postgres is not None and self._postgres.running

    def status(self) -> Mapping[str, Any]:
        """What runs where, and each service's figures."""
        return {
            "api_url": self.public_url,
            "db_url": self.db_url,
            "inbox_url": self.inbox_url,
            "pid": os.getpid(),
            "data_dir": str(self._data_dir),
            "left_out": list(self._config.left_out),
            "services": {name: dict(service.status()) for name, service in self._services.items()},
        }

    async def _administer(self, method: str, action: str) -> tuple[int, Mapping[str, Any]]:
        if (method, action) == ("GET", "status"):
            return 200, self.status()
        if (method, action) == ("POST", "reset"):
            try:
                await self.reset()
            except HeadwayError as error:
                return 500, {"message": error.message, "hint": error.hint, "code": error.code}
            return 200, {"message": "The database was reset."}
        return 404, {"message": f"There is no action {method} {action}"}


def _enabled(config: ProjectConfig, name: str) -> bool:
    switches = {
        "rest": config.api.enabled,
        "auth": config.auth.enabled,
        "storage": config.storage.enabled,
        "realtime": config.realtime.enabled,
    }
    return switches[name]


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 — naming the wildcard, not binding it
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
