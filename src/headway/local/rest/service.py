"""The service that the gateway mounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp

from headway.local.service import Service, StackContext

__all__ = ["build"]


class _Unbuilt:
    name = "rest"

    def __init__(self) -> None:
        self.app: ASGIApp = Starlette()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def status(self) -> Mapping[str, Any]:
        return {}


def build(context: StackContext) -> Service:
    """The service, not started."""
    return _Unbuilt()
