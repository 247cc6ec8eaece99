"""What httpx says when no answer came, as an error of ``headway.errors``."""

from __future__ import annotations

import ssl
from datetime import datetime

import httpx

from headway.core.refusals import error_from_response
from headway.errors import ConfigError, ConnectFailed, HeadwayError, TimedOut, TransportError

__all__ = ["error_from_httpx"]

_CHECK_URL = "Check SUPABASE_URL, the network, and the proxy if HTTPS_PROXY or HTTP_PROXY names one."


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
        if (fault := _tls_fault(error)) is not None:
            return _without_tls(host, fault)
        return ConnectFailed(f"{host} could not be reached", hint=_CHECK_URL)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{host} did not answer in time", hint="Try again later.")
    return TransportError(
        f"the connection to {host} broke: {type(error).__name__}",
        hint="Try again; if it stays so, check SUPABASE_URL (https or http) and the proxy.",
        code="connection_broken",
    )


def _tls_fault(error: BaseException) -> ssl.SSLError | None:
    """What TLS has failed of, if it has: the libraries hand on nothing but its words."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLError):
        seen = seen.__cause__ or seen.__context__
    return seen


def _without_tls(host: str, fault: ssl.SSLError) -> ConnectFailed:
    if isinstance(fault, ssl.SSLCertVerificationError):
        return ConnectFailed(
            f"the certificate of {host} is not to be trusted: {fault.verify_message}",
            hint="Set this machine's clock right, or trust the proxy's own certificate by SSL_CERT_FILE.",
            code="tls_certificate",
        )
    return ConnectFailed(
        f"{host} does not speak TLS",
        hint="Check whether SUPABASE_URL begins with https:// or with http://, and the proxy.",
        code="tls_failed",
    )


def _from_status(error: httpx.HTTPStatusError, now: datetime) -> HeadwayError:
    response = error.response
    # A streamed body that nobody has read cannot be read here.
    body = response.content if response.is_stream_consumed or response.is_closed else None
    return error_from_response(response.status_code, body, response.headers, now=now)


def _host(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    request = getattr(error, "_request", None)
    return request.url.host if isinstance(request, httpx.Request) else "the server"
