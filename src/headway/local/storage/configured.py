"""Creates the buckets that ``config.toml`` names."""

from __future__ import annotations

import logging

from headway.errors import ConfigError
from headway.local.config import StorageConfig
from headway.local.storage.callers import Callers
from headway.local.storage.catalog import Catalog
from headway.local.storage.faults import StorageFault
from headway.local.storage.names import check_bucket_name, check_mime_types_setting

__all__ = ["create_configured_buckets"]

_log = logging.getLogger("headway.storage")

_UPSERT = """
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ($1, $1, $2, $3, $4)
on conflict (id) do update
   set public = excluded.public,
       file_size_limit = excluded.file_size_limit,
       allowed_mime_types = excluded.allowed_mime_types
 where (buckets.public, buckets.file_size_limit, buckets.allowed_mime_types)
       is distinct from (excluded.public, excluded.file_size_limit, excluded.allowed_mime_types)
"""


async def create_configured_buckets(catalog: Catalog, callers: Callers, config: StorageConfig) -> None:
    """Make ``[storage.buckets.*]`` true, as the Supabase CLI does at start.

    Args:
        catalog: The database.
        callers: For the elevated identity.
        config: The section ``[storage]``.

    Raises:
        ConfigError: a bucket's name or limits are not possible; the message names the key.
    """
    for name, bucket in config.buckets.items():
        key = f"storage.buckets.{name}"
        try:
            check_bucket_name(name, new=True)
            check_mime_types_setting(bucket.allowed_mime_types or [])
        except StorageFault as fault:
            raise ConfigError(
                f"{key}: {fault.message}",
                hint="Correct the key in supabase/config.toml.",
                code="config_invalid",
            ) from fault
        if (bucket.file_size_limit or 0) > config.file_size_limit:
            raise ConfigError(
                f"{key}.file_size_limit is larger than storage.file_size_limit",
                hint="Raise storage.file_size_limit in supabase/config.toml, or lower the bucket's.",
                code="config_invalid",
            )
        if bucket.objects_path is not None:
            _log.warning("%s.objects_path is not uploaded by the embedded stack", key)
        async with catalog.transaction(None, callers.elevated) as transaction:
            await transaction.execute(
                _UPSERT, name, bucket.public, bucket.file_size_limit, bucket.allowed_mime_types
            )
