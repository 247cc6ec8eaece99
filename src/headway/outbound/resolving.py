"""From the host of a URL to the addresses that may be connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket

from headway.core.addresses import Address, is_public
from headway.errors import ConnectFailed, Denied

__all__ = ["resolve", "vetted"]

# 127.1, 0x7f000001, 2130706433, 0177.0.0.1: getaddrinfo reads them as addresses, a filter of text does not.
_UNUSUAL = re.compile(r"(^|\.)(0x[0-9a-f]*|[0-9]+)\.?$", re.IGNORECASE)


async def resolve(host: str, port: int, *, timeout: float | None) -> tuple[Address, ...]:
    """All addresses of a host, in the resolver's order.

    Args:
        host: A name, or an address without brackets.
        port: Where to connect to.
        timeout: Seconds for the resolver; ``None`` waits for as long as it does.

    Raises:
        ConnectFailed: the name has no address, or the resolver did not answer in time.
        Denied: the host is an address in an unusual notation.
    """
    literal = _literal(host)
    if literal is not None:
        return (literal,)
    if _UNUSUAL.search(host):
        raise Denied(
            f"{host[:100]} is an address in an unusual notation",
            hint="Write four decimal numbers, or a name.",
            code="address_unusual",
        )
    try:
        found = await asyncio.wait_for(
            asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM), timeout
        )
    except TimeoutError:
        raise ConnectFailed(
            f"the address of {host[:253]} could not be found in time",
            hint="Try again later.",
            code="dns_timeout",
        ) from None
    except (OSError, UnicodeError):
        raise ConnectFailed(
            f"{host[:253]} has no address", hint="Check the host name.", code="dns_unknown"
        ) from None
    return tuple(dict.fromkeys(_of(entry[4][0]) for entry in found))


def vetted(host: str, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    """The addresses, when every one of them is public.

    One private address among public ones is refused too: it is how a name is made to lead inside.

    Raises:
        Denied: naming the host and never the address, which tells about the inner network.
    """
    if not addresses or not all(is_public(address) for address in addresses):
        raise Denied(
            f"{host[:253]} is not on the public internet",
            hint="Use a public address, or have the operator allow this very origin.",
            code="address_not_public",
        )
    return addresses


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _of(stated: str | int) -> Address:
    # A zone (fe80::1%eth0) is that of a link-local address, which is refused with or without it.
    return ipaddress.ip_address(str(stated).partition("%")[0])
