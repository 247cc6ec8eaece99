"""Databases for the domain tests, and people to act as."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headway.local.config import load_config
from headway.local.database import Database
from support.postgres import SUPABASE_DIR, TestCluster


@pytest.fixture(scope="module")
def shared_database(cluster: TestCluster) -> Iterator[Database]:
    """A migrated database for the tests of one module, which leave nothing behind in it."""

    def migrate(fresh: Database) -> None:
        from headway.local.postgres.migrations import apply_migrations

        cluster.run(apply_migrations(fresh, SUPABASE_DIR, load_config(SUPABASE_DIR / "config.toml")))

    with cluster.clone(cluster.template("migrated", migrate)) as cloned:
        yield cloned
