"""The address under which a browser sees this app, when proxies stand between the two.

Source: RFC 7239 (Forwarded) and the X-Forwarded-* convention. Whoever connects may write any header, so
nothing is believed but what a trusted proxy wrote, and only in the one convention that the proxies use: a
proxy that writes one passes the other on as the client sent it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["RequestOrigin", "is_loopback", "origin_of"]

ForwardedBy = Literal["x-forwarded", "forwarded"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(
    r"(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)"
)
_PARAMETER = re.compile(r'\s*([\w!#$%&\'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*(;|,|$)')
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class RequestOrigin:
    """What a web framework knows about where a request came from.

    Args:
        scheme: The scheme of the connection to this process: ``http`` or ``https``.
        host: The ``Host`` header, with its port if it has one.
        peer: The IP address of whoever connected, or ``None`` when it is unknown (a Unix socket).
        headers: The request's headers; names in any case.
        trusted_proxies: Addresses and networks, such as ``10.0.0.0/8``, whose forwarding headers are true.
        forwarded_by: Which headers those proxies write: ``x-forwarded`` for X-Forwarded-For, -Proto and
            -Host, or ``forwarded`` for RFC 7239's.
    """

    scheme: str
    host: str
    peer: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    trusted_proxies: Iterable[str] = ()
    forwarded_by: ForwardedBy = "x-forwarded"

    def seen_by_browser(self) -> str | None:
        """The origin, such as ``https://app.example.com``, or ``None`` when the host is no host name."""
        networks = [ipaddress.ip_network(network, strict=False) for network in self.trusted_proxies]
        scheme, host = self.scheme, self.host
        if _trusted(self.peer, networks):
            headers = {name.lower(): value for name, value in self.headers.items()}
            if self.forwarded_by == "forwarded":
                stated = _from_forwarded(headers.get("forwarded", ""), networks)
            else:
                stated = _from_x_forwarded(headers, networks)
            scheme, host = stated.get("proto") or scheme, stated.get("host") or host
        return origin_of(scheme, host)


def origin_of(scheme: str, host: str) -> str | None:
    """A scheme and a host as an origin without a default port, or ``None`` when they cannot be one.

    Args:
        scheme: In any case.
        host: With a port if it has one.
    """
    scheme, host = scheme.strip().lower(), host.strip().lower().removesuffix(".")
    name, port = host, ""
    if (match := re.fullmatch(r"(.*):([0-9]{1,5})", host)) is not None:
        name, port = match[1], match[2]
    if scheme not in _DEFAULT_PORTS or len(name) > 253 or _HOST.fullmatch(name) is None:
        return None
    if port and not 0 < int(port) <= 65535:
        return None
    if name.startswith("[") and _address(name[1:-1]) is None:
        return None
    return f"{scheme}://{name}" + (f":{int(port)}" if port and port != _DEFAULT_PORTS[scheme] else "")


def is_loopback(name: str | None) -> bool:
    """Whether a host name or an address means this machine."""
    address = _address((name or "").strip("[]"))
    return name == "localhost" or (address is not None and address.is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _trusted(peer: str | None, networks: Sequence[Network]) -> bool:
    address = _address(_without_port(peer or ""))
    return address is not None and any(address in network for network in networks)


def _without_port(node: str) -> str:
    node = node.strip()
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _from_x_forwarded(headers: Mapping[str, str], networks: Sequence[Network]) -> dict[str, str]:
    """What the trusted proxy farthest from here wrote.

    Every proxy appends to ``X-Forwarded-For`` whom it was asked by, so walking it from the right over
    trusted addresses tells how many trusted proxies the request came through.
    """
    hops = 1
    for node in reversed(_listed(headers.get("x-forwarded-for", ""))[1:]):
        if not _trusted(node, networks):
            break
        hops += 1
    return {
        name: values[max(0, len(values) - hops)]
        for name in ("proto", "host")
        if (values := _listed(headers.get(f"x-forwarded-{name}", "")))
    }


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.split(",")] if value.strip() else []


def _from_forwarded(value: str, networks: Sequence[Network]) -> dict[str, str]:
    """The element of a ``Forwarded`` header that the trusted proxy farthest from here wrote."""
    farthest: dict[str, str] = {}
    for element in reversed(_elements(value)):
        farthest = element
        if not _trusted(element.get("for"), networks):
            break
    return farthest


def _elements(value: str) -> list[dict[str, str]]:
    """The elements of a ``Forwarded`` header; none at all when it is malformed."""
    elements: list[dict[str, str]] = [{}]
    position = 0
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None:
            return []
        text = match[2]
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        elements[-1][match[1].lower()] = text
        if match[3] == ",":
            elements.append({})
        position = match.end()
    return [element for element in elements if element]
