"""A Postgres for tests that change what belongs to a whole cluster, or that need another version of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from headway.local.database import Database
from headway.local.postgres.binaries import resolve_binaries
from headway.local.postgres.server import PostgresServer
from headway.settings import LocalSettings

__all__ = ["own_cluster"]


@asynccontextmanager
async def own_cluster(binaries: Path | None = None) -> AsyncIterator[Database]:
    """A fresh Postgres without bootstrap and durability, thrown away when the block ends.

    Args:
        binaries: Its directory of programs; the stack's own Postgres when omitted.
    """
    folder = Path(tempfile.mkdtemp(prefix="headway-own-"))
    server = PostgresServer(
        resolve_binaries(LocalSettings(postgres_bin=binaries)), data_dir=folder / "postgres", durable=False
    )
    try:
        yield await server.start()
    finally:
        await server.stop()
        shutil.rmtree(folder)
