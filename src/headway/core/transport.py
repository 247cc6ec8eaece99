"""What httpx says when no answer came, as an error of ``headway.errors``."""

from __future__ import annotations

from datetime import datetime

import httpx

from headway.core.refusals import error_from_response
from headway.errors import ConfigError, ConnectFailed, HeadwayError, TimedOut, TransportError

__all__ = ["error_from_httpx"]

_CHECK_URL = "Check SUPABASE_URL and the network."


def error_from_httpx(error: httpx.HTTPError | httpx.InvalidURL, *, now: datetime) -> HeadwayError:
    """The error for a request of httpx that has failed.

    ``ConnectFailed`` means that nothing was sent; every other ``TransportError`` without a status leaves open
    whether the server has acted. The URL is not shown but for its host: keys travel in URLs.

    Args:
        error: What httpx raised.
        now: The present moment, with an offset, for ``Retry-After`` with a date.
    """
    if isinstance(error, httpx.HTTPStatusError):
        return _from_status(error, now)
    host = _host(error)
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects)):
        return ConfigError(
            f"the address of {host} cannot be used: {type(error).__name__}",
            hint="Check SUPABASE_URL: https://<project>.supabase.co, without a path.",
            code="url_invalid",
        )
    if isinstance(error, httpx.ConnectTimeout):
        return ConnectFailed(
            f"{host} did not accept a connection in time", hint=_CHECK_URL, code="connect_timeout"
        )
    if isinstance(error, httpx.PoolTimeout):
        return ConnectFailed(
            "no connection became free in time", hint="Do less at once, or allow more.", code="pool_timeout"
        )
    if isinstance(error, httpx.ProxyError):
        return ConnectFailed(
            f"the proxy would not connect to {host}",
            hint="Check HTTPS_PROXY and NO_PROXY.",
            code="proxy_error",
        )
    if isinstance(error, httpx.ConnectError):
        return ConnectFailed(f"{host} could not be reached", hint=_CHECK_URL)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{host} did not answer in time", hint="Try again later.")
    return TransportError(
        f"the connection to {host} broke: {type(error).__name__}", hint="Try again.", code="connection_broken"
    )


def _from_status(error: httpx.HTTPStatusError, now: datetime) -> HeadwayError:
    response = error.response
    # A streamed body that nobody has read cannot be read here.
    body = response.content if response.is_stream_consumed or response.is_closed else None
    return error_from_response(response.status_code, body, response.headers, now=now)


def _host(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    request = getattr(error, "_request", None)
    return request.url.host if isinstance(request, httpx.Request) else "the server"
