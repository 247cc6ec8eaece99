"""One-time tokens: codes that people type, links that they click, and only hashes in the database.

Source: supabase/auth ``internal/crypto/crypto.go`` and ``internal/models/one_time_token.go``. A mail holds a
code of decimal digits; its SHA-224 with the address is the token of the link and what the database keeps.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from headway.local.auth.database import Connection

__all__ = [
    "PKCE_PREFIX",
    "TokenKind",
    "clear",
    "clear_all",
    "matches",
    "new_code",
    "owner",
    "pending",
    "store",
    "token_hash",
]

PKCE_PREFIX = "pkce_"

TokenKind = Literal[
    "confirmation_token",
    "reauthentication_token",
    "recovery_token",
    "email_change_token_new",
    "email_change_token_current",
]


def new_code(digits: int) -> str:
    """A random code.

    Args:
        digits: How long it is.
    """
    return f"{secrets.randbelow(10**digits):0{digits}d}"


def token_hash(address: str, code: str) -> str:
    """What is kept of a code, and what the link in the mail carries.

    Args:
        address: Where the code was sent.
        code: The code.
    """
    return hashlib.sha224(f"{address}{code}".encode()).hexdigest()


def matches(presented: str, stored: str) -> bool:
    """Whether a hash is the stored one, whichever flow it was made for; in constant time."""
    return bool(stored) and hmac.compare_digest(presented.encode(), stored.removeprefix(PKCE_PREFIX).encode())


async def store(
    connection: Connection, user_id: UUID, kind: TokenKind, address: str, hashed: str, now: datetime
) -> None:
    """Keep a token's hash; an earlier token of that kind is void.

    Args:
        connection: In the transaction of the change.
        user_id: Whose it is.
        kind: What it is good for.
        address: Where it is sent.
        hashed: With the flow's prefix.
        now: When.
    """
    await clear(connection, user_id, kind)
    await connection.execute(
        """
        insert into auth.one_time_tokens
          (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6::timestamptz at time zone 'utc', $6::timestamptz at time zone 'utc')
        """,
        uuid4(),
        user_id,
        kind,
        hashed,
        address.lower(),
        now,
    )


async def clear(connection: Connection, user_id: UUID, kind: TokenKind) -> None:
    """Make the user's token of one kind void."""
    await connection.execute(
        "delete from auth.one_time_tokens where user_id = $1 and token_type = $2", user_id, kind
    )


async def clear_all(connection: Connection, user_id: UUID) -> None:
    """Make every token of the user void."""
    await connection.execute("delete from auth.one_time_tokens where user_id = $1", user_id)


async def owner(connection: Connection, hashed: str, kinds: Sequence[TokenKind]) -> UUID | None:
    """Whose token it is.

    Args:
        connection: Where to ask.
        hashed: As in the link.
        kinds: What it may be good for.
    """
    found: UUID | None = await connection.fetchval(
        """
        select user_id from auth.one_time_tokens
        where token_hash = $1 and token_type::text = any($2::text[]) limit 1
        """,
        hashed,
        list(kinds),
    )
    return found


async def pending(
    connection: Connection, user_id: UUID, hashed: str, kinds: Sequence[TokenKind]
) -> TokenKind | None:
    """Which of the kinds the user's token is, or ``None`` when it was used meanwhile."""
    kind = await connection.fetchval(
        """
        select token_type::text from auth.one_time_tokens
        where user_id = $1 and token_hash = $2 and token_type::text = any($3::text[]) limit 1
        """,
        user_id,
        hashed,
        list(kinds),
    )
    return next((each for each in kinds if each == kind), None)
