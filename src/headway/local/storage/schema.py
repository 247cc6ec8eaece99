"""What Storage keeps for itself in the database, in the schema ``_storage_local``."""

from __future__ import annotations

from headway.local.database import Database
from headway.local.storage.catalog import Catalog

__all__ = ["create_own_tables"]

_TABLES = """
create table if not exists _storage_local.resumable_uploads (
  id uuid primary key,
  bucket_id text not null,
  key text not null,
  owner text,
  length bigint check (length >= 0),
  received bigint not null default 0 check (received >= 0 and received <= coalesce(length, received)),
  metadata jsonb not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  completed_at timestamptz
);
create index if not exists resumable_uploads_expires_at_idx
  on _storage_local.resumable_uploads (expires_at);
create table if not exists _storage_local.emptied_buckets (
  bucket_id text not null,
  before timestamptz not null default now(),
  primary key (bucket_id, before)
);
"""


async def create_own_tables(database: Database, catalog: Catalog) -> None:
    """Make the tables that are not there yet.

    Args:
        database: The stack's database.
        catalog: Started.
    """
    async with catalog.transaction(None) as transaction:
        exists = await transaction.fetchval("select to_regnamespace('_storage_local') is not null")
    if not exists:
        # The schema's owner may not create schemas in the database.
        connection = await database.connect("supabase_admin")
        try:
            await connection.execute(
                "create schema if not exists _storage_local authorization supabase_storage_admin"
            )
        finally:
            await connection.close()
    async with catalog.transaction(None) as transaction:
        await transaction.execute(_TABLES)
