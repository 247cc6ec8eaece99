"""Refuses what reasoning models refuse, so that a worker that sends it fails here and not in production.

Source: https://platform.openai.com/docs/guides/latest-model (parameter compatibility).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.sandbox.openai.errors import OpenAIError
from headway.sandbox.openai.models import Model

__all__ = ["check_reasoning"]


def check_reasoning(model: Model, body: Mapping[str, Any]) -> None:
    """Check the parameters that depend on the model.

    Args:
        model: Asked for.
        body: The request.

    Raises:
        OpenAIError: a parameter is not supported by the model.
    """
    if not model.id.startswith("gpt-5"):
        if body.get("reasoning_effort") is not None or body.get("reasoning") is not None:
            name = "reasoning_effort" if "reasoning_effort" in body else "reasoning.effort"
            raise _unsupported(name)
        return
    if body.get("max_tokens") is not None:
        raise _unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    for name in ("temperature", "top_p"):
        if body.get(name) not in (None, 1):
            raise OpenAIError(
                400,
                f"Unsupported value: '{name}' does not support {body[name]} with this model. Only the "
                "default (1) value is supported.",
                param=name,
                code="unsupported_value",
            )


def _unsupported(name: str, remedy: str = "") -> OpenAIError:
    return OpenAIError(
        400,
        f"Unsupported parameter: '{name}' is not supported with this model.{remedy}",
        param=name,
        code="unsupported_parameter",
    )
