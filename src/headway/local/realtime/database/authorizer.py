"""Who may read from and write to a private topic.

Source: supabase/realtime ``lib/realtime/tenants/authorization.ex``; the decision is Postgres's own, by the
policies on ``realtime.messages``, in a transaction that leaves nothing behind.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import asyncpg
import orjson

from headway.local.identity import Identity
from headway.local.realtime.database.sessions import Pool

__all__ = ["Authorizer", "CheckFailed", "FailureKind", "Rights"]

_log = logging.getLogger("headway.realtime")

Extension = Literal["broadcast", "presence"]
FailureKind = Literal["policy", "canceled", "partition", "pool", "unavailable"]
_WAIT_FOR_CONNECTION_S = 15


@dataclass(slots=True)
class Rights:
    """What policies said; ``None`` where they have not been asked yet."""

    read_broadcast: bool | None = None
    read_presence: bool | None = None
    write_broadcast: bool | None = None
    write_presence: bool | None = None


class CheckFailed(Exception):
    """The policies could not be evaluated.

    Args:
        kind: ``policy`` they raised; ``canceled`` they took too long; ``partition`` there is no partition for
            today; ``pool`` no connection became free; ``unavailable`` Postgres does not answer.
        detail: Postgres's message.
    """

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind: FailureKind = kind
        self.detail = detail


class Authorizer:
    """Asks the policies on ``realtime.messages``.

    Args:
        pool: Connections as ``supabase_admin``.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def readable(
        self,
        topic: str,
        identity: Identity,
        headers: Mapping[str, str],
        extensions: Sequence[Extension],
    ) -> frozenset[str]:
        """The extensions of a topic whose messages the caller may read.

        Args:
            topic: Without ``realtime:``.
            identity: The caller.
            headers: What policies see as ``request.headers``.
            extensions: Which to ask for.

        Raises:
            CheckFailed: there is no answer.
        """
        return await self._ask(
            "select pg_temp.read_rights($1, $2, $3, $4, $5, $6)", topic, identity, headers, extensions
        )

    async def writable(
        self,
        topic: str,
        identity: Identity,
        headers: Mapping[str, str],
        extensions: Sequence[Extension],
    ) -> frozenset[str]:
        """The extensions of a topic to which the caller may send; see ``readable``."""
        return await self._ask(
            "select pg_temp.write_rights($1, $2, $3, $4, $5, $6)", topic, identity, headers, extensions
        )

    async def _ask(
        self,
        query: str,
        topic: str,
        identity: Identity,
        headers: Mapping[str, str],
        extensions: Sequence[Extension],
    ) -> frozenset[str]:
        try:
            async with self._pool.acquire(timeout=_WAIT_FOR_CONNECTION_S) as connection:
                allowed = await connection.fetchval(
                    query,
                    topic,
                    list(extensions),
                    identity.role,
                    identity.claims_json,
                    identity.subject or "",
                    orjson.dumps(dict(headers)).decode(),
                )
        except TimeoutError as error:
            raise CheckFailed("pool", "no connection became free") from error
        except asyncpg.QueryCanceledError as error:
            raise CheckFailed("canceled", str(error)) from error
        except asyncpg.CheckViolationError as error:
            raise CheckFailed("partition", str(error)) from error
        except (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, OSError) as error:
            raise CheckFailed("unavailable", type(error).__name__) from error
        except (asyncpg.InterfaceError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError) as error:
            raise CheckFailed("unavailable", type(error).__name__) from error
        except asyncpg.PostgresError as error:
            _log.warning("policies on realtime.messages failed: %s", error)
            raise CheckFailed("policy", str(error)) from error
        return frozenset(allowed)
