"""What a request asks for, whichever of the two APIs it came through."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from headway.sandbox.openai.errors import OpenAIError
from headway.sandbox.openai.models import Model
from headway.sandbox.openai.strict import SchemaRefused, check_strict
from headway.sandbox.tokens import count_tokens, image_tokens
from headway.sandbox.vision import ImageInvalid, Images

__all__ = ["Ask", "Format", "Prompt", "json_body", "read_format"]

_PER_MESSAGE_TOKENS = 4
_MOST_IMAGE_BYTES = 50 * 1024 * 1024
_UNSUPPORTED = frozenset(
    {
        "audio", "background", "conversation", "function_call", "functions", "max_tool_calls",
        "parallel_tool_calls", "prediction", "previous_response_id", "prompt", "tool_choice", "tools",
        "web_search_options",
    }
)  # fmt: skip
_GREATEST = {"temperature": 2, "top_p": 1}
_KINDS = ("data:image/png", "data:image/jpeg", "data:image/jpg", "data:image/webp", "data:image/gif")


async def json_body(request: Request, known: frozenset[str]) -> dict[str, Any]:
    """A request's JSON object.

    Args:
        request: Its body is read.
        known: The names that the endpoint knows.

    Raises:
        OpenAIError: it is not an object, or has a name that is not known.
    """
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise OpenAIError(
            400,
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
            "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
            "valid JSON.)",
        )
    for name in body:
        if name in _UNSUPPORTED and name not in known:
            raise OpenAIError(
                400,
                f"The Headway sandbox does not support '{name}'; docs/sandbox.md says what it does.",
                param=name,
                code="unsupported_parameter",
            )
        if name not in known:
            raise OpenAIError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    for name, most in _GREATEST.items():
        _require_decimal(name, body.get(name), most)
    return body


def _require_decimal(name: str, value: Any, most: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OpenAIError(
            400, f"Invalid type for '{name}': expected a decimal.", param=name, code="invalid_type"
        )
    if value > most:
        said, code = f"above maximum value. Expected a value <= {most}", "decimal_above_max_value"
    elif value < 0:
        said, code = "below minimum value. Expected a value >= 0", "decimal_below_min_value"
    else:
        return
    raise OpenAIError(
        400, f"Invalid '{name}': decimal {said}, but got {value} instead.", param=name, code=code
    )


@dataclass(frozen=True, slots=True)
class Format:
    """The form of the answer.

    Attributes:
        kind: ``text``, ``json_object`` or ``json_schema``.
        name: Of the schema.
        schema: Of the answer, for ``json_schema``.
    """

    kind: str = "text"
    name: str | None = None
    schema: Mapping[str, Any] | None = None


def read_format(value: Any, *, param: str, schema_param: str) -> Format:
    """The form that a request asks for.

    Args:
        value: ``{"type": ..., "name": ..., "schema": ..., "strict": ...}``, or ``None``.
        param: What the API calls this parameter.
        schema_param: What it calls the schema in it.

    Raises:
        OpenAIError: the form or its schema is refused.
    """
    if value is None:
        return Format()
    if not isinstance(value, Mapping):
        raise OpenAIError(
            400, f"Invalid type for '{param}': expected an object.", param=param, code="invalid_type"
        )
    kind = value.get("type")
    if kind in ("text", "json_object"):
        return Format(kind)
    if kind != "json_schema":
        raise OpenAIError(
            400,
            f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'.",
            param=f"{param}.type",
            code="invalid_value",
        )
    name, schema = value.get("name"), value.get("schema")
    if not isinstance(name, str) or not isinstance(schema, Mapping):
        missing = "name" if not isinstance(name, str) else "schema"
        raise OpenAIError(
            400,
            f"Missing required parameter: '{param}.{missing}'.",
            param=f"{param}.{missing}",
            code="missing_required_parameter",
        )
    if value.get("strict"):
        try:
            check_strict(schema)
        except SchemaRefused as refused:
            raise OpenAIError(
                400,
                f"Invalid schema for response_format '{name}': {refused}",
                param=schema_param,
                code="invalid_json_schema",
            ) from None
    return Format("json_schema", name, schema)


@dataclass(slots=True)
class Prompt:
    """The messages of a request, read: what the user says, and how much there is of everything.

    Attributes:
        model: Asked for.
        images: What looks at images.
        tokens: Of all that was sent.
        said: The user's words, one text a part.
        seen: What the user's images carry.
    """

    model: Model
    images: Images
    tokens: int = 3
    said: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def message(self, role: object, content: object, *, param: str) -> None:
        """Read one message.

        Args:
            role: Whose it is.
            content: A text, or a list of parts.
            param: What the API calls it.

        Raises:
            OpenAIError: it is not a message.
        """
        if role not in ("system", "developer", "user", "assistant"):
            raise OpenAIError(
                400,
                f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', and "
                "'developer' (the sandbox knows no tools).",
                param=f"{param}.role",
                code="invalid_value",
            )
        self.tokens += _PER_MESSAGE_TOKENS
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list):
            raise OpenAIError(
                400,
                f"Invalid type for '{param}.content': expected one of a string or array of objects.",
                param=f"{param}.content",
                code="invalid_type",
            )
        for number, part in enumerate(parts):
            self._part(role == "user", part, f"{param}.content[{number}]")

    def _part(self, by_user: bool, part: Any, param: str) -> None:
        if not isinstance(part, Mapping):
            part = {}
        kind = part.get("type")
        if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            self.tokens += count_tokens(part["text"])
            if by_user:
                self.said.append(part["text"])
        elif kind == "refusal":
            self.tokens += count_tokens(str(part.get("refusal")))
        elif kind in ("image_url", "input_image"):
            image = part.get("image_url")
            given = image if isinstance(image, Mapping) else {"url": image, "detail": part.get("detail")}
            self._image(given.get("url"), low=given.get("detail") == "low", param=param)
        else:
            raise OpenAIError(
                400,
                f"Invalid value: '{kind}'. The sandbox reads parts of text and images.",
                param=f"{param}.type",
                code="invalid_value",
            )

    def _image(self, url: object, *, low: bool, param: str) -> None:
        if not isinstance(url, str) or not url.startswith(_KINDS):
            raise OpenAIError(
                400,
                "You uploaded an unsupported image. Please make sure your image has of one the following "
                "formats: ['png', 'jpeg', 'gif', 'webp']. The sandbox is offline: send it as a data: URL.",
                param=param,
                code="invalid_image_format",
            )
        try:
            data = base64.b64decode(url.partition(",")[2], validate=True)
            if len(data) > _MOST_IMAGE_BYTES:
                raise ImageInvalid("too large")
            seen = self.images.look_at(data)
        except (binascii.Error, ImageInvalid):
            raise OpenAIError(
                400,
                "The image data you provided does not represent a valid image. Please check your input and "
                "try again.",
                param=param,
                code="invalid_image",
            ) from None
        self.tokens += image_tokens(seen.width, seen.height, low=low)
        if seen.text:
            self.seen.append(seen.text)

    @property
    def text(self) -> str:
        """All that the user said and showed."""
        shown = "\n\n".join(self.seen)
        return "\n\n".join([*self.said, f"<document>\n{shown}\n</document>"] if shown else self.said)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that is in order.

    Attributes:
        model: Which model.
        prompt: What it is told.
        form: The form of its answer.
        most_tokens: The limit of its answer.
    """

    model: Model
    prompt: Prompt
    form: Format
    most_tokens: int

    @classmethod
    def check(cls, prompt: Prompt, form: Format, most_tokens: object, *, param: str, limit: str) -> Ask:
        """Put a request together.

        Args:
            prompt: Read completely.
            form: Of the answer.
            most_tokens: As sent; ``None`` for the model's own limit.
            param: What the API calls the messages.
            limit: What the API calls the limit.

        Raises:
            OpenAIError: it is too long, or its limit is none.
        """
        model = prompt.model
        if form.schema is not None:
            prompt.tokens += count_tokens(json.dumps(form.schema))
        if most_tokens is not None and (
            not isinstance(most_tokens, int) or isinstance(most_tokens, bool) or most_tokens < 1
        ):
            raise OpenAIError(
                400,
                f"Invalid '{limit}': integer below minimum value. Expected a value >= 1.",
                param=limit,
                code="integer_below_min_value",
            )
        if isinstance(most_tokens, int) and most_tokens > model.output:
            raise OpenAIError(
                400,
                f"{limit} is too large: {most_tokens}. This model supports at most {model.output} completion "
                f"tokens, whereas you provided {most_tokens}.",
                param=limit,
                code="invalid_value",
            )
        if prompt.tokens >= model.context:
            raise too_long(prompt.tokens, model, param=param)
        return cls(model, prompt, form, most_tokens if isinstance(most_tokens, int) else model.output)


def too_long(tokens: int, model: Model, *, param: str) -> OpenAIError:
    """The refusal of a prompt that does not fit.

    Args:
        tokens: How many it has.
        model: For which it is too long.
        param: What the API calls the messages.
    """
    return OpenAIError(
        400,
        f"This model's maximum context length is {model.context} tokens. However, your messages resulted in "
        f"{tokens} tokens. Please reduce the length of the messages.",
        param=param,
        code="context_length_exceeded",
    )
