"""Applies the migrations that a database does not have yet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.postgres.migrations.errors import HistoryMismatch
from headway.local.postgres.migrations.execution import parse, run_file
from headway.local.postgres.migrations.files import Migration, find_migrations, read_sql
from headway.local.postgres.migrations.history import RECORD_MIGRATION, applied_versions, migrator

__all__ = ["AppliedMigration", "apply_migrations"]

_log = logging.getLogger("headway.migrations")


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """A migration that this call has applied.

    Args:
        version: The digits its file name begins with.
        name: The rest of the file name, without ``.sql``.
        statements: How many statements it has.
    """

    version: str
    name: str
    statements: int


async def apply_migrations(
    database: Database, supabase_dir: Path, config: ProjectConfig
) -> list[AppliedMigration]:
    """Apply the project's pending migrations in order, each one atomically with its history row.

    Calls from several processes follow one another; the later ones find nothing to do.

    Args:
        database: A bootstrapped database.
        supabase_dir: The project's ``supabase`` directory.
        config: Its configuration; nothing is applied where ``db.migrations.enabled`` is false.

    Returns:
        What was applied, in order.

    Raises:
        MigrationFailed: a statement failed; files before it stay applied, its own left no trace.
        HistoryMismatch: files and history contradict each other; nothing was applied.
    """
    if not config.db.migrations.enabled:
        return []
    migrations = find_migrations(supabase_dir)
    async with migrator(database) as connection:
        pending = _pending(migrations, await applied_versions(connection))
        # Read and cut all before running any, so that an unreadable file costs nothing.
        prepared = [(migration, parse(migration.path, read_sql(migration.path))) for migration in pending]
        applied = []
        for migration, statements in prepared:
            await run_file(
                connection,
                migration.path,
                statements,
                RECORD_MIGRATION,
                migration.version,
                migration.name,
                [statement.record for statement in statements],
            )
            _log.debug("applied %s", migration.path.name)
            applied.append(AppliedMigration(migration.version, migration.name, len(statements)))
        return applied


def _pending(migrations: Sequence[Migration], applied: Sequence[str]) -> list[Migration]:
    known = {migration.version for migration in migrations}
    if missing := [version for version in applied if version not in known]:
        raise HistoryMismatch(
            f"The database has migrations without a file in supabase/migrations: {', '.join(missing)}",
            hint="Bring the files back, or start over with: headway reset",
        )
    done = set(applied)
    pending = [migration for migration in migrations if migration.version not in done]
    newest = max(applied, default="")
    if late := [migration.path.name for migration in pending if migration.version < newest]:
        raise HistoryMismatch(
            f"Migrations sort before {newest}, which is applied already: {', '.join(late)}",
            hint="Rename them to a later timestamp, or start over with: headway reset",
        )
    return pending
