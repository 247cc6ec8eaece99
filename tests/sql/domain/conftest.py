"""Databases for the domain tests, and people to act as."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headway.local.config import load_config
from headway.local.database import Database
from support.people import Project
from support.postgres import SUPABASE_DIR, TestCluster


@pytest.fixture(scope="module")
def shared_database(cluster: TestCluster) -> Iterator[Database]:
    """A migrated database for the tests of one module, which leave nothing behind in it."""

    def migrate(fresh: Database) -> None:
        from headway.local.postgres.migrations import apply_migrations

        cluster.run(apply_migrations(fresh, SUPABASE_DIR, load_config(SUPABASE_DIR / "config.toml")))

    with cluster.clone(cluster.template("migrated", migrate)) as cloned:
        yield cloned


@pytest.fixture(scope="module")
def module_project(shared_database: Database) -> Iterator[Project]:
    opened = Project(shared_database)
    yield opened
    opened.close()


@pytest.fixture
def project(module_project: Project) -> Project:
    """A project shared by the tests of a module, each with people and names of its own."""
    return module_project


@pytest.fixture
def own_project(migrated_database: Database) -> Iterator[Project]:
    """A project that nobody else has touched."""
    opened = Project(migrated_database)
    yield opened
    opened.close()
