"""Whom a client speaks for: one party, for the client's whole life.

The official client falls back to the project's key when a session ends or cannot be refreshed, so that what
was asked as a person is answered as nobody. Here that is an error, and so is another person's token.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from supabase import AsyncClient, Client

from headway.client.aside import run_aside
from headway.client.moment import now
from headway.core.libraries import error_from_library
from headway.errors import ConfigError, ConnectFailed, Denied, HeadwayError, TimedOut, TransportError
from headway.link.tokens import read_token

__all__ = ["AccessToken", "Identity", "Party", "TokenSource", "source_of_client", "source_of_token"]

AccessToken: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A user's access token, or a function that makes a fresh one; it may be asynchronous."""

# A token that has less than this share of its life left is replaced before a long-lived connection uses it.
_WORN = 0.45
_MARGIN_S = 10.0
# Whoever makes tokens asks somebody, who may never answer.
_LONGEST_S = 30.0


class TokenSource(Protocol):
    """Where user tokens come from."""

    async def token(self, *, renew: bool, life: float) -> str | None:
        """A token; ``None`` when only the project's key speaks.

        Args:
            renew: Make a fresh one although the present one looks valid.
            life: The seconds that it should still live.
        """


@dataclass(slots=True)
class Party:
    """Whom a client has begun to speak for; shared by all its connections, one after the other.

    Attributes:
        known: Whether it has begun.
        has_token: Whether by a user's token, rather than by the key.
        subject: The user's id.
    """

    known: bool = False
    has_token: bool = False
    subject: str | None = None


class Identity:
    """One party, checked every time that a token is used.

    Args:
        key: The project's key.
        source: Where user tokens come from.
        party: Whom it speaks for.
    """

    def __init__(self, key: str, source: TokenSource, party: Party) -> None:
        self.key = key
        self._source = source
        self._party = party
        self._lock = asyncio.Lock()

    async def token(self, *, refused: str | None = None, life: float = _MARGIN_S) -> str | None:
        """The user's access token, valid for a while; ``None`` when the key itself speaks.

        Args:
            refused: The token that the server has refused, or that is otherwise not wanted any more.
            life: Seconds that it should last.

        Raises:
            Denied: there is no session any more, or it is another party's.
            TransportError: the token could not be refreshed now.
        """
        # One at a time: two refreshes with the same refresh token would end the session.
        async with self._lock:
            try:
                async with asyncio.timeout(_LONGEST_S) as limit:
                    token = await self._source.token(renew=False, life=life)
                    if token is not None and token == refused:
                        token = await self._source.token(renew=True, life=life)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise _late() from None
        self._check(token)
        return token

    async def durable_token(self) -> str:
        """A token for a connection that stays: with most of its life before it."""
        token = await self.token()
        if token is None:
            return self.key
        facts = read_token(token)
        if facts.expired:
            token = await self.token(refused=token)
        elif facts.life is not None and facts.life < (facts.whole_life or 0) * _WORN:
            token = await self.token(life=facts.life)
        return token or self.key

    async def subject(self) -> str | None:
        """The user's id; ``None`` when the key itself speaks."""
        await self.token()
        return self._party.subject

    async def headers(self) -> dict[str, str]:
        """What every request to the project carries."""
        return self.headers_for(await self.token())

    def headers_for(self, token: str | None) -> dict[str, str]:
        """What a request carries with a token, or with the key alone."""
        return {"apikey": self.key, "Authorization": f"Bearer {token or self.key}"}

    def _check(self, token: str | None) -> None:
        subject = read_token(token).subject if token is not None else None
        party = self._party
        if not party.known:
            party.known, party.has_token, party.subject = True, token is not None, subject
        elif (party.has_token, party.subject) != (token is not None, subject):
            if token is None:
                raise Denied(
                    "the session has ended: nobody is signed in any more",
                    hint="Sign in again, and make a new client for the new session.",
                    code="signed_out",
                )
            raise Denied(
                "the token speaks for somebody else than this client began with",
                hint="Make a client for each person; one never changes whom it speaks for.",
                code="identity_changed",
            )


class _Nobody:
    async def token(self, *, renew: bool, life: float) -> str | None:
        return None


class _Given:
    """A token as it is: nobody can make another."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self, *, renew: bool, life: float) -> str | None:
        return self._token


class _Made:
    """Tokens of a function, each used until shortly before it expires."""

    def __init__(self, make: Callable[[], str | Awaitable[str]]) -> None:
        self._make = make
        self._token: str | None = None

    async def token(self, *, renew: bool, life: float) -> str | None:
        if self._token is None or renew or _lasts_less(self._token, life):
            self._token = await self._fresh()
        return self._token

    async def _fresh(self) -> str:
        try:
            if inspect.iscoroutinefunction(self._make):
                token = await self._make()
            else:
                # It may ask somebody over the network, and block.
                token = await run_aside("access_token", self._make)
                if inspect.isawaitable(token):
                    token = await token
        except Exception as error:
            instead = _passing(error)
            if instead is None or instead is error:
                raise
            raise instead from error
        return _checked(token)


class _Session:
    """The session of an official client, sync or async, refreshed as that client would refresh it."""

    def __init__(self, client: AsyncClient | Client) -> None:
        self._client = client

    async def token(self, *, renew: bool, life: float) -> str | None:
        session = await self._ask("get_session")
        if session is None:
            return self._from_header()
        may_refresh = self._client.options.auto_refresh_token
        if renew or (may_refresh and _lasts_less(session.access_token, life)):
            session = (await self._ask("refresh_session")).session
        return None if session is None else str(session.access_token)

    async def _ask(self, method: str) -> Any:
        act = getattr(self._client.auth, method)
        try:
            if isinstance(self._client, AsyncClient):
                return await act()
            return await asyncio.to_thread(act)
        except Exception as error:
            translated = error_from_library(error, now=now())
            if translated is None:
                raise
            if isinstance(translated, TransportError):
                raise translated from error
            raise Denied(
                f"the session cannot be refreshed: {translated.message}",
                hint="Sign in again, and make a new client for the new session.",
                code=translated.code,
            ) from error

    def _from_header(self) -> str | None:
        """The token that the client was made with, instead of a session."""
        header = str(self._client.options.headers.get("Authorization", ""))
        token = header.removeprefix("Bearer ").strip()
        return token if token and token != self._client.supabase_key else None


def source_of_client(client: AsyncClient | Client) -> TokenSource:
    """Tokens of the session in an official client."""
    return _Session(client)


def source_of_token(token: AccessToken | None) -> TokenSource:
    """Tokens as they were given.

    Raises:
        ConfigError: it is neither a token nor a function.
    """
    if token is None:
        return _Nobody()
    return _Made(token) if callable(token) else _Given(_checked(token))


def _late() -> TimedOut:
    return TimedOut(
        f"no access token came within {_LONGEST_S:g} s",
        hint="Check what access_token asks, or the project's Auth, and the network.",
        code="token_timeout",
    )


def _passing(error: Exception) -> HeadwayError | None:
    """The error to raise in place of what an app's own function has raised; ``None`` for that itself.

    A network that is down passes, whoever asked by it: a watch goes on when it is back.
    """
    known = error_from_library(error, now=now())
    if known is None and _is_of_a_network(error):
        known = TransportError(type(error).__name__, hint="Check the network.", code="connection_broken")
    if not isinstance(known, TransportError):
        return known
    # Whatever it was that could not be asked, the project was not.
    return ConnectFailed(
        f"access_token could not make a token: {known.message}",
        hint=known.hint,
        code=known.code,
        status=known.status,
        retry_after=known.retry_after,
    )


def _is_of_a_network(error: Exception) -> bool:
    """Whether no answer came: sockets say so, and libraries derive from that; not so files, and refusals."""
    if not isinstance(error, OSError) or error.filename is not None:
        return False
    return getattr(error, "response", None) is None


def _checked(token: object) -> str:
    if not isinstance(token, str) or not token.strip() or not token.isascii() or not token.isprintable():
        raise ConfigError(
            "access_token: is not a token",
            hint="Send the access_token of the user's session, without 'Bearer'.",
            code="access_token_invalid",
        )
    return token.strip().removeprefix("Bearer ")


def _lasts_less(token: str, life: float) -> bool:
    left = read_token(token).life
    return left is not None and left <= life
