"""The model's answer, before either API has given it its shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from headway.sandbox.answers.registry import document, reply, say
from headway.sandbox.faults import Fault
from headway.sandbox.openai.asking import Ask, too_long
from headway.sandbox.tokens import count_tokens, cut_to_tokens

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["Answer", "answer", "pieces"]

_PIECE_CHARACTERS = 24
REFUSAL = "I'm sorry, but I can't assist with that request."


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says.

    Attributes:
        text: Its words; empty when it refuses.
        refusal: Why it says nothing, or ``None``.
        finish: ``stop``, ``length`` (the limit came first) or ``content_filter``.
        tokens: Of the answer.
    """

    text: str
    refusal: str | None
    finish: Literal["stop", "length", "content_filter"]
    tokens: int


def answer(sandbox: Sandbox, ask: Ask, fault: Fault | None, *, param: str) -> Answer:
    """Answer, and note in the ledger what that would have cost.

    Args:
        sandbox: Whose ledger.
        ask: What is asked.
        fault: What shall go wrong, or ``None``.
        param: What the API calls the messages.

    Raises:
        OpenAIError: the fault says that the prompt is too long.
    """
    kind = fault.kind if fault else None
    if kind == "context_length":
        raise too_long(ask.model.context + ask.prompt.tokens, ask.model, param=param)
    given = _answer(ask, kind)
    count = sandbox.ledger.count
    count("openai", model=ask.model.id, unit="input_token", quantity=ask.prompt.tokens)
    count("openai", model=ask.model.id, unit="output_token", quantity=given.tokens)
    return given


def _answer(ask: Ask, kind: str | None) -> Answer:
    if kind == "refusal":
        return Answer("", REFUSAL, "stop", count_tokens(REFUSAL))
    if kind == "content_filter":
        return Answer("", None, "content_filter", 0)
    text = _words(ask)
    if kind == "malformed":
        # As models that are not held to a schema do: a fence around it, and a comma too much.
        text = f"```json\n{text.removesuffix('}')},\n```"
    if kind == "truncated":
        text = text[: len(text) * 2 // 3]
        return Answer(text, None, "length", count_tokens(text))
    shortened = cut_to_tokens(text, ask.most_tokens)
    return Answer(shortened, None, "stop" if shortened == text else "length", count_tokens(shortened))


def _words(ask: Ask) -> str:
    text = ask.prompt.text
    if ask.form.schema is not None:
        return json.dumps(reply(text, ask.form.schema, name=ask.form.name), ensure_ascii=False)
    if ask.form.kind == "json_object":
        return json.dumps({"text": say(document(text))}, ensure_ascii=False)
    return say(text)


def pieces(text: str) -> list[str]:
    """A text in the pieces that a stream of it has.

    Args:
        text: The whole.
    """
    return [text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)]
