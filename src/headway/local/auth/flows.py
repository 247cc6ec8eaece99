"""PKCE: a link in a mail brings the browser a code that only the client that asked can redeem.

Source: RFC 7636; supabase/auth ``internal/api/pkce.go``, ``internal/models/flow_state.go``,
``internal/security/pkce.go``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from headway.local.auth.database import Connection
from headway.local.auth.errors import bad_request, not_found, unprocessable

__all__ = ["Challenge", "Method", "create", "issue_code", "redeem"]

_LIFETIME = timedelta(minutes=5)
_CHALLENGE = re.compile(r"[a-zA-Z._~0-9-]+")

Method = Literal["email/signup", "magiclink", "recovery", "invite", "email_change"]
"""By what a flow signs in, as in the ``amr`` claim."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a client keeps the answer to."""

    value: str
    method: Literal["s256", "plain"]

    @classmethod
    def of(cls, value: str, method: str) -> Challenge | None:
        """The challenge in a request, ``None`` when there is none.

        Args:
            value: ``code_challenge``, perhaps empty.
            method: ``code_challenge_method``, perhaps empty.

        Raises:
            AuthError: 400: one without the other, or not in RFC 7636's form.
        """
        if (value == "") != (method == ""):
            raise bad_request(
                "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"
            )
        if not value:
            return None
        if not 43 <= len(value) <= 128:
            raise bad_request("validation_failed", "code challenge has to be between 43 and 128 characters")
        if _CHALLENGE.fullmatch(value) is None:
            raise bad_request(
                "validation_failed",
                "code challenge can only contain alphanumeric characters, hyphens, periods, underscores"
                " and tildes",
            )
        match method.lower():
            case "s256":
                return cls(value, "s256")
            case "plain":
                return cls(value, "plain")
            case _:
                raise bad_request("validation_failed", f'unsupported code_challenge method "{method[:32]}"')

    def answered_by(self, verifier: str) -> bool:
        """Whether ``verifier`` is the secret behind the challenge; in constant time."""
        if self.method == "s256":
            digest = hashlib.sha256(verifier.encode()).digest()
            verifier = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return hmac.compare_digest(self.value.encode(), verifier.encode())


async def create(
    connection: Connection, user_id: UUID, method: Method, challenge: Challenge, now: datetime
) -> None:
    """Begin a flow.

    Args:
        connection: In the transaction of the request.
        user_id: Who will be signed in.
        method: By what.
        challenge: From the request.
        now: When.
    """
    await connection.execute(
        """
        insert into auth.flow_state (
          id, user_id, auth_code, code_challenge_method, code_challenge, provider_type, provider_access_token,
          provider_refresh_token, authentication_method, created_at, updated_at
        ) values ($1, $2, $3, $4, $5, $6, '', '', $7, $8, $8)
        """,
        uuid4(),
        user_id,
        str(uuid4()),
        challenge.method,
        challenge.value,
        "email" if method == "email/signup" else method,
        method,
        now,
    )


async def issue_code(connection: Connection, user_id: UUID, method: Method, now: datetime) -> str:
    """The code for the user's newest flow of a kind.

    Raises:
        AuthError: 422: there is none.
    """
    code: str | None = await connection.fetchval(
        """
        update auth.flow_state set auth_code_issued_at = $3, updated_at = $3
        where id = (
          select id from auth.flow_state
          where user_id = $1 and authentication_method = $2 and coalesce(code_challenge, '') <> ''
          order by created_at desc limit 1
        ) returning auth_code
        """,
        user_id,
        method,
        now,
    )
    if code is None:
        raise unprocessable("flow_state_not_found", "No valid flow state found for user.")
    return code


async def redeem(connection: Connection, code: str, verifier: str, now: datetime) -> tuple[UUID, str]:
    """The user and the method of a flow, which is over now.

    Raises:
        AuthError: 404 no such code, or already redeemed; 422 too late; 400 another client's verifier.
    """
    row = await connection.fetchrow("select * from auth.flow_state where auth_code = $1 for update", code)
    if row is None or row["user_id"] is None:
        raise not_found("flow_state_not_found", "invalid flow state, no valid flow state found")
    begun = row["created_at"]
    if row["auth_code_issued_at"] is not None and row["authentication_method"] == "magiclink":
        begun = row["auth_code_issued_at"]
    if now > begun + _LIFETIME:
        raise unprocessable("flow_state_expired", "invalid flow state, flow state has expired")
    if not Challenge(row["code_challenge"], row["code_challenge_method"]).answered_by(verifier):
        raise bad_request("bad_code_verifier", "code challenge does not match previously saved code verifier")
    await connection.execute("delete from auth.flow_state where id = $1", row["id"])
    return row["user_id"], row["authentication_method"]
