"""The HTTP session that the official libraries send through: what is refused is an error of our tree.

The libraries keep neither the status of a refusal nor ``Retry-After``; both decide what a caller should do.
"""

from __future__ import annotations

from typing import Any

import httpx

from headway.client.closed import closed_error
from headway.client.moment import now
from headway.client.policy import ClientPolicy
from headway.core.refusals import error_from_response
from headway.core.transport import error_from_httpx
from headway.errors import ConfigError

__all__ = ["Session", "http_client"]

_JSON = ("application/json", "application/vnd.pgrst")


class Session(httpx.AsyncClient):
    """Sends by another client, and raises for whatever is no success.

    Args:
        http: What sends; it stays open when this is closed.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        # Not the parent's: that would make a second pool of connections.
        self._http = http
        # The libraries ask for it.
        self._auth = http.auth

    async def request(self, *args: Any, **more: Any) -> httpx.Response:
        """Send a request and wait for its answer.

        Raises:
            HeadwayError: there is none, or it is a refusal.
        """
        try:
            response = await self._http.request(*args, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if self._http.is_closed:
                raise closed_error() from error
            raise error_from_httpx(error, now=now()) from error
        except RuntimeError:
            # What httpx says to whoever sends by a client that was closed.
            if not self._http.is_closed:
                raise
            raise closed_error() from None
        if response.is_redirect:
            raise ConfigError(
                f"{response.request.url.host} answers that the project is elsewhere",
                hint="Check SUPABASE_URL: https, the right host, no path.",
                code="url_redirected",
            )
        if response.is_error:
            raise error_from_response(response.status_code, response.content, response.headers, now=now())
        if response.content and not response.headers.get("content-type", "").startswith(_JSON):
            raise ConfigError(
                f"{response.request.url.host} answers, but not as a Supabase project does",
                hint="Check SUPABASE_URL, and that no portal or proxy answers in its place.",
                code="not_supabase",
            )
        return response

    async def aclose(self) -> None:
        """Do nothing: whoever made the client that sends closes it."""


def http_client(policy: ClientPolicy) -> httpx.AsyncClient:
    """A client for one project: keeps connections, speaks HTTP/2 where it can, by the usual proxy."""
    return httpx.AsyncClient(
        http2=True,
        timeout=httpx.Timeout(policy.timeout, connect=policy.connect_timeout),
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30),
    )
