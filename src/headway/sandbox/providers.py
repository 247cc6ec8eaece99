"""Which providers the sandbox stands in for.

Each is a module with ``routes(sandbox) -> list[BaseRoute]``, served under its name, and optionally
``refusal(fault, request) -> Response``, which gives the faults 429, 500, 503 and quota the provider's own
shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType

from headway.errors import ConfigError

__all__ = ["PROVIDERS", "load_provider"]

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "gemini": "headway.sandbox.gemini",
        "hunter": "headway.sandbox.hunter",
        "n8n": "headway.sandbox.n8n",
        "neverbounce": "headway.sandbox.neverbounce",
        "openai": "headway.sandbox.openai",
        "places": "headway.sandbox.places",
    }
)
"""The module of each provider, by the prefix that it is served under."""


def load_provider(name: str) -> ModuleType:
    """The module of a provider.

    Args:
        name: One of ``PROVIDERS``.

    Raises:
        ConfigError: there is no such provider.
    """
    if name not in PROVIDERS:
        raise ConfigError(
            f"the sandbox has no provider {name!r}",
            hint=f"Choose from {', '.join(PROVIDERS)}.",
            code="sandbox_provider_unknown",
        )
    return import_module(PROVIDERS[name])
