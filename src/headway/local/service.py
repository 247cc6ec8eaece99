"""The shape that every part of the embedded stack has, and what each is handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from starlette.types import ASGIApp

from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.identity import TokenVerifier
from headway.local.keys import StackKeys
from headway.settings import LocalSettings

__all__ = ["Service", "StackContext"]


@dataclass(frozen=True, slots=True)
class StackContext:
    """Everything a service may know about the stack that it is part of."""

    config: ProjectConfig
    settings: LocalSettings
    keys: StackKeys
    verifier: TokenVerifier
    database: Database
    data_dir: Path
    """The stack's own directory; a service keeps its files below ``data_dir / service.name``."""
    public_url: str
    """The gateway's address as clients see it, without a trailing slash."""


class Service(Protocol):
    """One part of the stack behind the gateway: ``rest``, ``auth``, ``storage``, ``realtime``.

    ``start`` is called after the database answers and before the first request; ``stop`` may be called
    twice, and before ``start``. The gateway has already removed the path prefix, checked the size of the
    request, and rewritten API keys: a service sees ``Authorization: Bearer <JWT>`` or no such header, and
    never an ``sb_`` key.
    """

    name: str
    app: ASGIApp

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def status(self) -> Mapping[str, Any]:
        """Figures for ``headway status``, JSON-serialisable."""
        ...
