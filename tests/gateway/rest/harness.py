"""The Data API behind the real gateway, over real HTTP, on a database of its own."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import jwt
import psycopg2

from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.gateway.app import Gateway
from headway.local.gateway.keyring import KeyRing
from headway.local.gateway.server import HttpServer, bind
from headway.local.identity import TokenVerifier
from headway.local.keys import StackKeys
from headway.local.rest.service import RestService
from headway.local.service import StackContext
from headway.settings import LocalSettings

T = TypeVar("T")

ALICE = "a11ce000-0000-4000-8000-000000000001"
BOB = "b0b00000-0000-4000-8000-000000000002"
SCHEMA = (Path(__file__).parent / "schema.sql").read_text("utf-8")


def execute(database: Database, sql: str, *parameters: object, user: str = "supabase_admin") -> list[Any]:
    """Run SQL and commit it."""
    with closing(psycopg2.connect(database.conninfo(user))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []


@dataclass
class RestServer:
    """A running Data API."""

    url: str
    keys: StackKeys
    database: Database
    service: RestService
    loop: asyncio.AbstractEventLoop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's own loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=60)

    def token(self, role: str = "authenticated", sub: str | None = None, **claims: Any) -> str:
        payload = {"role": role, "exp": int(time.time()) + 3600, **({"sub": sub} if sub else {}), **claims}
        return jwt.encode(payload, self.keys.jwt_secret, algorithm="HS256")

    @contextmanager
    def client(self, token: str | None) -> Iterator[httpx.Client]:
        """A client that speaks for a token, or for the publishable key."""
        headers = {"apikey": self.keys.publishable_key}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        with httpx.Client(base_url=f"{self.url}/rest/v1", headers=headers, timeout=30) as client:
            yield client

    def execute(self, sql: str, *parameters: object, user: str = "supabase_admin") -> list[Any]:
        return execute(self.database, sql, *parameters, user=user)

    def notify(self, payload: str) -> None:
        """Tell the server about a change, and wait until it has loaded it."""
        watch = self.service.watch
        before = watch.version
        self.execute("select pg_notify('pgrst', %s)", payload)
        self.run(watch.newer_than(before))

    def set(self, role: str, name: str, value: str | None) -> None:
        """Set or reset a setting of a role, in this server's database only, and let the server reload."""
        change = f"set {name} = '{value}'" if value is not None else f"reset {name}"
        self.execute(f'alter role {role} in database "{self.database.name}" {change}')
        self.notify("reload config")


@contextmanager
def running_rest(database: Database, **api: Any) -> Iterator[RestServer]:
    """The Data API of a database, behind a gateway on a free port.

    Args:
        database: A bootstrapped database.
        api: Keys of config.toml's ``[api]``.
    """
    keys = StackKeys.generate()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="rest", daemon=True)
    thread.start()

    async def start() -> tuple[RestService, HttpServer]:
        listener = bind("127.0.0.1", 0, setting="test")
        context = StackContext(
            config=ProjectConfig.model_validate({"api": api}),
            settings=LocalSettings(),
            keys=keys,
            verifier=TokenVerifier(keys),
            database=database,
            data_dir=Path(tempfile.gettempdir()),
            public_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        )
        service = RestService(context)
        await service.start()

        async def admin(method: str, action: str) -> tuple[int, dict[str, Any]]:
            return 404, {}

        server = HttpServer(Gateway(KeyRing(keys), {"rest": service.app}, admin), listener)
        await server.start()
        return service, server

    async def stop(service: RestService, server: HttpServer) -> None:
        await server.stop()
        await service.stop()

    try:
        service, server = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
        try:
            yield RestServer(f"http://127.0.0.1:{server.port}", keys, database, service, loop)
        finally:
            asyncio.run_coroutine_threadsafe(stop(service, server), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
