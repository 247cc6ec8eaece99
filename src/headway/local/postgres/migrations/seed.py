"""Puts a project's seed data into the database, once per content."""

from __future__ import annotations

import logging
from hashlib import sha256
from pathlib import Path

from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.postgres.migrations.errors import MigrationFailed
from headway.local.postgres.migrations.execution import parse, run_file
from headway.local.postgres.migrations.files import read_sql
from headway.local.postgres.migrations.history import RECORD_SEED, applied_seeds, migrator

__all__ = ["apply_seed"]

_log = logging.getLogger("headway.migrations")


async def apply_seed(database: Database, supabase_dir: Path, config: ProjectConfig) -> list[Path]:
    """Run the project's seed files that were not run yet, each one atomically.

    A file that changed since it was run is not run again, as the CLI has it: only its hash is updated, and
    the log says so.

    Args:
        database: A migrated database.
        supabase_dir: The project's ``supabase`` directory, which ``db.seed.sql_paths`` are relative to.
        config: Its configuration; nothing is run where ``db.seed.enabled`` is false.

    Returns:
        The files that were run, in order.

    Raises:
        MigrationFailed: a statement failed; files before it stay, its own left no trace.
    """
    if not config.db.seed.enabled:
        return []
    files = _matching_files(supabase_dir, config.db.seed.sql_paths)
    if not files:
        return []
    async with migrator(database) as connection:
        known = await applied_seeds(connection)
        run = []
        for file in files:
            path = _recorded_path(supabase_dir, file)
            sql = read_sql(file)
            digest = sha256(file.read_bytes()).hexdigest()
            if known.get(path) == digest:
                continue
            if path in known:
                _log.warning("seed %s has changed; it is not run again (headway reset does)", path)
                await connection.execute(RECORD_SEED, path, digest)
                continue
            await run_file(connection, file, parse(file, sql), RECORD_SEED, path, digest)
            run.append(file)
        return run


def _matching_files(supabase_dir: Path, patterns: list[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in patterns:
        relative = pattern.removeprefix("./")
        if Path(relative).is_absolute() or ".." in Path(relative).parts:
            raise MigrationFailed(
                "db.seed.sql_paths must stay below the supabase directory",
                file=Path(pattern),
                hint="Move the seed into the supabase directory.",
            )
        matches = sorted(path for path in supabase_dir.glob(relative) if path.is_file())
        if not matches:
            _log.info("no seed file matches %s", pattern)
        found.update(dict.fromkeys(matches))
    return list(found)


def _recorded_path(supabase_dir: Path, file: Path) -> str:
    return f"supabase/{file.relative_to(supabase_dir).as_posix()}"
