"""Auth alone on a port of its own, over a database without users."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg2
import pytest

from headway.local import identity
from headway.local.auth.service import AuthService
from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.gateway.server import HttpServer, bind
from headway.local.identity import TokenVerifier
from headway.local.keys import StackKeys
from headway.local.service import StackContext
from headway.settings import LocalSettings
from support.postgres import TestCluster

from .harness import AuthServer, MovableClock, StartAuth, Switchboard

T = TypeVar("T")


@pytest.fixture(scope="session")
def auth_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop on a thread of its own, so that synchronous clients can be used beside it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="auth", daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=30)
    loop.close()


def _run(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=60)


@pytest.fixture(scope="session")
def switchboard(auth_loop: asyncio.AbstractEventLoop) -> Iterator[tuple[Switchboard, str]]:
    """The server of all these tests, and its address."""
    board = Switchboard()
    listener = bind("127.0.0.1", 0, setting="tests")
    url = "http://{}:{}".format(*listener.getsockname())
    server = HttpServer(board, listener)
    _run(auth_loop, server.start())
    yield board, url
    _run(auth_loop, server.stop())


@pytest.fixture(scope="session")
def auth_database(cluster: TestCluster) -> Iterator[Database]:
    """One database for all of these tests, each of which finds it as a new project has it."""
    with cluster.clone(cluster.template("bootstrapped", lambda _: None)) as cloned:
        yield cloned


_EMPTY = """
do $$ declare dropped text; begin
  for dropped in
    select format('drop function %s cascade', oid::regprocedure) from pg_proc
    where pronamespace = 'public'::regnamespace and pg_get_userbyid(proowner) = 'postgres'
    union all
    select format('drop table %s cascade', oid::regclass) from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r' and pg_get_userbyid(relowner) = 'postgres'
  loop execute dropped; end loop;
end $$;
delete from auth.users; delete from auth.audit_log_entries; delete from auth.flow_state;
"""


@pytest.fixture
def start_auth(
    auth_database: Database,
    auth_loop: asyncio.AbstractEventLoop,
    switchboard: tuple[Switchboard, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[StartAuth]:
    """Starts Auth: ``start_auth(auth={...}, settings={...})`` with sections of config.toml and settings."""

    board, origin = switchboard

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        return _run(auth_loop, coroutine)

    with ExitStack() as cleanup:

        def start(
            auth: dict[str, Any] | None = None,
            settings: dict[str, Any] | None = None,
            keys: StackKeys | None = None,
        ) -> AuthServer:
            path = board.reserve()
            url = f"{origin}{path}"
            keys = keys or StackKeys.generate()
            context = StackContext(
                config=ProjectConfig.model_validate(
                    {"auth": {"enable_anonymous_sign_ins": True, **(auth or {})}}
                ),
                settings=LocalSettings(**(settings or {})),
                keys=keys,
                verifier=TokenVerifier(keys),
                database=auth_database,
                data_dir=tmp_path,
                public_url=url,
            )
            clock = MovableClock()
            monkeypatch.setattr(identity, "time", SimpleNamespace(time=clock.time))
            service = AuthService(context, clock)
            run(service.start())
            cleanup.callback(lambda: run(service.stop()))
            board.replace(path, service.app)
            cleanup.callback(lambda: board.unplug(path))
            return AuthServer(url, keys, context, service, clock, run)

        yield start
    with closing(psycopg2.connect(auth_database.conninfo("supabase_admin"))) as connection, connection:
        connection.cursor().execute(_EMPTY)


@pytest.fixture
def auth(start_auth: StartAuth) -> AuthServer:
    """Auth with config.toml's defaults, which confirm every address, and anonymous sign-ins."""
    return start_auth()


@pytest.fixture
def confirming(start_auth: StartAuth) -> AuthServer:
    """Auth that asks for every address to be confirmed."""
    return start_auth({"email": {"enable_confirmations": True, "max_frequency": "0s"}})
