"""Connections to one project as its service role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from headway.errors import ConfigError
from headway.settings import WorkerSettings

if TYPE_CHECKING:
    from postgrest import AsyncPostgrestClient
    from storage3 import AsyncStorageClient

__all__ = ["Clients", "headers_of"]

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_OUTSIDE = httpx.Timeout(60.0, connect=10.0)


def headers_of(settings: WorkerSettings) -> dict[str, str]:
    """The headers that carry the key, as the official clients send it.

    Raises:
        ConfigError: the key is the one that everybody may have.
    """
    key = settings.secret_key.get_secret_value()
    if key.startswith("sb_publishable_"):
        raise ConfigError(
            "SUPABASE_SECRET_KEY: is a publishable key, which may do nothing that a worker does",
            hint="Put the secret key (sb_secret_… or the legacy service_role key) there.",
            code="config_invalid",
        )
    return {"apikey": key, "Authorization": f"Bearer {key}"}


class Clients:
    """The official clients and what they stand on; made once per worker.

    Args:
        settings: Which project.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        from postgrest import AsyncPostgrestClient
        from storage3 import AsyncStorageClient

        self.url = str(settings.url).rstrip("/")
        headers = headers_of(settings)
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=55)
        self.project = httpx.AsyncClient(
            headers=headers, timeout=_TIMEOUT, limits=limits, follow_redirects=True
        )
        """For the project, with the key in its headers; never for anybody else."""
        self.outside = httpx.AsyncClient(timeout=_OUTSIDE)
        """For the world outside; knows no key."""
        self.db: AsyncPostgrestClient = AsyncPostgrestClient(
            f"{self.url}/rest/v1", headers=dict(headers), http_client=self.project
        )
        self.storage: AsyncStorageClient = AsyncStorageClient(
            f"{self.url}/storage/v1/", headers=dict(headers), http_client=self.project
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.project.aclose()
        await self.outside.aclose()
