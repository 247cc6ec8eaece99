"""Delivery by webhook."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx

from headway.core.retry_after import retry_after_of
from headway.core.transport import error_from_httpx
from headway.core.webhook import sign
from headway.errors import ConfigError, Denied, HeadwayError
from headway.outbound import GuardedTransport
from headway.worker.deliveries import Delivered, Delivery

__all__ = ["WebhookChannel"]

_GONE = 410


class WebhookChannel:
    """Posts signed messages to the public internet, follows nobody elsewhere, and waits for nobody for long.

    The body of an answer is never read: what it says is the status.

    Args:
        origins: Origins inside the network that may be reached all the same.
        timeout: Seconds that a receiver may take in all, connecting included.
        loopback: Whether the project admits webhooks to this machine, asked when one comes.
        version: Of this package, for the User-Agent.
    """

    def __init__(
        self,
        *,
        origins: tuple[str, ...],
        timeout: float,
        loopback: Callable[[], Awaitable[bool]],
        version: str,
    ) -> None:
        self._timeout = timeout
        self._loopback = loopback
        self._agent = f"Headway/{version}"
        GuardedTransport(origins)  # refuses what is no origin, now rather than at the first message
        self._origins = origins
        self._clients: tuple[httpx.AsyncClient, httpx.AsyncClient] | None = None

    async def deliver(self, delivery: Delivery) -> Delivered:
        """Post one message."""
        body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            headers = sign(
                body, message_id=str(delivery.id), timestamp=int(time.time()), secrets=delivery.secrets
            )
            headers |= {"content-type": "application/json", "user-agent": self._agent}
            async with asyncio.timeout(self._timeout):
                return await self._post(delivery.target, body, headers)
        except TimeoutError:
            return Delivered("retry", error=f"no answer within {self._timeout:g} s")
        except (Denied, ConfigError) as error:
            # Nothing that a later attempt would change.
            return Delivered("dead", error=_words(error))
        except HeadwayError as error:
            return Delivered("retry", error=_words(error))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Delivered("retry", error=_words(error_from_httpx(error, now=datetime.now(UTC))))

    async def close(self) -> None:
        """Let go of connections."""
        clients, self._clients = self._clients, None
        for client in clients or ():
            await client.aclose()

    def _opened(self) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
        if self._clients is None:
            self._clients = (
                httpx.AsyncClient(transport=GuardedTransport(self._origins), timeout=self._timeout),
                # Proxies of the environment are not for this machine.
                httpx.AsyncClient(timeout=self._timeout, trust_env=False),
            )
        return self._clients

    async def _post(self, target: str, body: bytes, headers: dict[str, str]) -> Delivered:
        public, local = self._opened()
        client = local if _is_loopback(target) and await self._loopback() else public
        async with client.stream("POST", target, content=body, headers=headers) as answer:
            status = answer.status_code
            if 200 <= status < 300:
                return Delivered("delivered", status)
            if status == _GONE:
                return Delivered("dead", status, "the receiver says that it is gone (HTTP 410)")
            if 300 <= status < 400:
                return Delivered("retry", status, f"HTTP {status}: redirects are not followed")
            wait = retry_after_of(answer.headers, datetime.now(UTC))
            return Delivered("retry", status, f"HTTP {status}", wait)


def _is_loopback(target: str) -> bool:
    host = httpx.URL(target).host.rstrip(".").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _words(error: HeadwayError) -> str:
    return error.message
