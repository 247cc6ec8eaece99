"""The migration files of a project."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from headway.local.postgres.migrations.errors import HistoryMismatch, MigrationFailed

__all__ = ["Migration", "find_migrations", "read_sql"]

_log = logging.getLogger("headway.migrations")

_NAME = re.compile(r"(?P<version>[0-9]+)_(?P<name>.*)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """A file that the history can know: its version, its name and where it is."""

    version: str
    name: str
    path: Path


def find_migrations(supabase_dir: Path) -> list[Migration]:
    """The project's migrations in the order of their versions, compared as text as the CLI does.

    Files of other names are skipped with a notice in the log.

    Args:
        supabase_dir: The project's ``supabase`` directory.

    Raises:
        HistoryMismatch: two files have the same version.
    """
    folder = supabase_dir / "migrations"
    found: dict[str, Migration] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match is None or not path.is_file():
            if not path.name.startswith("."):
                _log.warning('skipping migration %s: a file name must be "<timestamp>_<name>.sql"', path.name)
            continue
        migration = Migration(match["version"], match["name"], path)
        if (twin := found.get(migration.version)) is not None:
            raise HistoryMismatch(
                f"Two migrations have the version {migration.version}: {twin.path.name} and {path.name}",
                hint="Give one of them another timestamp.",
            )
        found[migration.version] = migration
    return [found[version] for version in sorted(found)]


def read_sql(path: Path) -> str:
    """The text of an SQL file, without a byte order mark.

    Args:
        path: The file.

    Raises:
        MigrationFailed: it cannot be read, or is no UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise MigrationFailed(
            f"the file cannot be read: {error.strerror}", file=path, hint="Check its permissions."
        ) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MigrationFailed(
            f"byte {error.start} is not UTF-8",
            file=path,
            line=raw.count(b"\n", 0, error.start) + 1,
            hint="Save the file as UTF-8.",
        ) from error
