"""generateContent and its streaming form: what is asked, what it is computed from, and how it is answered.

Source: https://ai.google.dev/api/generate-content. A second of video counts 263 tokens, a second of sound 32
(https://ai.google.dev/gemini-api/docs/tokens).
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.sandbox.answers.registry import reply, say
from headway.sandbox.faults import Fault
from headway.sandbox.gemini.files import Files
from headway.sandbox.gemini.schema import camel_case, json_schema, listed
from headway.sandbox.google_errors import GoogleError
from headway.sandbox.tokens import count_tokens, cut_to_tokens
from headway.sandbox.vision import ImageInvalid, Images

__all__ = ["MODELS", "Answer", "Question", "answer_to"]

MODELS = (
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-3-flash",
    "gemini-3.1-flash-lite",
)
_LABEL = "-sandbox"
_CONTEXT = 1_048_576
# All bounds of lists in a schema together (https://github.com/googleapis/python-genai/issues/2170).
_MOST_LISTED = 960
_VIDEO_TOKENS, _AUDIO_TOKENS, _IMAGE_TOKENS = 263, 32, 258


@dataclass(slots=True)
class Question:
    """What a request asks.

    Attributes:
        text: What the user says, with what was seen in the videos.
        schema: Of the answer, or ``None`` for plain text.
        tokens: Of the prompt, by modality.
    """

    text: str
    schema: dict[str, Any] | None
    limit: int | None
    tokens: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, body: Mapping[str, Any], files: Files, images: Images) -> Question:
        """Read a request.

        Args:
            body: Its JSON.
            files: Where the videos are that it speaks of.
            images: What looks at pictures.

        Raises:
            GoogleError: it is not one that can be answered.
        """
        body = _camel_cased(body)
        contents = body.get("contents")
        if not isinstance(contents, list) or not contents:
            raise GoogleError(400, "* GenerateContentRequest.contents: contents is not specified")
        config = body.get("generationConfig") or {}
        schema = config.get("responseJsonSchema") or config.get("responseSchema")
        if schema is not None and config.get("responseMimeType") != "application/json":
            raise GoogleError(
                400, "Response schema is only supported with response mime type application/json."
            )
        if listed(schema) > _MOST_LISTED:
            # Said just so, without a word about the schema.
            raise GoogleError(400, "Request contains an invalid argument.")
        question = cls("", json_schema(schema) if schema else None, config.get("maxOutputTokens"))
        instructions = [p.get("text", "") for p in (body.get("systemInstruction") or {}).get("parts", [])]
        question._count("TEXT", count_tokens(" ".join(instructions)))
        said = []
        for content in contents:
            for part in content.get("parts", []):
                heard = question._hear(part, files, images)
                if content.get("role", "user") == "user" and heard:
                    said.append(heard)
        question.text = "\n\n".join(said)
        if sum(question.tokens.values()) > _CONTEXT:
            raise _too_long(sum(question.tokens.values()))
        return question

    def _hear(self, part: Mapping[str, Any], files: Files, images: Images) -> str:
        if "text" in part:
            self._count("TEXT", count_tokens(part["text"]))
            return str(part["text"])
        if "fileData" in part:
            file = files.find(str(part["fileData"].get("fileUri", "")))
            if file.state != "ACTIVE":
                raise GoogleError(
                    400, f"The File {file.name} is not in an ACTIVE state and usage is not allowed."
                )
            if file.facts is None:
                return ""
            clip = part.get("videoMetadata") or {}
            start = _seconds(clip.get("startOffset"), 0.0)
            end = min(_seconds(clip.get("endOffset"), file.facts.duration), file.facts.duration)
            length = max(end - start, 0.0)
            self._count("VIDEO", round(length * _VIDEO_TOKENS))
            if file.facts.sound:
                self._count("AUDIO", round(length * _AUDIO_TOKENS))
            lines = [f'<video title={json.dumps(file.facts.title)} start="{start:.3f}" end="{end:.3f}">']
            for word, passages in (("said", file.facts.spoken), ("shown", file.facts.shown)):
                lines += [
                    f"{max(p.start, start):.3f} {min(p.end, end):.3f} {word}: {p.text}"
                    for p in passages
                    if start <= p.start < end or (p.start < start < p.end and word == "shown")
                ]
            return "\n".join([*lines, "</video>"])
        if "inlineData" in part:
            self._count("IMAGE", _IMAGE_TOKENS)
            seen = _look(images, part["inlineData"])
            return f"<document>\n{seen}\n</document>" if seen else ""
        return ""

    def _count(self, modality: str, tokens: int) -> None:
        if tokens:
            self.tokens[modality] = self.tokens.get(modality, 0) + tokens


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a text, why it ends, and what it counts."""

    model: str
    text: str | None
    finish: str
    blocked: str | None
    prompt: dict[str, int]

    @property
    def output_tokens(self) -> int:
        """Tokens of the text."""
        return count_tokens(self.text or "")

    def whole(self) -> dict[str, Any]:
        """The answer of generateContent."""
        return self._message(self.text, self.finish)

    def pieces(self, size: int = 80) -> Iterator[dict[str, Any]]:
        """The answers of streamGenerateContent.

        Args:
            size: Characters in each.
        """
        text = self.text or ""
        parts: list[str | None] = [text[at : at + size] for at in range(0, len(text), size)]
        parts = parts or [None]
        for place, part in enumerate(parts):
            yield self._message(part, self.finish if place == len(parts) - 1 else None)

    def _message(self, text: str | None, finish: str | None) -> dict[str, Any]:
        prompt = sum(self.prompt.values())
        message: dict[str, Any] = {
            "usageMetadata": {
                "promptTokenCount": prompt,
                "candidatesTokenCount": self.output_tokens,
                "totalTokenCount": prompt + self.output_tokens,
                "promptTokensDetails": [{"modality": m, "tokenCount": n} for m, n in self.prompt.items()],
            },
            "modelVersion": self.model + _LABEL,
            "responseId": f"sandbox-{secrets.token_hex(8)}",
        }
        if self.blocked:
            return message | {"promptFeedback": {"blockReason": self.blocked}}
        candidate: dict[str, Any] = {"index": 0}
        if text is not None:
            candidate["content"] = {"role": "model", "parts": [{"text": text}]}
        if finish:
            candidate["finishReason"] = finish
        return message | {"candidates": [candidate]}


def answer_to(question: Question, model: str, fault: Fault | None) -> Answer:
    """Answer, or do what a fault demands.

    Args:
        question: What is asked.
        model: Its name as asked for.
        fault: The one drawn for this request, if any.

    Raises:
        GoogleError: the fault refuses the question for its length.
    """
    kind = fault.kind if fault else None
    if kind == "context_length":
        raise _too_long(_CONTEXT + 1)
    if kind == "content_filter":
        return Answer(model, None, "STOP", "PROHIBITED_CONTENT", question.tokens)
    if kind == "refusal":
        return Answer(model, None, "SAFETY", None, question.tokens)
    if question.schema is None:
        text = say(question.text)
    else:
        text = json.dumps(reply(question.text, question.schema), ensure_ascii=False)
    if kind == "malformed":
        text = text[:-1] + ', "oops": }' if question.schema else ""
    if kind == "truncated":
        return Answer(model, text[: len(text) // 2], "MAX_TOKENS", None, question.tokens)
    if question.limit is not None and count_tokens(text) > question.limit:
        return Answer(model, cut_to_tokens(text, question.limit), "MAX_TOKENS", None, question.tokens)
    return Answer(model, text, "STOP", None, question.tokens)


def _camel_cased(value: Any) -> Any:
    """Names of fields in one spelling; what is inside a schema are names of the caller's own."""
    if isinstance(value, list):
        return [_camel_cased(each) for each in value]
    if isinstance(value, Mapping):
        return {
            (key := camel_case(name)): each if key.startswith("response") else _camel_cased(each)
            for name, each in value.items()
        }
    return value


def _look(images: Images, inline: Mapping[str, Any]) -> str:
    try:
        # The client writes base64 in its URL-safe form.
        return images.look_at(base64.urlsafe_b64decode(str(inline.get("data", "")))).text
    except (binascii.Error, ImageInvalid) as error:
        raise GoogleError(
            400,
            "Unable to process input image. Please retry or report in "
            "https://developers.generativeai.google/guide/troubleshooting",
        ) from error


def _too_long(tokens: int) -> GoogleError:
    return GoogleError(
        400, f"The input token count ({tokens}) exceeds the maximum number of tokens allowed ({_CONTEXT})."
    )


def _seconds(value: Any, otherwise: float) -> float:
    try:
        return float(str(value).removesuffix("s")) if value is not None else otherwise
    except ValueError as error:
        raise GoogleError(400, f"Invalid duration {value!r}; write one such as 12.5s.") from error
