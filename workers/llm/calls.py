"""What a provider's adapter is asked and what it answers, the same for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from workers.llm.media import Medium

__all__ = ["Adapter", "Call", "Finish", "Reply", "Tokens", "Turn"]

Finish: TypeAlias = Literal["stop", "length", "content_filter", "refusal"]


@dataclass(frozen=True, slots=True)
class Turn:
    """A message.

    Attributes:
        role: Whose it is.
        text: Its words.
        media: What it shows.
    """

    role: Literal["user", "assistant"]
    text: str
    media: Sequence[Medium] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model.

    Attributes:
        model: Its name.
        system: What it is and the rules it follows; empty without.
        turns: The conversation, the user's last.
        schema: The JSON schema of the answer, as pydantic writes it; ``None`` for plain text.
        name: Of the schema.
        max_tokens: The most tokens of the answer, thoughts among them.
        timeout: Seconds until it is given up, however much has come.
        temperature: How much chance there is in the words; ``None`` for the model's own.
        thinking: The most tokens that a model may think before it answers; 0 for as few as it can.
    """

    model: str
    system: str
    turns: tuple[Turn, ...]
    schema: Mapping[str, Any] | None
    name: str
    max_tokens: int
    timeout: float
    temperature: float | None = None
    thinking: int = 0


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call has used.

    Attributes:
        prompt: Tokens that were read, ``cached`` among them.
        cached: Those of them that cost less.
        output: Tokens that were written, thoughts among them.
        audio: Those of the prompt that were sound, which some providers sell at a price of its own.
    """

    prompt: int
    cached: int
    output: int
    audio: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        text: The words; what there is of them when it ended early.
        finish: Why it ended.
        tokens: What it used; ``None`` when that was not told.
        model: The model's full name, as the provider gives it.
        refusal: Its reason when it refused.
    """

    text: str
    finish: Finish
    tokens: Tokens | None
    model: str
    refusal: str | None = None


class Adapter(Protocol):
    """A provider's API behind the common interface.

    Errors leave it as they are raised by the provider's library; ``explain`` says what they mean.
    """

    provider: str

    async def ask(self, call: Call) -> Reply:
        """Make a call and wait for all of its answer."""
        ...

    def stream(self, call: Call) -> AsyncIterator[str | Reply]:
        """Make a call and give its words as they come; the last item is the ``Reply`` with all of them."""
        ...

    def explain(self, error: Exception) -> Exception | None:
        """What an error means: ``Passing``, a ``HeadwayError`` when it stays; ``None``: not ours."""
        ...

    def most_prompt_tokens(self, call: Call) -> int:
        """The most tokens that a call's prompt can have."""
        ...
