"""How the parts of the stack reach its Postgres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

__all__ = ["Database"]


@dataclass(frozen=True, slots=True)
class Database:
    """The address of the stack's Postgres.

    The Unix socket's directory is readable by the stack's own user only, so roles connect over it without a
    password; TCP asks for ``password``.
    """

    socket_dir: str
    port: int
    name: str = "postgres"

    def connect_kwargs(self, user: str) -> dict[str, Any]:
        """Keyword arguments for ``asyncpg.connect`` and ``asyncpg.create_pool``.

        Args:
            user: The database role to log in as, such as ``authenticator``.
        """
        return {"host": self.socket_dir, "port": self.port, "user": user, "database": self.name}

    def conninfo(self, user: str) -> str:
        """A libpq connection string for psycopg2 and psql over the same socket.

        Args:
            user: The database role to log in as.
        """
        return f"host={self.socket_dir} port={self.port} user={user} dbname={self.name}"

    async def connect(self, user: str) -> asyncpg.Connection[asyncpg.Record]:
        """Open one connection as a role; the caller closes it.

        Args:
            user: The database role to log in as.
        """
        return await asyncpg.connect(**self.connect_kwargs(user))
