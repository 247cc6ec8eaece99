"""Which handler a path belongs to.

Paths are matched before they are percent-decoded, so an escaped slash never makes a segment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from headway.local.storage.replies import Reply
from headway.local.storage.requests import StorageRequest

__all__ = ["Handler", "Route", "Router"]

Handler = Callable[[StorageRequest, dict[str, str]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path.

    Args:
        method: The HTTP method.
        template: Segments; ``:name`` stands for one, a final ``*`` for the rest, which may be empty.
        operation: The name that ``storage.operation()`` returns to policies.
        handler: Answers it, with the template's values percent-decoded once.
    """

    method: str
    template: str
    operation: str
    handler: Handler

    def match(self, path: str) -> dict[str, str] | None:
        """The raw values of the template's places, or ``None``.

        Args:
            path: The raw path.
        """
        values: dict[str, str] = {}
        rest: str | None = path.removeprefix("/")
        for part in self.template.removeprefix("/").split("/"):
            if part == "*":
                if rest is None:
                    return None
                values["*"] = rest
                return values
            if rest is None:
                return None
            segment, slash, following = rest.partition("/")
            rest = following if slash else None
            if part.startswith(":"):
                if not segment:
                    return None
                values[part[1:]] = segment
            elif part != segment:
                return None
        return values if rest is None or rest == "" else None


class Router:
    """Finds the first route that fits; more specific ones must come first.

    Args:
        routes: In order of precedence.
    """

    def __init__(self, routes: list[Route]) -> None:
        self._routes: dict[str, list[Route]] = {}
        for route in routes:
            self._routes.setdefault(route.method, []).append(route)

    def find(self, request: StorageRequest) -> tuple[Route, dict[str, str]] | None:
        """The route of a request and its decoded values.

        Args:
            request: The request.

        Raises:
            StorageFault: a value is not properly percent-encoded.
        """
        for route in self._routes.get(request.method, ()):
            values = route.match(request.raw_path)
            if values is not None:
                return route, {name: request.decode(value) for name, value in values.items()}
        return None
