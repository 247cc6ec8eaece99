"""The sandbox's OpenAI, driven by the official client."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import httpx
import openai
import pytest
from openai import OpenAI
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import BaseModel

from headway.sandbox.server import SandboxServer

TEXT = "Name: Ada Lovelace\nCity: London\nYears: 36\nTags: maths, engines"


class Card(BaseModel):
    name: str
    city: str | None
    years: int
    tags: list[str]
    mood: Literal["calm", "busy"]


@pytest.fixture
def client(sandbox_server: SandboxServer) -> Iterator[OpenAI]:
    variables = sandbox_server.environment
    with OpenAI(
        base_url=variables["OPENAI_BASE_URL"],
        api_key=variables["OPENAI_API_KEY"],
        max_retries=0,
        timeout=20,
    ) as client:
        yield client


def test_a_structured_answer_is_computed_from_what_was_sent(client: OpenAI) -> None:
    done = client.chat.completions.parse(
        model="gpt-4.1-mini",
        messages=[
            {"role": "system", "content": "Name: not this one"},
            {"role": "user", "content": f"Read the card.\n<document>\n{TEXT}\n</document>"},
        ],
        response_format=Card,
    )
    assert done.choices[0].message.parsed == Card(
        name="Ada Lovelace", city="London", years=36, tags=["maths", "engines"], mood="calm"
    )
    assert done.model == "gpt-4.1-mini-sandbox"
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 40


def test_the_responses_api_gives_the_same(client: OpenAI) -> None:
    done = client.responses.parse(
        model="gpt-5-mini", instructions="Read the card.", input=TEXT, text_format=Card
    )
    assert done.output_parsed == Card(
        name="Ada Lovelace", city="London", years=36, tags=["maths", "engines"], mood="calm"
    )
    assert done.status == "completed"
    assert done.usage is not None
    assert done.usage.output_tokens > 0


def test_both_stream(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": TEXT}],
        response_format=Card,
        stream_options={"include_usage": True},
    ) as chat:
        deltas = [event.delta for event in chat if event.type == "content.delta"]
        final = chat.get_final_completion()
    assert len(deltas) > 2
    assert "".join(deltas) == final.choices[0].message.content
    assert final.choices[0].message.parsed is not None
    assert final.choices[0].message.parsed.name == "Ada Lovelace"
    assert final.usage is not None

    with client.responses.stream(model="gpt-4.1", input=TEXT, text_format=Card) as responses:
        kinds = [event.type for event in responses]
        response = responses.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") > 2
    assert response.output_parsed is not None
    assert response.output_parsed.years == 36


def test_plain_text_comes_from_the_input_and_says_who_wrote_it(client: OpenAI) -> None:
    done = client.chat.completions.create(
        model="gpt-4.1-mini",
        messages=[
            {"role": "user", "content": "Ada wrote notes. She lived in London. She counted. She left."}
        ],
    )
    assert done.choices[0].message.content == (
        "Ada wrote notes. She lived in London. She counted. (Written by the Headway sandbox, not by a model.)"
    )


def test_what_a_call_would_have_cost_is_counted(client: OpenAI, sandbox_server: SandboxServer) -> None:
    done = client.responses.create(model="gpt-4.1-mini", input="Ada wrote notes.")
    assert done.usage is not None
    ledger = sandbox_server.sandbox.ledger
    assert ledger.quantity("openai", unit="input_token") == done.usage.input_tokens
    assert ledger.quantity("openai", unit="output_token") == done.usage.output_tokens
    assert ledger.total() == (
        done.usage.input_tokens * Decimal("0.0000004") + done.usage.output_tokens * Decimal("0.0000016")
    )


def test_the_token_limit_ends_an_answer(client: OpenAI) -> None:
    chat = client.chat.completions.create(
        model="gpt-4.1-mini", messages=[{"role": "user", "content": TEXT}], max_completion_tokens=3
    )
    assert chat.choices[0].finish_reason == "length"
    assert chat.usage is not None
    assert chat.usage.completion_tokens <= 3
    response = client.responses.create(model="gpt-4.1-mini", input=TEXT, max_output_tokens=16)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def _picture(text: str | None = None, shade: int = 0) -> bytes:
    image = Image.new("L", (640, 480), 255)
    for x in range(40, 600, 40):
        image.paste(shade, (x, (x * 7 + shade) % 400, x + 20, (x * 7 + shade) % 400 + 60))
    info = PngInfo()
    if text is not None:
        info.add_itxt("Description", text)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _ask(client: OpenAI, data: bytes, kind: str = "png") -> Card | None:
    url = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    done = client.chat.completions.parse(
        model="gpt-4o",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Read the card."},
                    {"type": "image_url", "image_url": {"url": url}},
                ],
            }
        ],
        response_format=Card,
    )
    return done.choices[0].message.parsed


def test_a_picture_is_read_by_its_own_words_or_by_what_was_told_of_it(
    client: OpenAI, sandbox_server: SandboxServer
) -> None:
    carried = _ask(client, _picture(TEXT.replace("Ada Lovelace", "Zoë Ångström")))
    assert carried is not None
    assert carried.name == "Zoë Ångström"

    told = _picture(shade=90)
    answer = httpx.post(
        f"{sandbox_server.url}/_sandbox/images",
        json={"image": base64.b64encode(told).decode(), "text": TEXT},
    )
    assert answer.status_code == 200
    smaller = io.BytesIO()
    with Image.open(io.BytesIO(told)) as image:
        image.resize((400, 300)).save(smaller, "JPEG", quality=60)
    seen = _ask(client, smaller.getvalue(), "jpeg")
    assert seen is not None
    assert seen.name == "Ada Lovelace"

    other = _ask(client, _picture(shade=30))
    assert other is not None
    assert other.name != "Ada Lovelace"


def test_a_broken_picture_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="valid image"):
        _ask(client, b"not a picture")


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("429", openai.RateLimitError, "rate_limit_exceeded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("500", openai.InternalServerError, None),
        ("503", openai.InternalServerError, "service_unavailable"),
        ("context_length", openai.BadRequestError, "context_length_exceeded"),
    ],
)
def test_refusals_have_the_real_shape(
    client: OpenAI,
    sandbox_server: SandboxServer,
    kind: Any,
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    sandbox_server.sandbox.faults.add(kind, provider="openai", retry_after=3)
    with pytest.raises(error) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == code
    assert caught.value.response.headers.get("retry-after") == (
        "3" if kind in ("429", "500", "503") else None
    )
    assert caught.value.request_id is not None
    assert caught.value.request_id.startswith("req_sandbox_")


def test_the_client_s_own_retries_get_through(sandbox_server: SandboxServer, client: OpenAI) -> None:
    sandbox_server.sandbox.faults.add("429", times=2, retry_after=0.01)
    done = client.with_options(max_retries=2).responses.create(model="gpt-4o", input="Ada wrote.")
    assert "Ada" in done.output_text
    assert sandbox_server.sandbox.requests.of("/openai/v1/responses") == 3


def test_models_misbehave_on_demand(client: OpenAI, sandbox_server: SandboxServer) -> None:
    faults = sandbox_server.sandbox.faults

    def choice() -> Any:
        return client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": TEXT}],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "Card", "schema": Card.model_json_schema()},
            },
        ).choices[0]

    faults.add("malformed", times=1)
    with pytest.raises(json.JSONDecodeError):
        json.loads(choice().message.content)
    faults.add("truncated", times=1)
    cut = choice()
    assert cut.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut.message.content)
    faults.add("refusal", times=1)
    refused = choice().message
    assert refused.content is None
    assert refused.refusal.startswith("I'm sorry")
    faults.add("content_filter", times=1)
    assert choice().finish_reason == "content_filter"
    assert json.loads(choice().message.content)["name"] == "Ada Lovelace"

    faults.add("refusal", times=1)
    response = client.responses.create(model="gpt-4o", input=TEXT)
    assert response.output[0].content[0].type == "refusal"  # type: ignore[union-attr]
    faults.add("content_filter", times=1)
    filtered = client.responses.create(model="gpt-4o", input=TEXT)
    assert filtered.incomplete_details is not None
    assert filtered.incomplete_details.reason == "content_filter"


def test_a_stream_can_be_cut(client: OpenAI, sandbox_server: SandboxServer) -> None:
    sandbox_server.sandbox.faults.add("cut", times=2, after=2)
    stream = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": TEXT}], stream=True
    )
    assert next(stream).choices[0].delta.role == "assistant"
    assert next(stream).choices[0].delta.content
    with pytest.raises(httpx.RemoteProtocolError):
        next(stream)
    with pytest.raises(openai.APIConnectionError):
        client.responses.create(model="gpt-4o", input=TEXT)


def test_only_the_sandbox_s_key_is_taken(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided: sk-\\*\\*\\*cret"):
        client.with_options(api_key="sk-proj-somebody-s-real-secret").models.list()


def test_models_are_listed_and_unknown_ones_refused(client: OpenAI) -> None:
    assert "gpt-4.1-mini" in {model.id for model in client.models.list()}
    assert client.models.retrieve("gpt-4o").owned_by == "headway-sandbox"
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="gpt-9", input="x")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("changes", "param", "said"),
    [
        ({"messages": []}, "messages", "minimum length 1"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "wizard"),
        ({"temperature": 0.5, "model": "gpt-5"}, "temperature", "does not support 0.5"),
        ({"temperature": 9}, "temperature", "Expected a value <= 2"),
        ({"top_p": -1}, "top_p", "Expected a value >= 0"),
        ({"temperature": "warm"}, "temperature", "expected a decimal"),
        ({"max_tokens": 5, "model": "gpt-5"}, "max_tokens", "max_completion_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens", ">= 1"),
        ({"max_completion_tokens": 999_999}, "max_completion_tokens", "too large"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "xml"),
        ({"response_format": {"type": "json_object"}}, "messages", "the word 'json'"),
        ({"extra_body": {"colour": "red"}}, "colour", "Unknown parameter"),
        ({"tools": []}, "tools", "does not support"),
    ],
)
def test_wrong_requests_are_refused_as_the_real_ones_are(
    client: OpenAI, changes: dict[str, Any], param: str, said: str
) -> None:
    request: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], **changes}
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        client.chat.completions.create(**request)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "array", "items": {"type": "string"}}, "type: \"object\""),
        ({"type": "object", "properties": {}, "required": []}, "'additionalProperties' is required"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": [],
             "additionalProperties": False},
            "Missing 'a'",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}, "required": ["a"],
             "additionalProperties": False},
            "'default' is not permitted",
        ),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/A", "description": "x"}},
             "required": ["a"], "additionalProperties": False, "$defs": {"A": {"type": "string"}}},
            "\\$ref cannot have keywords",
        ),
    ],
)  # fmt: skip
def test_strict_schemas_are_checked(client: OpenAI, schema: dict[str, Any], said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        client.responses.create(
            model="gpt-4o",
            input="x",
            text={"format": {"type": "json_schema", "name": "S", "schema": schema, "strict": True}},
        )
    assert caught.value.code == "invalid_json_schema"


def test_browsers_get_short_lived_secrets(client: OpenAI) -> None:
    made = client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "model": "gpt-realtime", "instructions": "Ask about skills."},
    )
    assert made.value.startswith("ek_sandbox_")
    assert 0 < made.expires_at - time.time() <= 61
    assert made.session.instructions == "Ask about skills."
    with pytest.raises(openai.BadRequestError) as caught:
        client.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 5})
    assert caught.value.param == "expires_after.seconds"
