"""The service that the gateway mounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

from headway.local.rest.app import RestApp
from headway.local.rest.database.schema_watch import SchemaWatch, State
from headway.local.rest.database.settings import project_config
from headway.local.rest.database.transaction import DatabasePool
from headway.local.service import Service, StackContext

__all__ = ["RestService", "build"]


class RestService:
    """The Data API of a stack.

    Args:
        context: The stack.
    """

    name = "rest"

    def __init__(self, context: StackContext) -> None:
        self.context = context
        self.pool = DatabasePool(context.database)
        self.watch = SchemaWatch(context.database, project_config(context.config.api), self._on_change)
        self.app: ASGIApp = RestApp(context.verifier, self.watch, self.pool, f"{context.public_url}/rest/v1")

    async def start(self) -> None:
        """Load the schema cache; raises if the database does not answer."""
        await self.watch.start()

    async def stop(self) -> None:
        """Close every connection."""
        await self.watch.stop()
        self.pool.stop()

    def _on_change(self, state: State) -> None:
        self.pool.renew(state.types)

    def status(self) -> Mapping[str, Any]:
        """What is exposed, and how many connections are open."""
        state: State | None = self.watch.state
        if state is None:
            return {"schemas": [], "tables": 0, "functions": 0, "connections": 0}
        return {
            "schemas": list(state.config.schemas),
            "tables": len(state.cache.tables),
            "functions": sum(map(len, state.cache.routines.values())),
            "connections": self.pool.size,
        }


def build(context: StackContext) -> Service:
    """The Data API of a stack, not started.

    Args:
        context: The stack.
    """
    return RestService(context)
