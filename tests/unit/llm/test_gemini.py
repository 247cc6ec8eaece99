"""What the real google-genai client is made to send, and what every kind of answer becomes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any

import httpx
import pytest
import respx
from pydantic import BaseModel, Field

from headway import Retry
from support.paying import Purse
from workers.llm import (
    AnswerTooLong,
    ContentFiltered,
    FileUri,
    Image,
    LlmSettings,
    PriceList,
    Prompt,
    PromptTooLong,
    TextModel,
    retries,
)
from workers.llm.clients import gemini_client
from workers.llm.errors import ProviderDenied, QuotaExhausted
from workers.llm.gemini_adapter import GeminiAdapter

URL = "https://gemini.test/v1beta/models/gemini-2.5-flash:generateContent"
STREAM_URL = "https://gemini.test/v1beta/models/gemini-2.5-flash:streamGenerateContent"
PROMPT = Prompt(system="You read cards.", user="Ada")


class Card(BaseModel):
    name: str


@pytest.fixture
def api() -> Any:
    with respx.mock(assert_all_called=False) as router:
        yield router.post(URL)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_backoff", lambda state: 0.0)


@pytest.fixture
async def model() -> AsyncIterator[TextModel]:
    settings = LlmSettings(gemini_api_key="g-test", gemini_base_url="https://gemini.test", repairs=1)
    async with gemini_client(settings) as client:
        yield TextModel(GeminiAdapter(client), settings.gemini_model, PriceList.load(), settings)


def body(text: str, finish: str = "STOP") -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}],
        "usageMetadata": {
            "promptTokenCount": 1000,
            "candidatesTokenCount": 80,
            "thoughtsTokenCount": 20,
            "totalTokenCount": 1100,
        },
        "modelVersion": "gemini-2.5-flash",
    }


def answer(text: str, finish: str = "STOP") -> httpx.Response:
    return httpx.Response(200, json=body(text, finish))


def error(code: int, status: str, message: str = "no", *details: dict[str, Any]) -> httpx.Response:
    return httpx.Response(
        code,
        json={"error": {"code": code, "status": status, "message": message, "details": list(details)}},
    )


def retry_info(delay: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def quota(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}


async def test_the_request_asks_for_json_by_the_schema(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=answer('{"name": "Ada"}'))
    purse = Purse()
    shown = [Image(b"\xff\xd8", "image/jpeg"), FileUri("https://files.test/f1", "video/mp4", 5000)]
    assert await model.complete(PROMPT, schema=Card, images=shown, ctx=purse) == Card(name="Ada")
    sent = json.loads(api.calls[0].request.content)
    assert sent["systemInstruction"]["parts"] == [{"text": "You read cards."}]
    parts = sent["contents"][0]["parts"]
    assert "image/jpeg" in parts[0]["inlineData"].values()
    assert set(parts[1]["fileData"].values()) == {"https://files.test/f1", "video/mp4"}
    assert parts[2] == {"text": "Ada"}
    config = sent["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["properties"] == {"name": {"title": "Name", "type": "string"}}
    assert api.calls[0].request.headers["x-goog-api-key"] == "g-test"
    # Thoughts are paid as output.
    assert [(row["unit"], row["quantity"], row["cost"]) for row in purse.rows] == [
        ("input_token", 1000, Decimal("0.0003")),
        ("output_token", 100, Decimal("0.00025")),
    ]


@pytest.mark.parametrize(
    ("status", "name", "said", "shown"),
    [
        (400, "INVALID_ARGUMENT", "Unsupported MIME type:\n video/x-matroska", True),
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", False),
        (403, "PERMISSION_DENIED", "Consumer 'api_key:g-test' has been suspended.", False),
    ],
)
async def test_what_it_does_not_like_is_said_in_its_words_but_never_a_key(
    api: respx.Route, model: TextModel, status: int, name: str, said: str, shown: bool
) -> None:
    api.mock(return_value=error(status, name, said))
    with pytest.raises(ProviderDenied) as denied:
        await model.complete(PROMPT, ctx=Purse())
    assert (" ".join(said.split()) in denied.value.message) == shown
    assert ("GEMINI_API_KEY" in str(denied.value.hint)) != shown
    assert "g-test" not in str(denied.value)


class Shelf(BaseModel):
    cards: Annotated[list[Card], Field(min_length=1, max_length=5_000)]
    maxItems: Annotated[str, Field(max_length=10, pattern="^[a-z]*$")] = ""  # a name like a keyword stays


async def test_bounds_are_not_sent_but_held(api: respx.Route, model: TextModel) -> None:
    api.mock(side_effect=[answer('{"cards": []}'), answer('{"cards": [{"name": "Ada"}]}')])
    shelf = await model.complete(PROMPT, schema=Shelf, ctx=Purse())
    assert shelf.cards == [Card(name="Ada")]
    sent = json.loads(api.calls[0].request.content)["generationConfig"]["responseJsonSchema"]
    assert sent["properties"] == {
        "cards": {"items": {"$ref": "#/$defs/Card"}, "title": "Cards", "type": "array"},
        "maxItems": {"title": "Maxitems", "type": "string"},
    }


async def test_faults_that_pass_are_waited_out_once(api: respx.Route, model: TextModel) -> None:
    api.mock(
        side_effect=[
            error(429, "RESOURCE_EXHAUSTED", "slow down", retry_info("0.005s")),
            error(503, "UNAVAILABLE"),
            httpx.ReadTimeout("slow"),
            answer('{"name": "Ada"}'),
        ]
    )
    purse = Purse()
    assert (await model.complete(PROMPT, schema=Card, ctx=purse)).name == "Ada"
    # The client's own retries are off: no fault is seen twice.
    assert api.call_count == 4
    assert purse.released == 2
    assert purse.rows[0]["cost"] == purse.reserved[2]


async def test_a_long_delay_is_left_to_the_job(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=error(429, "RESOURCE_EXHAUSTED", "slow down", retry_info("61s")))
    with pytest.raises(Retry) as caught:
        await model.complete(PROMPT, ctx=Purse())
    assert caught.value.after == 61
    assert api.call_count == 1


@pytest.mark.parametrize(
    ("response", "meaning"),
    [
        (
            error(429, "RESOURCE_EXHAUSTED", "no", quota("GenerateRequestsPerDayPerProject")),
            QuotaExhausted,
        ),
        (
            error(429, "RESOURCE_EXHAUSTED", "Quota exceeded, please check your plan and billing details"),
            QuotaExhausted,
        ),
        (error(400, "INVALID_ARGUMENT", "The input token count exceeds the maximum"), PromptTooLong),
        (error(400, "INVALID_ARGUMENT", "API key not valid."), ProviderDenied),
        (answer("", "SAFETY"), ContentFiltered),
        (httpx.Response(200, json={"promptFeedback": {"blockReason": "SAFETY"}}), ContentFiltered),
    ],
)  # fmt: skip
async def test_refusals_are_not_tried_again(
    api: respx.Route, model: TextModel, response: httpx.Response, meaning: type[Exception]
) -> None:
    api.mock(return_value=response)
    with pytest.raises(meaning):
        await model.complete(PROMPT, schema=Card, ctx=Purse())
    assert api.call_count == 1


async def test_malformed_and_truncated_answers_are_asked_for_again(
    api: respx.Route, model: TextModel
) -> None:
    api.mock(side_effect=[answer("[]"), answer('{"name": "Ada"}')])
    assert (await model.complete(PROMPT, schema=Card, ctx=Purse())).name == "Ada"
    again = json.loads(api.calls[1].request.content)["contents"]
    assert [turn["role"] for turn in again] == ["user", "model", "user"]
    api.mock(return_value=answer('{"na', "MAX_TOKENS"))
    with pytest.raises(AnswerTooLong):
        await model.complete(PROMPT, schema=Card, ctx=Purse(), max_tokens=10)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>Sign in</html>", headers={"content-type": "text/html"}),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"candidates": "none"}),
        httpx.Response(200, content=b"\xff\xfe"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_asked_for_again_and_counts_in_full(
    api: respx.Route, model: TextModel, response: httpx.Response
) -> None:
    api.mock(side_effect=[response, answer('{"name": "Ada"}')])
    purse = Purse()
    assert (await model.complete(PROMPT, schema=Card, ctx=purse)).name == "Ada"
    assert purse.rows[0]["cost"] == purse.reserved[0]


@pytest.mark.parametrize(("thinking", "limit"), [(0, 500), (1_000, 1_500)])
async def test_thoughts_leave_room_for_the_answer(api: respx.Route, thinking: int, limit: int) -> None:
    settings = LlmSettings(
        gemini_api_key="g-test", gemini_base_url="https://gemini.test", thinking_tokens=thinking
    )
    api.mock(return_value=answer('{"name": "Ada"}'))
    async with gemini_client(settings) as client:
        model = TextModel(GeminiAdapter(client), settings.gemini_model, PriceList.load(), settings)
        await model.complete(PROMPT, schema=Card, ctx=Purse(), max_tokens=500)
    config = json.loads(api.calls[0].request.content)["generationConfig"]
    budget = next(iter(config["thinkingConfig"].values()))
    assert (budget, config["maxOutputTokens"]) == (thinking, limit)


async def test_text_is_streamed(model: TextModel) -> None:
    chunks = [body("Hel"), body("lo")]
    del chunks[0]["candidates"][0]["finishReason"]
    lines = "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks)
    purse = Purse()
    with respx.mock as router:
        router.post(STREAM_URL).mock(return_value=httpx.Response(200, text=lines))
        assert [piece async for piece in model.stream(PROMPT, ctx=purse)] == ["Hel", "lo"]
    assert purse.spent == Decimal("0.00055")


async def test_a_cut_stream_ends_the_attempt(model: TextModel) -> None:
    chunk = body("Hel")
    del chunk["candidates"][0]["finishReason"]
    purse = Purse()
    with respx.mock as router:
        router.post(STREAM_URL).mock(
            return_value=httpx.Response(200, text=f"data: {json.dumps(chunk)}\r\n\r\n")
        )
        with pytest.raises(Retry):
            assert [piece async for piece in model.stream(PROMPT, ctx=purse)]
    assert purse.spent == purse.reserved[0]


async def test_a_part_of_a_video_is_sent_and_its_sound_has_its_own_price(api: Any, model: TextModel) -> None:
    heard = body('{"name": "Ada"}')
    heard["usageMetadata"]["promptTokensDetails"] = [
        {"modality": "TEXT", "tokenCount": 100},
        {"modality": "VIDEO", "tokenCount": 800},
        {"modality": "AUDIO", "tokenCount": 100},
    ]
    api.mock(return_value=httpx.Response(200, json=heard))
    purse = Purse()
    part = FileUri("https://gemini.test/v1beta/files/a", "video/mp4", 4000, start=60, end=72.5)
    await model.complete(PROMPT, schema=Card, ctx=purse, images=[part])
    sent = json.loads(api.calls.last.request.content)["contents"][0]["parts"][0]
    assert sent["videoMetadata"] == {"start_offset": "60.000s", "end_offset": "72.500s"}
    assert purse.spent == (Decimal("0.30") * 900 + Decimal("1.00") * 100 + Decimal("2.50") * 100) / 1_000_000
