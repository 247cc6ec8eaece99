"""An HTTP transport that reaches the public internet and nothing else."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

import httpx

from headway.core.addresses import Address
from headway.errors import ConfigError, Denied
from headway.outbound.resolving import resolve, vetted

__all__ = ["GuardedTransport"]

_PORTS = {"http": 80, "https": 443}


class GuardedTransport(httpx.AsyncBaseTransport):
    """A transport for ``httpx.AsyncClient`` that never connects to a private address.

    The name is resolved once, every address must be public, and the connection goes to the address that was
    looked at: a name that points elsewhere a moment later (DNS rebinding) changes nothing. TLS and the
    ``Host`` header keep the name. Redirects pass through here like any request. Proxies of the environment
    are not used: through one, nobody would know which address is reached. Connections are not kept: one for
    a name would serve another name at the same address.

    Args:
        allowed_origins: Origins such as ``http://n8n:5678`` that may be private and unencrypted; nothing else
            at that host is.
        verify: As for httpx: whether and how certificates are checked.

    Raises:
        ConfigError: an allowed origin is none.
    """

    def __init__(self, allowed_origins: Iterable[str] = (), *, verify: bool | ssl.SSLContext = True) -> None:
        self._allowed = frozenset(_checked_origin(origin) for origin in allowed_origins)
        self._inner = httpx.AsyncHTTPTransport(
            verify=verify, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to a vetted address of its host.

        Raises:
            Denied: the host is not public, or the connection would not be encrypted; nothing was sent.
            ConnectFailed: the host has no address.
            httpx.TransportError: as httpx does.
        """
        host = request.url.host
        allowed = _origin(request.url) in self._allowed
        if not allowed and request.url.scheme != "https":
            raise Denied(
                f"{host[:253]}: the address is not encrypted",
                hint="Use https, or have the operator allow this very origin.",
                code="address_not_encrypted",
            )
        timeout = request.extensions.get("timeout", {}).get("connect")
        addresses = await resolve(host, _port(request.url), timeout=timeout)
        if not allowed:
            vetted(host, addresses)
        return await self._send(request, addresses)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()

    async def _send(self, request: httpx.Request, addresses: tuple[Address, ...]) -> httpx.Response:
        for place, address in enumerate(addresses):
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": request.url.host},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                # Nothing was sent yet. A host with several addresses may answer at the next one.
                error.request = request
                if place + 1 == len(addresses):
                    raise
        raise httpx.ConnectError("no address", request=request)


def _checked_origin(origin: str) -> str:
    try:
        url = httpx.URL(origin.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in _PORTS or not url.host or url.path not in ("", "/") or url.query or url.userinfo:
        raise ConfigError(
            f"allowed_origins: {origin[:200]!r} is not an origin such as http://n8n:5678",
            hint="Write a scheme, a host and the port, without a path.",
            code="allowed_origins_invalid",
        )
    return _origin(url)


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.host.lower().rstrip('.')}:{_port(url)}"


def _port(url: httpx.URL) -> int:
    return url.port or _PORTS.get(url.scheme, 443)
