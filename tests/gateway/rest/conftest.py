"""One Data API for most tests, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from headway.local.database import Database
from support.postgres import TestCluster

from .harness import ALICE, BOB, SCHEMA, RestServer, execute, running_rest


def _fill(database: Database) -> None:
    # The superuser: a project's own role may not touch every object that the tests look for.
    execute(database, SCHEMA, user="postgres")


@pytest.fixture(scope="session")
def shared_rest(cluster: TestCluster) -> Iterator[RestServer]:
    with (
        cluster.clone(cluster.template("rest", _fill)) as database,
        running_rest(database, schemas=["public", "api"], max_rows=1000) as server,
    ):
        yield server


@pytest.fixture
def rest(shared_rest: RestServer) -> RestServer:
    """The Data API that tests share; what they write bears a name of their own."""
    return shared_rest


@pytest.fixture
def own_rest(cluster: TestCluster) -> Iterator[RestServer]:
    """A Data API for one test, which may change its settings and its schema."""
    with (
        cluster.clone(cluster.template("rest", _fill)) as database,
        running_rest(database, schemas=["public"], max_rows=1000) as server,
    ):
        yield server


@pytest.fixture
def anon(rest: RestServer) -> Iterator[httpx.Client]:
    """A caller with the publishable key only."""
    with rest.client(None) as client:
        yield client


@pytest.fixture
def alice(rest: RestServer) -> Iterator[httpx.Client]:
    """A signed-in user."""
    with rest.client(rest.token(sub=ALICE)) as client:
        yield client


@pytest.fixture
def bob(rest: RestServer) -> Iterator[httpx.Client]:
    """Another signed-in user."""
    with rest.client(rest.token(sub=BOB)) as client:
        yield client


@pytest.fixture
def service(rest: RestServer) -> Iterator[httpx.Client]:
    """A caller with the secret key."""
    with rest.client(rest.keys.service_role_key) as client:
        yield client
