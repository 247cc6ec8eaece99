"""A real Postgres per test process, and a cloned database per test."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
import psycopg2.errors
import pytest

from headway.local.config import load_config
from headway.local.database import Database

T = TypeVar("T")

PASSWORD = "the-stack's own, in tests"
SUPABASE_DIR = Path(__file__).parents[2] / "supabase"


class TestCluster:
    """A bootstrapped Postgres without durability, usable from synchronous and asynchronous tests alike.

    Args:
        data_dir: An empty directory.
    """

    __test__ = False

    def __init__(self, data_dir: Path) -> None:
        # Imported here so that unit tests, which load this plugin too, do not pay for it.
        from headway.local.postgres.binaries import resolve_binaries
        from headway.local.postgres.server import PostgresServer
        from headway.settings import LocalSettings

        # A thread of its own: it lasts as long as the server, and no test's event loop is involved.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster", daemon=True)
        self._thread.start()
        self._templates: dict[str, str] = {}
        self.server = PostgresServer(
            resolve_binaries(LocalSettings()),
            data_dir=data_dir / "postgres",
            tcp_port=0,
            password=PASSWORD,
            durable=False,
        )
        self.database: Database
        """The database ``postgres``, bootstrapped; shared by the whole process, so tests leave it alone."""

    def start(self) -> None:
        from headway.local.postgres.bootstrap import bootstrap

        self.database = self.run(self.server.start())
        self.run(bootstrap(self.database, password=PASSWORD))

    def stop(self) -> None:
        try:
            self.run(self.server.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=30)
            self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the cluster's own loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=120)

    def named(self, name: str) -> Database:
        """The address of one of the cluster's databases."""
        return replace(self.database, name=name)

    def execute(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, outside a transaction and outside the cloned databases."""
        with closing(psycopg2.connect(self.named("template1").conninfo("supabase_admin"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return cursor.fetchall() if cursor.description else []

    def template(self, key: str, build: Callable[[Database], None], *, source: str | None = None) -> str:
        """The name of a template database, built the first time it is asked for.

        Args:
            key: What it is known by in this process.
            build: Fills the new database; it closes its connections.
            source: The database to begin with; the bootstrapped one when omitted.
        """
        if key not in self._templates:
            name = self._create(f"template_{key}", source or "postgres")
            try:
                build(self.named(name))
            except BaseException:
                # Every later test then tells of the same fault, not of a half-built template.
                self.drop(name)
                raise
            # A template that somebody is connected to cannot be cloned.
            self.execute(f"ALTER DATABASE {_quoted(name)} WITH ALLOW_CONNECTIONS false")
            self._templates[key] = name
        return self._templates[key]

    @contextmanager
    def clone(self, template: str) -> Iterator[Database]:
        """A database of its own, dropped when the block ends, whoever is still connected."""
        name = self._create(f"test_{secrets.token_hex(6)}", template)
        try:
            yield self.named(name)
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Drop a database with the connections and replication slots that are on it."""
        deadline = time.monotonic() + 10
        while True:
            try:
                self.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")
            except psycopg2.errors.ObjectInUse:
                # An active slot's WAL sender survives FORCE.
                if time.monotonic() > deadline:
                    raise
                self.execute(
                    "SELECT pg_terminate_backend(active_pid, 1000) FROM pg_replication_slots"
                    " WHERE database = %s AND active",
                    name,
                )
            else:
                return

    def _create(self, name: str, template: str) -> str:
        ((owner,),) = self.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", template
        )
        self.execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)} OWNER {_quoted(owner)}")
        # CREATE DATABASE copies neither the grants on the database nor its settings.
        self.execute(
            "UPDATE pg_database SET datacl = (SELECT datacl FROM pg_database WHERE datname = %s)"
            " WHERE datname = %s",
            template,
            name,
        )
        self.execute(
            "INSERT INTO pg_db_role_setting SELECT n.oid, s.setrole, s.setconfig FROM pg_database n,"
            " pg_database t JOIN pg_db_role_setting s ON s.setdatabase = t.oid"
            " WHERE t.datname = %s AND n.datname = %s",
            template,
            name,
        )
        return name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """One bootstrapped Postgres per test process, thrown away at its end."""
    data_dir = Path(tempfile.mkdtemp(prefix="headway-tests-"))
    try:
        running = TestCluster(data_dir)
        try:
            running.start()
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(data_dir)


@pytest.fixture
def database(cluster: TestCluster) -> Iterator[Database]:
    """A database of the test's own as a new project has it: bootstrapped, without migrations."""
    with cluster.clone(cluster.template("bootstrapped", lambda _: None)) as cloned:
        yield cloned


@pytest.fixture
def migrated_database(cluster: TestCluster) -> Iterator[Database]:
    """A database of the test's own with ``supabase/migrations`` applied."""

    def migrate(fresh: Database) -> None:
        from headway.local.postgres.migrations import apply_migrations

        cluster.run(apply_migrations(fresh, SUPABASE_DIR, load_config(SUPABASE_DIR / "config.toml")))

    with cluster.clone(cluster.template("migrated", migrate)) as cloned:
        yield cloned
