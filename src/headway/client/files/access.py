"""What transfers need of a client: where Storage is, how to ask it, and on whose behalf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import httpx

__all__ = ["StorageAccess"]


class StorageAccess(Protocol):
    """A project as one caller reaches it."""

    @property
    def url(self) -> str:
        """The project's URL, without a slash at its end."""

    @property
    def http(self) -> httpx.AsyncClient:
        """What sends the requests; transfers bring their own time limits."""

    async def headers(self) -> Mapping[str, str]:
        """``apikey`` and ``Authorization``, the token fresh enough for a request that starts now."""

    async def owner(self) -> str | None:
        """The signed-in user's id; ``None`` for a secret key, and for nobody."""
