"""Which IP addresses belong to the public internet.

The same networks as ``headway_private.check_webhook_url`` refuses in the database (IANA's special-purpose
address registries, RFC 6890 and its successors); kept as a list of our own because what the standard library
calls global has changed between Python versions.
"""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

__all__ = ["Address", "is_public"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
# What lies in global unicast but carries another network inside (6to4, Teredo) or is for documentation.
_PRIVATE_6 = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, and no way around to a private one.

    IPv4 addresses written as IPv6 (``::ffff:10.0.0.1``, ``64:ff9b::a00:1``) are never public: nothing needs
    them.

    Args:
        address: As the resolver answered it.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _PRIVATE_4)
    return address in _UNICAST_6 and not any(address in network for network in _PRIVATE_6)
