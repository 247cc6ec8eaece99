"""One request to Auth: who asks, with what, and what the answer's transaction needs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from headway.local.auth import identities, sessions, users
from headway.local.auth.audit import Action, Actor, record
from headway.local.auth.database import AuthDatabase, Connection
from headway.local.auth.errors import AuthError, bad_request, forbidden
from headway.local.auth.fields import Fields, parse_fields
from headway.local.auth.mail.inbox import Inbox
from headway.local.auth.mail.letters import Post, Postman
from headway.local.auth.models import Session, User
from headway.local.auth.passwords import PasswordHasher, PasswordPolicy
from headway.local.auth.ratelimits import RateLimits
from headway.local.auth.redirects import RedirectPolicy
from headway.local.auth.representation import json_response, user_json
from headway.local.auth.settings import AUDIENCE, AuthSettings
from headway.local.auth.signing import TokenSigner
from headway.local.auth.tokens import Granted, TokenIssuer
from headway.local.identity import TokenFault, TokenRefused, TokenVerifier

__all__ = ["Call", "Caller", "Parts"]

_BEARER = re.compile(r"bearer (\S+)", re.IGNORECASE)
_ADMIN_ROLES = ("service_role", "supabase_admin")
_MAX_USER_AGENT = 1024
_FAULTS: dict[TokenFault, str] = {
    "empty": "token is malformed: token contains an invalid number of segments",
    "malformed": "token is malformed",
    "algorithm": "token is unverifiable: signing method is invalid",
    "key": "token is unverifiable: unrecognized JWT kid",
    "signature": "token signature is invalid: signature is invalid",
    "expired": "token has invalid claims: token is expired",
    "premature": "token has invalid claims: token is not valid yet",
    "claims": "token has invalid claims",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the endpoints work with; made once by the service."""

    settings: AuthSettings
    database: AuthDatabase
    verifier: TokenVerifier
    signer: TokenSigner
    issuer: TokenIssuer
    passwords: PasswordHasher
    policy: PasswordPolicy
    redirects: RedirectPolicy
    postman: Postman
    inbox: Inbox
    limits: RateLimits
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user who asks."""

    user: User
    session: Session | None
    claims: Mapping[str, Any]


class Call:
    """A request on its way through an endpoint.

    Args:
        parts: What the endpoints work with.
        request: The request; its body was read.
        body: The body.
    """

    def __init__(self, parts: Parts, request: Request, body: bytes) -> None:
        self.parts = parts
        self.settings = parts.settings
        self.request = request
        self.now = parts.clock()
        self._body = body

    def fields(self, *, optional: bool = False) -> Fields:
        """The body's fields.

        Args:
            optional: Whether no body at all means no fields.
        """
        return parse_fields(self._body, optional=optional)

    def query(self, name: str) -> str:
        """A query parameter, empty when absent.

        Raises:
            AuthError: it holds a NUL character.
        """
        value = self.request.query_params.get(name, "")
        if "\x00" in value:
            raise bad_request("validation_failed", f"{name} must not contain the character U+0000")
        return value

    def path_id(self, name: str) -> UUID | None:
        """A parameter of the path as UUID, ``None`` when it is none."""
        try:
            return UUID(self.request.path_params[name])
        except ValueError:
            return None

    @property
    def address(self) -> str | None:
        """The IP address that the request came from."""
        try:
            return str(ipaddress.ip_address(self.request.client.host)) if self.request.client else None
        except ValueError:
            return None

    @property
    def client(self) -> sessions.Client:
        """From where a session would be used."""
        agent = self.request.headers.get("user-agent", "").replace("\x00", "")[:_MAX_USER_AGENT]
        return sessions.Client(self.address, agent or None)

    @property
    def audience(self) -> str:
        """Which users a request without a user token is about."""
        return self.request.headers.get("x-jwt-aud") or AUDIENCE

    @property
    def redirect_to(self) -> str:
        """Where the caller asks to be led in the end, if that is allowed; the site otherwise."""
        headers = self.request.headers
        asked = headers.get("redirect_to") or self.request.query_params.get("redirect_to")
        return self.parts.redirects.target(asked, headers.get("referer"))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction that commits when the block ends well."""
        async with self.parts.database.transaction() as connection:
            yield connection

    @asynccontextmanager
    async def mailing(self, redirect_to: str | None = None) -> AsyncIterator[Post]:
        """A transaction whose letters are delivered after it has committed.

        Args:
            redirect_to: Where the links lead; as the caller asks when omitted.
        """
        async with self.transaction() as connection:
            post = Post(connection, redirect_to or self.redirect_to, self.now)
            yield post
        for letter in post.letters:
            self.parts.inbox.deliver(letter, self.now)

    async def record(
        self, connection: Connection, action: Action, actor: User | Actor, **traits: object
    ) -> None:
        """Write an audit log entry about this request.

        Args:
            connection: In the transaction of what it tells.
            action: What was done.
            actor: By whom.
            traits: Further facts.
        """
        await record(
            connection,
            action,
            Actor.of(actor) if isinstance(actor, User) else actor,
            self.now,
            address=self.address,
            traits=traits or None,
        )

    async def sign_in(self, connection: Connection, user: User, method: str) -> Granted:
        """A new session of a user; arguments as for ``TokenIssuer.sign_in``."""
        return await self.parts.issuer.sign_in(connection, user, method, self.client, self.now)

    async def caller(self) -> Caller:
        """The user whose token the request bears.

        Raises:
            AuthError: 401 no token; 403 a bad one, or the user or the session is gone, or a ban.
        """
        claims = self._claims()
        async with self.parts.database.connection() as connection:
            return await self._caller(connection, claims)

    async def _caller(self, connection: Connection, claims: Mapping[str, Any]) -> Caller:
        subject, session_id = claims.get("sub"), claims.get("session_id")
        if not subject:
            raise forbidden("bad_jwt", "invalid claim: missing sub claim")
        if (user_id := _uuid(subject)) is None:
            raise bad_request("bad_jwt", "invalid claim: sub claim must be a UUID")
        user = await users.by_id(connection, user_id)
        if user is None:
            raise forbidden("user_not_found", "User from sub claim in JWT does not exist")
        if not _has_audience(claims.get("aud"), self.request.headers.get("x-jwt-aud") or user.aud):
            raise bad_request("validation_failed", "Token audience doesn't match request audience")
        session = None
        if session_id not in (None, "", str(UUID(int=0))):
            if (wanted := _uuid(session_id)) is None:
                raise forbidden("bad_jwt", "invalid claim: session_id claim must be a UUID")
            session = await sessions.by_id(connection, wanted)
            if session is None or session.user_id != user.id or session.over(self.now):
                raise forbidden("session_not_found", "Session from session_id claim in JWT does not exist")
        if user.banned(self.now):
            raise forbidden("user_banned", "User is banned")
        return Caller(user, session, claims)

    async def admin(self) -> Actor:
        """The administrator who asks.

        Raises:
            AuthError: 401 no token; 403 a bad one, or a role that may not administer.
        """
        claims = self._claims()
        if claims.get("session_id"):
            async with self.parts.database.connection() as connection:
                await self._caller(connection, claims)
        role = claims.get("role")
        if role not in _ADMIN_ROLES:
            raise forbidden("not_admin", "User not allowed")
        return Actor(UUID(int=0), str(role))

    def _claims(self) -> Mapping[str, Any]:
        match = _BEARER.fullmatch(self.request.headers.get("authorization", ""))
        if match is None:
            raise AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")
        try:
            return self.parts.verifier.verify(match[1], leeway_s=0).claims
        except TokenRefused as refusal:
            raise forbidden(
                "bad_jwt",
                f"invalid JWT: unable to parse or verify signature, {_FAULTS[refusal.fault]}",
            ) from refusal

    async def user_body(self, connection: Connection, user: User) -> dict[str, Any]:
        """A user as JSON, with their identities."""
        return user_json(user, await identities.of_user(connection, user.id))

    def granted(self, granted: Granted, **more: object) -> Response:
        """The answer to a sign-in.

        Args:
            granted: The session.
            more: Further keys of the body.
        """
        return json_response({**granted.json(), **more}, headers=granted.headers())


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _has_audience(claim: object, audience: str) -> bool:
    return audience in claim if isinstance(claim, list) else claim == audience
