"""The models that the sandbox's OpenAI knows, and how much they take.

Source: https://platform.openai.com/docs/models, as of September 2025.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headway.sandbox.openai.errors import OpenAIError

__all__ = ["MODELS", "Model", "find_model"]

LABEL = "-sandbox"


@dataclass(frozen=True, slots=True)
class Model:
    """A model.

    Attributes:
        id: Its name.
        created: Unix time.
        context: The most tokens of prompt and answer together.
        output: The most tokens of an answer.
        vision: Whether it reads images.
    """

    id: str
    created: int
    context: int
    output: int
    vision: bool = True

    @property
    def answering(self) -> str:
        """The name in answers, labelled so that no usage record takes it for the real one."""
        return self.id + LABEL

    def as_dict(self) -> dict[str, Any]:
        """As listed by the API."""
        return {"id": self.id, "object": "model", "created": self.created, "owned_by": "headway-sandbox"}


MODELS = {
    model.id: model
    for model in (
        Model("gpt-4o", 1_715_367_049, 128_000, 16_384),
        Model("gpt-4o-mini", 1_721_172_741, 128_000, 16_384),
        Model("gpt-4.1", 1_744_316_542, 1_047_576, 32_768),
        Model("gpt-4.1-mini", 1_744_318_173, 1_047_576, 32_768),
        Model("gpt-4.1-nano", 1_744_321_707, 1_047_576, 32_768),
        Model("gpt-5", 1_754_425_777, 400_000, 128_000),
        Model("gpt-5-mini", 1_754_425_928, 400_000, 128_000),
        Model("gpt-5-nano", 1_754_426_384, 400_000, 128_000),
        Model("gpt-realtime", 1_756_271_701, 32_000, 4_096),
        Model("gpt-realtime-mini", 1_759_522_000, 32_000, 4_096),
    )
}


def find_model(name: object) -> Model:
    """A model by the name in a request.

    Args:
        name: As sent.

    Raises:
        OpenAIError: there is no name, or no such model.
    """
    if not isinstance(name, str) or not name:
        raise OpenAIError(400, "you must provide a model parameter")
    if name not in MODELS:
        raise OpenAIError(
            404,
            f"The model `{name}` does not exist or you do not have access to it.",
            code="model_not_found",
        )
    return MODELS[name]
