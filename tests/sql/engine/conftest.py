"""An engine of its own for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headway.local.database import Database
from support.engine import Engine


@pytest.fixture
async def engine(migrated_database: Database) -> AsyncIterator[Engine]:
    """A migrated database and everybody who calls it."""
    opened = await Engine(migrated_database).open()
    try:
        yield opened
    finally:
        await opened.close()
