"""Puts the secrets of ``[db.vault]`` into Vault, before migrations that may read them.

Source: supabase/cli ``pkg/vault/batch.go``: by name, made or replaced; a reference to an environment variable
that is not set is passed over.
"""

from __future__ import annotations

import logging

import asyncpg

from headway.local.config import ProjectConfig, is_unset_variable
from headway.local.database import Database
from headway.local.postgres.migrations.errors import MigrationError
from headway.local.postgres.migrations.history import MIGRATOR

__all__ = ["store_vault_secrets"]

_log = logging.getLogger("headway.migrations")

_KNOWN = "select name, id, decrypted_secret from vault.decrypted_secrets where name = any ($1::text[])"
_CREATE = "select vault.create_secret($1, $2)"
_UPDATE = "select vault.update_secret($1, $2)"


async def store_vault_secrets(database: Database, config: ProjectConfig) -> None:
    """Let Vault hold what config.toml says, all of it or nothing; other secrets stay as they are.

    Args:
        database: A bootstrapped database.
        config: The project's configuration.

    Raises:
        MigrationError: Vault takes no secrets; the message has none.
    """
    wanted = {name: secret.get_secret_value() for name, secret in config.db.vault.items()}
    for name in [name for name, value in wanted.items() if is_unset_variable(value)]:
        _log.warning("db.vault.%s: the variable that it names is not set; the secret is passed over", name)
        del wanted[name]
    if not wanted:
        return
    connection = await database.connect(MIGRATOR)
    try:
        async with connection.transaction():
            known = {row["name"]: row for row in await connection.fetch(_KNOWN, list(wanted))}
            for name, value in wanted.items():
                row = known.get(name)
                if row is None:
                    await connection.execute(_CREATE, value, name)
                elif row["decrypted_secret"] != value:
                    await connection.execute(_UPDATE, row["id"], value)
    except asyncpg.PostgresError as error:
        raise MigrationError(
            f"The secrets of [db.vault] cannot be stored: {error.message}",
            hint=error.hint,
            code=error.sqlstate,
        ) from None
    finally:
        await connection.close()
