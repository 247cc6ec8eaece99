"""Storage as a dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

from headway.errors import NotFound

__all__ = ["MemoryObjects"]

_CHUNK = 64 * 1024


class MemoryObjects:
    """Holds what the test gives and what the handler uploads."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], bytes | Path] = {}

    def give(self, bucket: str, path: str, content: bytes | Path) -> None:
        """Put an object there."""
        self._objects[bucket, path] = content

    def content(self, bucket: str, path: str) -> bytes:
        """What is there."""
        found = self._objects[bucket, path]
        return found.read_bytes() if isinstance(found, Path) else found

    async def stream(self, bucket: str, path: str) -> AsyncIterator[bytes]:
        """As ``Objects.stream``."""
        if (bucket, path) not in self._objects:
            raise NotFound(f"no object {path!r} in bucket {bucket!r}", code="NoSuchKey")
        content = self.content(bucket, path)
        for start in range(0, len(content), _CHUNK):
            yield content[start : start + _CHUNK]

    async def put(
        self,
        bucket: str,
        path: str,
        pieces: Callable[[], AsyncIterator[bytes]],
        content_type: str,
        *,
        size: int | None,
        repeatable: bool,
    ) -> None:
        """As ``Objects.put``."""
        self._objects[bucket, path] = b"".join([piece async for piece in pieces()])

    async def signed_url(self, bucket: str, path: str, expires: float) -> str:
        """As ``Objects.signed_url``."""
        return f"https://storage.test/{bucket}/{path}?expires={expires:g}"
