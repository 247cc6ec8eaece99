"""Answers at the root."""

from __future__ import annotations

from headway.local.identity import Identity
from headway.local.rest.database.schema_watch import State
from headway.local.rest.database.transaction import DatabasePool, Transaction
from headway.local.rest.errors import RestError
from headway.local.rest.planning import Describe
from headway.local.rest.response import Response

__all__ = ["describe"]


async def describe(
    planned: Describe,
    pool: DatabasePool,
    transaction: Transaction,
    identity: Identity,
    state: State,
    public_url: str,
) -> Response:
    """The description of a schema."""
    raise RestError(404, "PGRST126", "Root endpoint metadata is disabled")
