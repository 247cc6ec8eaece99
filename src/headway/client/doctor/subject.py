"""The project under examination, as its several callers reach it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import httpx

from headway.core.refusals import error_from_response
from headway.core.transport import error_from_httpx
from headway.errors import HeadwayError
from headway.link.tokens import read_token

__all__ = ["As", "Subject"]

As: TypeAlias = Literal["public", "secret", "user"]


@dataclass
class Subject:
    """Who is examined, and with what.

    Attributes:
        url: The project's URL, without a slash at its end.
        http: What sends the requests.
        public_key: The publishable key, as far as it is known.
        secret_key: The secret key, as far as it is known.
        token: A user's access token, when somebody is signed in.
        wall: The clock of this machine, in seconds since 1970.
    """

    url: str
    http: httpx.AsyncClient
    public_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    wall: Callable[[], float] = time.time

    @property
    def user_id(self) -> str | None:
        """The signed-in user's id."""
        return read_token(self.token).subject if self.token else None

    @property
    def best(self) -> As:
        """Whoever sees the most."""
        if self.secret_key:
            return "secret"
        return "user" if self.token and self.public_key else "public"

    def key_of(self, caller: As) -> str:
        """The key that goes with a caller's requests."""
        key = self.secret_key if caller == "secret" else self.public_key or self.secret_key
        assert key is not None, "a subject has a key"
        return key

    def headers(self, caller: As) -> dict[str, str]:
        """Who asks."""
        key = self.key_of(caller)
        bearer = self.token if caller == "user" and self.token else key
        return {"apikey": key, "Authorization": f"Bearer {bearer}"}

    async def ask(
        self,
        method: str,
        path: str,
        *,
        caller: As,
        profile: str | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request, whose answer is a success.

        Args:
            method: The HTTP method.
            path: Below the project's URL.
            caller: Who asks.
            profile: The schema, for the Data API.
            json: The body.
            headers: More headers.

        Raises:
            HeadwayError: what the server said instead, or why it could not be asked.
        """
        sent = {**self.headers(caller), **(headers or {})}
        if profile is not None:
            sent |= {"Accept-Profile": profile, "Content-Profile": profile}
        now = datetime.now(UTC)
        try:
            answer = await self.http.request(
                method, self.url + path, headers=sent, json=json, follow_redirects=False
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise error_from_httpx(error, now=now) from error
        if not answer.is_success:
            raise error_from_response(answer.status_code, answer.content, answer.headers, now=now)
        return answer

    async def rows(self, path: str, *, caller: As, profile: str = "headway") -> list[dict[str, Any]]:
        """Rows of the Data API.

        Raises:
            HeadwayError: as ``ask`` does; also when the answer is none.
        """
        return _list(await self.ask("GET", f"/rest/v1/{path}", caller=caller, profile=profile))


def _list(answer: httpx.Response) -> list[dict[str, Any]]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    if not isinstance(said, list):
        raise HeadwayError(
            "the Data API answered something else than rows",
            hint="Check that SUPABASE_URL is the project's own, not a page before it.",
            code="answer_unexpected",
        )
    return said
