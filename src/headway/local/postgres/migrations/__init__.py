"""A project's migrations and seeds, applied as the Supabase CLI applies them."""

from headway.local.postgres.migrations.apply import AppliedMigration, apply_migrations
from headway.local.postgres.migrations.errors import HistoryMismatch, MigrationError, MigrationFailed
from headway.local.postgres.migrations.reset import reset_database
from headway.local.postgres.migrations.seed import apply_seed
from headway.local.postgres.migrations.vault import store_vault_secrets

__all__ = [
    "AppliedMigration",
    "HistoryMismatch",
    "MigrationError",
    "MigrationFailed",
    "apply_migrations",
    "apply_seed",
    "reset_database",
    "store_vault_secrets",
]
