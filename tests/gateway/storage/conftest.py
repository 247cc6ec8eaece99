"""Clients of the stack's Storage: the service itself, a user, and another user up to no good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import psycopg2
import psycopg2.extensions
import pytest

from support.stack import TestStack, project_config, running_stack

from .harness import ALICE, CONFIGURED_BUCKETS, FILE_SIZE_LIMIT, MALLORY, StorageSite


@pytest.fixture(scope="session")
def storage_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestStack]:
    """A stack without migrations: no policies but those that a test makes."""
    directory = tmp_path_factory.mktemp("storage")
    (directory / "supabase").mkdir()
    config = project_config(
        storage={"file_size_limit": FILE_SIZE_LIMIT, "buckets": CONFIGURED_BUCKETS},
        realtime={"enabled": False},
        auth={"enabled": False},
    )
    with running_stack(directory / "data", config=config, supabase_dir=directory / "supabase") as running:
        yield running


@pytest.fixture(scope="session")
def storage_admin(storage_stack: TestStack) -> Iterator[psycopg2.extensions.connection]:
    """A connection to the stack's database as the superuser."""
    with closing(psycopg2.connect(storage_stack.database.conninfo("supabase_admin"))) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture
def site(storage_stack: TestStack, storage_admin: psycopg2.extensions.connection) -> Iterator[StorageSite]:
    """Storage; buckets and policies that the test makes are gone afterwards."""
    site = StorageSite(storage_stack, storage_admin)
    try:
        yield site
    finally:
        site.clean()


@pytest.fixture
def service(site: StorageSite) -> Iterator[httpx.Client]:
    """A client with the service key."""
    with site.service() as client:
        yield client


@pytest.fixture
def alice(site: StorageSite) -> Iterator[httpx.Client]:
    """A signed-in user."""
    with site.client(site.token(ALICE)) as client:
        yield client


@pytest.fixture
def mallory(site: StorageSite) -> Iterator[httpx.Client]:
    """Another signed-in user, up to no good."""
    with site.client(site.token(MALLORY)) as client:
        yield client
