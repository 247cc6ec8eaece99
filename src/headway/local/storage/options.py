"""Limits and times of the storage service."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StorageOptions"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """What can be chosen for the storage service; the defaults are the hosted service's.

    Args:
        file_size_limit: The largest object, in bytes; a bucket's own limit can only be lower.
        resumable_chunk_bytes: The size that every PATCH of a resumable upload but the last must have;
            ``None`` admits any.
        resumable_lifetime_s: Seconds after which an unfinished resumable upload is dropped.
        signed_upload_lifetime_s: Seconds for which a signed upload URL is good.
        sweep_interval_s: Seconds between two searches for files that no row names.
        resumable_lock_timeout_s: Seconds that a request waits for another one on the same upload.
    """

    file_size_limit: int = 50 * MIB
    resumable_chunk_bytes: int | None = 6 * MIB
    resumable_lifetime_s: float = 24 * 3600
    signed_upload_lifetime_s: int = 2 * 3600
    sweep_interval_s: float = 900
    resumable_lock_timeout_s: float = 5.0
