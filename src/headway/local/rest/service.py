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

__all__ = ["build"]


class _RestService:
    name = "rest"

    def __init__(self, context: StackContext) -> None:
        self._pool = DatabasePool(context.database)
        self._watch = SchemaWatch(context.database, project_config(context.config.api), self._on_change)
        self.app: ASGIApp = RestApp(
            context.verifier, self._watch, self._pool, f"{context.public_url}/rest/v1"
        )

    async def start(self) -> None:
        await self._watch.start()

    async def stop(self) -> None:
        await self._watch.stop()
        self._pool.stop()

    def _on_change(self, state: State) -> None:
        self._pool.renew(state.types)

    def status(self) -> Mapping[str, Any]:
        state: State | None = self._watch.state
        if state is None:
            return {"schemas": [], "tables": 0, "functions": 0, "connections": 0}
        return {
            "schemas": list(state.config.schemas),
            "tables": len(state.cache.tables),
            "functions": sum(map(len, state.cache.routines.values())),
            "connections": self._pool.size,
        }


def build(context: StackContext) -> Service:
    """The Data API of a stack, not started.

    Args:
        context: The stack.
    """
    return _RestService(context)
