"""What the real OpenAI client is made to send, and what every kind of answer becomes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import respx
from pydantic import BaseModel, Field

from headway import BudgetExceeded, ConfigError, Retry
from support.paying import Purse
from workers.llm import (
    AnswerInvalid,
    AnswerTooLong,
    ContentFiltered,
    Image,
    LlmSettings,
    ModelRefused,
    PriceList,
    Prompt,
    PromptTooLong,
    TextModel,
    retries,
)
from workers.llm.clients import openai_client
from workers.llm.errors import ProviderDenied, QuotaExhausted
from workers.llm.openai_adapter import OpenAIAdapter

URL = "https://api.test/v1/chat/completions"
PROMPT = Prompt(system="You read cards.", user="<document>\nAda\n</document>")


class Card(BaseModel):
    name: str
    years: int | None = Field(default=None, ge=0)


@pytest.fixture
def api() -> Any:
    with respx.mock(assert_all_called=False) as router:
        yield router.post(URL)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pauses that nobody asked for take no time; those that a provider asks for are milliseconds below.
    monkeypatch.setattr(retries, "_backoff", lambda state: 0.0)


@pytest.fixture
async def model() -> AsyncIterator[TextModel]:
    settings = LlmSettings(
        openai_api_key="sk-test", openai_base_url="https://api.test/v1", openai_model="gpt-4.1-mini"
    )
    async with openai_client(settings) as client:
        yield TextModel(OpenAIAdapter(client), settings.openai_model, PriceList.load(), settings)


def answer(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> httpx.Response:
    return httpx.Response(
        200,
        json={
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4.1-mini-2025-04-14",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, "refusal": refusal},
                    "finish_reason": finish,
                }
            ],
            "usage": {
                "prompt_tokens": 1000,
                "completion_tokens": 100,
                "total_tokens": 1100,
                "prompt_tokens_details": {"cached_tokens": 400},
            },
        },
    )


def error(status: int, code: str | None, **headers: str) -> httpx.Response:
    body = {"error": {"message": "no", "type": "x", "param": None, "code": code}}
    return httpx.Response(status, json=body, headers=headers)


def sent(route: respx.Route, number: int = -1) -> dict[str, Any]:
    return json.loads(route.calls[number].request.content)


ADA = '{"name": "Ada", "years": 36}'


async def test_the_request_is_a_strict_structured_one(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=answer(ADA))
    card = await model.complete(
        PROMPT, schema=Card, images=[Image(b"\xff\xd8", "image/jpeg")], ctx=Purse(), max_tokens=500
    )
    assert card == Card(name="Ada", years=36)
    body = sent(api)
    assert body["messages"] == [
        {"role": "system", "content": "You read cards."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": PROMPT.user},
                {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9g=", "detail": "high"}},
            ],
        },
    ]
    assert body["max_completion_tokens"] == 500
    form = body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["name"] == "Card"
    assert form["schema"]["required"] == ["name", "years"]
    assert form["schema"]["additionalProperties"] is False
    assert "default" not in form["schema"]["properties"]["years"]
    assert api.calls[0].request.headers["authorization"] == "Bearer sk-test"


async def test_usage_and_exact_cost_are_recorded(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=answer("Hello."))
    purse = Purse()
    assert await model.complete(PROMPT, ctx=purse, step="greet") == "Hello."
    assert [(row["unit"], row["quantity"], row["cost"]) for row in purse.rows] == [
        ("input_token", 600, Decimal("0.00024")),
        ("cached_input_token", 400, Decimal("0.00004")),
        ("output_token", 100, Decimal("0.00016")),
    ]
    assert {row["model"] for row in purse.rows} == {"gpt-4.1-mini-2025-04-14"}
    assert {row["step"] for row in purse.rows} == {"greet"}
    assert purse.reserved[0] >= purse.spent


async def test_nothing_is_sent_that_the_budget_does_not_allow(api: respx.Route, model: TextModel) -> None:
    with pytest.raises(BudgetExceeded):
        await model.complete(PROMPT, ctx=Purse(budget=Decimal("0.0001")))
    assert not api.called


async def test_rate_limits_and_server_errors_are_waited_out(api: respx.Route, model: TextModel) -> None:
    api.mock(
        side_effect=[
            error(429, "rate_limit_exceeded", **{"retry-after-ms": "5"}),
            error(500, None),
            httpx.ConnectError("no route"),
            answer(ADA),
        ]
    )
    purse = Purse()
    assert (await model.complete(PROMPT, schema=Card, ctx=purse)).name == "Ada"
    assert api.call_count == 4
    # What was never answered has cost nothing, and each try was reserved by itself.
    assert purse.released == 3
    assert len(purse.reserved) == 4


async def test_a_long_pause_is_left_to_the_job(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=error(429, "rate_limit_exceeded", **{"retry-after": "120"}))
    with pytest.raises(Retry) as caught:
        await model.complete(PROMPT, ctx=Purse())
    assert caught.value.after == 120
    assert caught.value.code == "provider_rate_limited"
    assert api.call_count == 1


async def test_a_pause_that_the_job_has_no_time_for_is_left_to_the_job(
    api: respx.Route, model: TextModel
) -> None:
    api.mock(return_value=error(429, "rate_limit_exceeded", **{"retry-after": "10"}))
    with pytest.raises(Retry) as caught:
        await model.complete(PROMPT, ctx=Purse(time_left=3))
    assert caught.value.after == 10
    assert api.call_count == 1


async def test_faults_that_do_not_pass_end_the_tries(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=error(503, None))
    with pytest.raises(Retry) as caught:
        await model.complete(PROMPT, ctx=Purse())
    assert caught.value.code == "provider_unavailable"
    assert api.call_count == 4


@pytest.mark.parametrize(
    "fault", [httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.ReadError("reset")]
)
async def test_a_call_that_may_have_been_answered_counts_in_full(
    api: respx.Route, model: TextModel, fault: Exception
) -> None:
    api.mock(side_effect=[fault, answer(ADA)])
    purse = Purse()
    await model.complete(PROMPT, schema=Card, ctx=purse)
    assert purse.rows[0]["cost"] == purse.reserved[0]
    assert purse.rows[0]["unit"] == "token"
    assert purse.released == 0


@pytest.mark.parametrize(
    ("response", "meaning", "code"),
    [
        (error(429, "insufficient_quota"), QuotaExhausted, "provider_quota_exhausted"),
        (error(400, "context_length_exceeded"), PromptTooLong, "prompt_too_long"),
        (error(400, "content_filter"), ContentFiltered, "content_filtered"),
        (error(401, "invalid_api_key"), ProviderDenied, "provider_denied"),
        (error(404, "model_not_found"), ProviderDenied, "provider_denied"),
        (answer(None, refusal="I cannot help with that."), ModelRefused, "model_refused"),
        (answer("", finish="content_filter"), ContentFiltered, "content_filtered"),
    ],
)
async def test_refusals_are_not_tried_again(
    api: respx.Route, model: TextModel, response: httpx.Response, meaning: type[Exception], code: str
) -> None:
    api.mock(return_value=response)
    with pytest.raises(meaning) as caught:
        await model.complete(PROMPT, schema=Card, ctx=Purse())
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert caught.value.hint  # type: ignore[attr-defined]
    assert "sk-test" not in str(caught.value)
    assert api.call_count == 1


async def test_a_malformed_answer_goes_back_with_what_is_wrong(api: respx.Route, model: TextModel) -> None:
    api.mock(side_effect=[answer('{"name": "Ada", "years": -3}'), answer("{oops"), answer(ADA)])
    purse = Purse()
    assert (await model.complete(PROMPT, schema=Card, ctx=purse)).years == 36
    second, third = sent(api, 1)["messages"], sent(api, 2)["messages"]
    assert second[-2] == {"role": "assistant", "content": '{"name": "Ada", "years": -3}'}
    assert "years: Input should be greater than or equal to 0" in second[-1]["content"]
    assert third[-2]["content"] == "{oops"
    assert len(third) == 4
    assert len([row for row in purse.rows if row["unit"] == "output_token"]) == 3


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>Sign in</html>", headers={"content-type": "text/html"}),
        httpx.Response(200, content=b"\xff\xfe", headers={"content-type": "application/json"}),
        httpx.Response(200, json={"id": "x", "object": "chat.completion", "model": "m", "choices": []}),
        httpx.Response(200, json={"error": {"message": "overloaded"}}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"choices": [{"index": 0, "finish_reason": "stop", "message": None}]}),
    ],
)
async def test_an_answer_that_cannot_be_read_is_asked_for_again_and_counts_in_full(
    api: respx.Route, model: TextModel, response: httpx.Response
) -> None:
    api.mock(side_effect=[response, answer(ADA)])
    purse = Purse()
    assert (await model.complete(PROMPT, schema=Card, ctx=purse)).name == "Ada"
    assert purse.rows[0]["cost"] == purse.reserved[0]
    api.mock(return_value=response)
    with pytest.raises(Retry, match="could not be read") as caught:
        await model.complete(PROMPT, schema=Card, ctx=Purse())
    assert caught.value.code == "provider_answer_broken"


async def test_letters_that_cannot_be_stored_are_given_back(api: respx.Route, model: TextModel) -> None:
    api.mock(side_effect=[answer('{"name": "Ren\\u0000e9"}'), answer('{"name": "Ren\\u00e9"}')])
    assert (await model.complete(PROMPT, schema=Card, ctx=Purse())).name == "Ren\u00e9"
    assert "name: the text has a NUL character" in sent(api)["messages"][-1]["content"]
    api.mock(return_value=answer('{"name": "\\\\u0000 is NUL"}'))
    assert (await model.complete(PROMPT, schema=Card, ctx=Purse())).name == "\\u0000 is NUL"


async def test_an_empty_answer_is_asked_for_anew(api: respx.Route, model: TextModel) -> None:
    api.mock(side_effect=[answer(None), answer(ADA)])
    assert (await model.complete(PROMPT, schema=Card, ctx=Purse())).name == "Ada"
    assert sent(api, 1) == sent(api, 0)


async def test_corrections_have_an_end(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=answer('{"years": "secret words of the document"}'))
    with pytest.raises(AnswerInvalid, match="name: Field required") as caught:
        await model.complete(PROMPT, schema=Card, ctx=Purse())
    assert "secret words" not in str(caught.value)
    assert api.call_count == 3


async def test_a_fence_around_the_answer_is_forgiven(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=answer(f"```json\n{ADA}\n```"))
    assert (await model.complete(PROMPT, schema=Card, ctx=Purse())).name == "Ada"


@pytest.mark.parametrize(
    ("name", "thinking", "effort", "limit", "temperature"),
    [
        ("gpt-4.1-mini", 0, None, 500, 0),
        ("gpt-5", 0, "minimal", 500, None),
        ("gpt-5-mini-2025-08-07", 0, "minimal", 500, None),
        ("gpt-5-nano", 2_000, "low", 2_500, None),
    ],
)
async def test_models_that_think_leave_room_for_the_answer(
    api: respx.Route, name: str, thinking: int, effort: str | None, limit: int, temperature: float | None
) -> None:
    settings = LlmSettings(
        openai_api_key="sk-test", openai_base_url="https://api.test/v1", thinking_tokens=thinking
    )
    api.mock(return_value=answer(ADA))
    purse = Purse()
    async with openai_client(settings) as client:
        model = TextModel(OpenAIAdapter(client), name, PriceList.load(), settings)
        await model.complete(PROMPT, schema=Card, ctx=purse, max_tokens=500, temperature=0)
    body = sent(api)
    assert body.get("reasoning_effort") == effort
    assert body["max_completion_tokens"] == limit
    # Such a model refuses a call with a temperature.
    assert body.get("temperature") == temperature
    assert purse.reserved[0] >= PriceList.load().cost("openai", name, "output_token", limit)


async def test_an_answer_that_was_cut_off_gets_more_room(api: respx.Route, model: TextModel) -> None:
    api.mock(side_effect=[answer('{"name": "A', finish="length"), answer(ADA)])
    assert (await model.complete(PROMPT, schema=Card, ctx=Purse(), max_tokens=100)).name == "Ada"
    assert [sent(api, n)["max_completion_tokens"] for n in (0, 1)] == [100, 200]
    api.mock(return_value=answer("Once upon", finish="length"))
    with pytest.raises(AnswerTooLong, match="100 tokens"):
        await model.complete(PROMPT, ctx=Purse(), max_tokens=100)


def events(*values: Any, done: bool = True) -> list[bytes]:
    lines = [f"data: {json.dumps(value)}\n\n".encode() for value in values]
    return [*lines, b"data: [DONE]\n\n"] if done else lines


def chunk(content: str | None = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    words = {"content": content} if content is not None else {}
    choice = {"index": 0, "delta": {**words, **delta}, "finish_reason": finish}
    return {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4.1-mini",
        "choices": [choice],
    }  # fmt: skip


USAGE = {
    "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4.1-mini", "choices": [],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
}  # fmt: skip


class Bytes(httpx.AsyncByteStream):
    def __init__(self, parts: list[bytes], fault: Exception | None = None) -> None:
        self._parts, self._fault = parts, fault

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part
        if self._fault is not None:
            raise self._fault


def streamed(parts: list[bytes], fault: Exception | None = None) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Bytes(parts, fault))


async def test_text_is_streamed_and_paid_for(api: respx.Route, model: TextModel) -> None:
    api.mock(
        side_effect=[
            error(503, None),
            streamed(events(chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE)),
        ]
    )
    purse = Purse()
    assert [piece async for piece in model.stream(PROMPT, ctx=purse)] == ["Hel", "lo"]
    assert sent(api)["stream_options"] == {"include_usage": True}
    assert purse.spent == Decimal("0.0000072")
    assert purse.released == 1


@pytest.mark.parametrize("fault", [None, httpx.RemoteProtocolError("cut")])
async def test_a_stream_that_is_cut_ends_the_attempt_and_counts_in_full(
    api: respx.Route, model: TextModel, fault: Exception | None
) -> None:
    api.mock(return_value=streamed(events(chunk("Hel"), done=False), fault))
    purse = Purse()
    got = []
    with pytest.raises(Retry):  # noqa: PT012
        async for piece in model.stream(PROMPT, ctx=purse):
            got.append(piece)
    assert got == ["Hel"]
    assert api.call_count == 1
    assert purse.spent == purse.reserved[0]


async def test_a_stream_that_is_left_early_counts_in_full(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=streamed(events(chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE)))
    purse = Purse()
    pieces = model.stream(PROMPT, ctx=purse)
    assert await anext(pieces) == "Hel"
    await pieces.aclose()  # type: ignore[attr-defined]
    assert purse.spent == purse.reserved[0]


async def test_a_streamed_refusal_is_one(api: respx.Route, model: TextModel) -> None:
    api.mock(return_value=streamed(events(chunk(refusal="No."), chunk(finish="stop"), USAGE)))
    with pytest.raises(ModelRefused, match=r"No\."):
        assert [piece async for piece in model.stream(PROMPT, ctx=Purse())] == []


async def test_a_model_without_a_price_is_never_called() -> None:
    settings = LlmSettings(openai_api_key="sk-test", openai_model="gpt-9")
    async with openai_client(settings) as client:
        with pytest.raises(ConfigError, match="no price for openai gpt-9"):
            TextModel(OpenAIAdapter(client), settings.openai_model, PriceList.load(), settings)


async def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        async with openai_client(LlmSettings()):
            pass
