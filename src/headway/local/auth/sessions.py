"""Sessions, their refresh tokens, and what ends them.

Source: supabase/auth ``internal/tokens/service.go``, ``internal/models/{sessions,refresh_token,amr}.go`` and
the documentation page "User sessions". Refresh tokens are of the first kind: twelve characters, one row each.

Every refresh locks the session's row first, so that any number of clients that refresh at once get the same
new token instead of revoking each other.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from headway.local.auth.database import Connection
from headway.local.auth.errors import bad_request
from headway.local.auth.models import Session

__all__ = [
    "Client",
    "Refreshed",
    "authentication_methods",
    "begin",
    "by_id",
    "check_form",
    "end",
    "end_all",
    "find_refreshable",
    "refresh",
]

_FORM = re.compile(r"[a-z0-9]{12}")


@dataclass(frozen=True, slots=True)
class Client:
    """From where a session is used."""

    address: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh led to.

    Args:
        token: The session's refresh token from now on; ``None`` when the session was revoked.
        rotated: Whether it is a new one.
    """

    token: str | None
    rotated: bool


def check_form(token: str) -> None:
    """Refuse what cannot be a refresh token.

    Raises:
        AuthError: 400 ``validation_failed``.
    """
    if _FORM.fullmatch(token) is None:
        raise bad_request("validation_failed", "Refresh token is not valid")


def _new_token() -> str:
    return base64.b32encode(secrets.token_bytes(8)).decode().lower()[:12]


async def begin(
    connection: Connection, user_id: UUID, method: str, client: Client, now: datetime
) -> tuple[UUID, str]:
    """A new session of a user: its id and its first refresh token.

    Args:
        connection: In the transaction of the sign-in.
        user_id: Whose.
        method: How they proved who they are, as in the ``amr`` claim.
        client: From where.
        now: When.
    """
    session_id = uuid4()
    await connection.execute(
        """
        insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip)
        values ($1, $2, $3, $3, 'aal1', $4, $5::text::inet)
        """,
        session_id,
        user_id,
        now,
        client.user_agent,
        client.address,
    )
    await connection.execute(
        """
        insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
        values ($1, $2, $3, $3, $4)
        """,
        uuid4(),
        session_id,
        now,
        method,
    )
    return session_id, await _add_token(connection, session_id, user_id, "", now)


async def _add_token(
    connection: Connection, session_id: UUID, user_id: UUID, parent: str, now: datetime
) -> str:
    token = _new_token()
    await connection.execute(
        """
        insert into auth.refresh_tokens
          (instance_id, token, user_id, revoked, created_at, updated_at, parent, session_id)
        values ($1, $2, $3, false, $4, $4, $5, $6)
        """,
        UUID(int=0),
        token,
        str(user_id),
        now,
        parent,
        session_id,
    )
    return token


async def by_id(connection: Connection, session_id: UUID, *, lock: bool = False) -> Session | None:
    """A session, whether it is over or not.

    Args:
        connection: Where to ask.
        session_id: Which.
        lock: Whether the row is held until the transaction ends.
    """
    row = await connection.fetchrow(
        f"select * from auth.sessions where id = $1{' for update' if lock else ''}",  # noqa: S608
        session_id,
    )
    return None if row is None else Session.from_record(row)


async def find_refreshable(connection: Connection, token: str) -> tuple[UUID, UUID | None] | None:
    """The user and the session of a refresh token, ``None`` when there is no such token."""
    row = await connection.fetchrow(
        "select user_id::uuid, session_id from auth.refresh_tokens where token = $1", token
    )
    return None if row is None else (row["user_id"], row["session_id"])


async def refresh(
    connection: Connection,
    session: Session,
    token: str,
    client: Client,
    now: datetime,
    *,
    reuse_interval: timedelta,
    rotation: bool,
) -> Refreshed:
    """Exchange a refresh token.

    A token that was already exchanged is good again for the session's current token if it is the current
    one's parent (the client never received that) or was exchanged within the reuse interval (two tabs).
    Later it is a sign of theft: the session is over for everybody who holds one of its tokens.

    Args:
        connection: In a transaction that holds the session's row, and commits whatever the outcome.
        session: The token's session.
        token: What was presented.
        client: From where.
        now: When.
        reuse_interval: How long an exchanged token stays good.
        rotation: Whether a stolen token's session is revoked.
    """
    row = await connection.fetchrow("select * from auth.refresh_tokens where token = $1 for update", token)
    if row is None:
        return Refreshed(None, rotated=False)
    if row["revoked"]:
        active = await connection.fetchrow(
            """
            select token, parent from auth.refresh_tokens
            where session_id = $1 and revoked is not true order by id desc limit 1
            """,
            session.id,
        )
        excusable = active is not None and (
            active["parent"] == token or now <= row["updated_at"] + reuse_interval
        )
        if active is None or not excusable:
            if rotation:
                await _revoke_family(connection, session, now)
            return Refreshed(None, rotated=False)
        issued = Refreshed(active["token"], rotated=False)
    else:
        await connection.execute(
            "update auth.refresh_tokens set revoked = true, updated_at = $2 where id = $1", row["id"], now
        )
        issued = Refreshed(
            await _add_token(connection, session.id, session.user_id, token, now), rotated=True
        )
    await connection.execute(
        """
        update auth.sessions
        set refreshed_at = $2::timestamptz at time zone 'utc', updated_at = $2, user_agent = $3,
            ip = $4::text::inet
        where id = $1
        """,
        session.id,
        now,
        client.user_agent,
        client.address,
    )
    return issued


async def _revoke_family(connection: Connection, session: Session, now: datetime) -> None:
    # The rows stay, so that the thief's and the owner's next attempts are told that the token was used.
    await connection.execute(
        "update auth.refresh_tokens set revoked = true, updated_at = $2 "
        "where session_id = $1 and revoked is not true",
        session.id,
        now,
    )
    await connection.execute(
        "update auth.sessions set not_after = $2, updated_at = $2 where id = $1", session.id, now
    )


async def authentication_methods(connection: Connection, session_id: UUID) -> Sequence[dict[str, Any]]:
    """The ``amr`` claim of a session: by which methods its user was recognised, newest first."""
    rows = await connection.fetch(
        """
        select authentication_method as method, floor(extract(epoch from updated_at))::bigint as timestamp
        from auth.mfa_amr_claims where session_id = $1 order by updated_at desc
        """,
        session_id,
    )
    return [dict(row) for row in rows]


async def end(connection: Connection, session_id: UUID) -> None:
    """Delete a session with its refresh tokens."""
    await connection.execute("delete from auth.sessions where id = $1", session_id)


async def end_all(connection: Connection, user_id: UUID, *, besides: UUID | None = None) -> None:
    """Delete a user's sessions.

    Args:
        connection: In the transaction of the change.
        user_id: Whose.
        besides: A session that goes on.
    """
    await connection.execute(
        "delete from auth.sessions where user_id = $1 and id is distinct from $2", user_id, besides
    )
