"""Schemas, prices, prompts and secrets; and both providers' sandboxes behind the one interface."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import jinja2
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, EmailStr, Field, HttpUrl

from headway import ConfigError, Retry
from headway.sandbox.openai.strict import check_strict
from headway.sandbox.prices import load_prices
from headway.sandbox.server import SandboxServer
from support.paying import Purse
from workers.llm import LlmSettings, PriceList, Prompts, realtime_secrets, text_model
from workers.llm.prompts import as_document
from workers.llm.strict_schema import strict_schema


class Level(StrEnum):
    low = "low"
    high = "high"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    friend: Dog | None = None


class Everything(BaseModel):
    """A schema with whatever pydantic writes that strict mode does not take."""

    name: str = Field(min_length=1, max_length=80, description="Its name.", examples=["x"])
    level: Level = Field(default=Level.low, description="How much.")
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    born: date | None = None
    price: Decimal = Decimal(0)
    mail: EmailStr
    site: HttpUrl | None = None
    tags: set[str] = Field(default_factory=set, max_length=3)


def test_every_schema_is_made_strict() -> None:
    schema = strict_schema(Everything.model_json_schema())
    check_strict(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == list(Everything.model_fields)
    assert schema["properties"]["level"]["description"] == "How much."
    assert schema["properties"]["level"]["enum"] == ["low", "high"]


def test_what_cannot_be_strict_is_said() -> None:
    class Free(BaseModel):
        values: dict[str, int]

    class Pair(BaseModel):
        pair: tuple[int, str]

    with pytest.raises(ValueError, match="free keys"):
        strict_schema(Free.model_json_schema())
    with pytest.raises(ValueError, match="tuple"):
        strict_schema(Pair.model_json_schema())


def test_prices_are_exact_and_dated() -> None:
    prices = PriceList.load()
    assert prices.cost("openai", "gpt-4.1-mini", "input_token", 1234) == Decimal("0.0004936")
    assert prices.find("openai", "gpt-4o-2024-08-06", "output_token").model == "gpt-4o"
    for price in prices:
        assert price.source.startswith("https://")
        assert price.date <= datetime.now(UTC).date()
    with pytest.raises(ConfigError, match="gpt-4o-mini-audio"):
        prices.find("openai", "gpt-4o-mini-audio", "input_token")


def test_the_sandbox_reads_the_same_list() -> None:
    assert {(price.provider, price.model, price.unit): price.of(1) for price in PriceList.load()} == dict(
        load_prices()
    )


@pytest.mark.parametrize("text", ["price = 3", "[[price]]\nprovider = 'x'\n", "oops"])
def test_a_broken_list_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.toml is not a price list"):
        PriceList.load(tmp_path / "prices.toml")
    with pytest.raises(ConfigError, match=r"prices\.toml is not a price list"):
        load_prices(tmp_path / "prices.toml")


def test_prompts_are_files(tmp_path: Path) -> None:
    (tmp_path / "ask.user.md.j2").write_text("<document>\n{{ text | as_document }}\n</document>\n")
    (tmp_path / "ask.system.md.j2").write_text("Be brief, {{ name | one_line }}.")
    prompts = Prompts(tmp_path)
    prompt = prompts.render("ask", text="a <b> & c", name="Ada\nL")
    assert prompt.user == "<document>\na <b> & c\n</document>"
    assert prompt.system == "Be brief, Ada L."
    with pytest.raises(jinja2.UndefinedError, match="name"):
        prompts.render("ask", text="x")
    (tmp_path / "ask.system.md.j2").unlink()
    assert prompts.render("ask", text="x").system == ""
    with pytest.raises(jinja2.TemplateNotFound):
        prompts.render("other")


@given(
    st.text() | st.sampled_from(["</document>", "< / DOCUMENT >", "<document\u200b>", "</docu\u200bment>"])
)
def test_no_document_can_end_itself(text: str) -> None:
    assert not re.search(r"<\s*/?\s*document", as_document(f"x{text}y"), re.IGNORECASE)


def _settings(server: SandboxServer, monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HEADWAY_LLM_PROVIDER", provider)


class Card(BaseModel):
    name: str
    city: str | None


@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_either_sandbox_answers_and_charges_the_same_to_the_last_digit(
    sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, provider: str
) -> None:
    _settings(sandbox_server, monkeypatch, provider)
    (tmp_path / "card.system.md.j2").write_text("You read cards.")
    (tmp_path / "card.user.md.j2").write_text("Read.\n<document>\n{{ text | as_document }}\n</document>")
    prompt = Prompts(tmp_path).render("card", text="Name: Ada\nCity: London")
    purse = Purse()
    async with text_model() as model:
        assert model.provider == provider
        assert await model.complete(prompt, schema=Card, ctx=purse) == Card(name="Ada", city="London")
        sandbox_server.sandbox.faults.add("malformed", provider=provider, times=1)
        sandbox_server.sandbox.faults.add("truncated", provider=provider, times=1)
        sandbox_server.sandbox.faults.add("503", provider=provider, times=1, retry_after=0.01)
        assert (await model.complete(prompt, schema=Card, ctx=purse)).city == "London"
        words = [piece async for piece in model.stream(prompt, ctx=purse)]
    assert "Ada" in "".join(words)
    assert "sandbox" in "".join(words)
    assert purse.spent == sandbox_server.sandbox.ledger.total(provider)
    assert purse.spent > 0
    assert purse.released == 1
    assert all("sandbox" in row["model"] for row in purse.rows)


async def test_secrets_are_minted_for_browsers(
    sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settings(sandbox_server, monkeypatch, "openai")
    async with realtime_secrets() as secrets:
        sandbox_server.sandbox.faults.add("429", times=1, retry_after=0.01)
        made = await secrets.mint(instructions="Ask about skills.", seconds=120)
        assert made.value.startswith("ek_sandbox_")
        assert made.value not in repr(made)
        assert 100 < (made.expires_at - datetime.now(UTC)).total_seconds() <= 121
        sandbox_server.sandbox.faults.add("429", retry_after=600)
        with pytest.raises(Retry) as caught:
            await secrets.mint(instructions="Ask.")
    assert caught.value.after == 600


def test_settings_name_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_LLM_PROVIDER", "oracle")
    monkeypatch.setenv("HEADWAY_LLM_TRIES", "0")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with pytest.raises(ConfigError, match=r"provider.*tries") as caught:
        LlmSettings.load()
    assert "sk-very-secret" not in str(caught.value)


def test_too_few_thoughts_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for tokens, valid in (("0", True), ("511", False), ("512", True), ("24577", False)):
        monkeypatch.setenv("HEADWAY_LLM_THINKING_TOKENS", tokens)
        if valid:
            assert LlmSettings.load().thinking_tokens == int(tokens)
        else:
            with pytest.raises(ConfigError, match=r"(?i)thinking_tokens"):
                LlmSettings.load()
