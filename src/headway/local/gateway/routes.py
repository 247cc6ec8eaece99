"""Which path belongs to which service, and which paths need no API key."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ROUTES", "Route", "find_route"]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """A path prefix of the gateway.

    Args:
        prefix: Without a trailing slash, such as ``/rest/v1``.
        service: The service's name.
        open_paths: Paths behind the prefix that are served without an API key; ``None`` for all of them
            (Storage checks its callers itself, and signed and public URLs carry no key).
        max_body: Bytes of a request body, or ``None`` when the service sets its own limit.
    """

    prefix: str
    service: str
    open_paths: re.Pattern[str] | None
    max_body: int | None


_NONE = re.compile(r"(?!)")

ROUTES: tuple[Route, ...] = (
    Route("/rest/v1", "rest", _NONE, 64 * _MIB),
    Route(
        "/auth/v1",
        "auth",
        re.compile(r"/(verify|callback|authorize|health|jwks|\.well-known/.*|sso/saml/.*)"),
        1 * _MIB,
    ),
    Route("/storage/v1", "storage", None, None),
    Route("/realtime/v1", "realtime", _NONE, 16 * _MIB),
)


def find_route(path: str) -> Route | None:
    """The route of a request path; ``None`` when nothing is served there.

    Args:
        path: The decoded path, with a leading slash.
    """
    for route in ROUTES:
        if path.startswith(route.prefix) and path[len(route.prefix) : len(route.prefix) + 1] in ("", "/"):
            return route
    return None
