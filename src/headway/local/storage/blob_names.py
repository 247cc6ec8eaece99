"""What an object's bytes are called on disk: a hash of bucket and key, and the version in its row."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass

__all__ = ["BlobMissing", "BlobName", "is_blob_file"]

_FILE_NAME = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BlobMissing(Exception):
    """There are no bytes under this name."""


@dataclass(frozen=True, slots=True)
class BlobName:
    """Which bytes: those of one version of one object.

    Args:
        bucket_id: The object's bucket.
        key: The object's key.
        version: The row's version; only a UUID can name bytes.
    """

    bucket_id: str
    key: str
    version: str | None

    @property
    def file_name(self) -> str:
        """The name below its shard.

        Raises:
            BlobMissing: the version is none that Storage made.
        """
        try:
            version = uuid.UUID(self.version or "")
        except ValueError:
            raise BlobMissing from None
        digest = hashlib.sha256(f"{self.bucket_id}\0{self.key}".encode("utf-8", "surrogatepass"))
        return f"{digest.hexdigest()}.{version}"


def is_blob_file(name: str) -> bool:
    """Whether a file name can be a blob's.

    Args:
        name: A file name.
    """
    return _FILE_NAME.fullmatch(name) is not None
