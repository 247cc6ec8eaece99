"""What all handlers of a process share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import ConfigError
from headway.worker.attempt import Attempt
from headway.worker.limits import Limit
from headway.worker.objects import Objects
from headway.worker.redaction import Redactor
from headway.worker.reporting import Reporter
from headway.worker.shared import Shared
from headway.worker.threads import Threads

if TYPE_CHECKING:
    import httpx
    from postgrest import AsyncPostgrestClient
    from storage3 import AsyncStorageClient

__all__ = ["Tools", "callback_address"]


@dataclass(slots=True)
class Tools:
    """What contexts are made of, beside the job.

    Attributes:
        reporter: Takes what jobs say.
        db: The Data API, schema ``public``.
        storage: Storage.
        objects: Storage as streams.
        http: For the world outside.
        limits: By name.
        scratch: Where temporary directories are made.
        public_url: Where the world outside reaches this worker.
        shared: Made once per process.
        redact: Takes secrets out of a text.
        incident: Told of what somebody should know of.
        threads: For steps that are ordinary functions.
    """

    reporter: Reporter
    db: AsyncPostgrestClient
    storage: AsyncStorageClient
    objects: Objects
    http: httpx.AsyncClient
    limits: Mapping[str, Limit]
    scratch: Callable[[], Path | None] = lambda: None
    public_url: str | None = None
    shared: Shared = field(default_factory=Shared)
    redact: Callable[[str], str] = field(default_factory=lambda: Redactor().redact)
    incident: Callable[[str, Attempt], None] = lambda _name, _attempt: None
    threads: Threads = field(default_factory=lambda: Threads("headway step"))

    def limit(self, name: str) -> Limit:
        """A declared limit, or ``ConfigError`` with the nearest name."""
        if (limit := self.limits.get(name)) is not None:
            return limit
        near = difflib.get_close_matches(name, self.limits, n=1)
        raise ConfigError(
            f"limit {name[:100]!r} is not declared",
            hint=f"Did you mean {near[0]}?" if near else f'Declare it: worker.limit("{name[:100]}", …).',
            code="limit_unknown",
        )

    def callback_url(self, path: str) -> str:
        """The address of a route, or ``ConfigError`` when the worker does not know its own."""
        return callback_address(self.public_url, path)


def callback_address(public_url: str | None, path: str) -> str:
    """The address of a route.

    Args:
        public_url: Where the world outside reaches this worker.
        path: The route's.

    Raises:
        ConfigError: the worker does not know its own address.
    """
    if public_url is None:
        raise ConfigError(
            "HEADWAY_PUBLIC_URL is not set, so nobody knows where this worker can be called back",
            hint="Set it to the address under which the worker's HTTP port is reached from outside.",
            code="public_url_missing",
        )
    return f"{public_url.rstrip('/')}/{path.lstrip('/')}"
