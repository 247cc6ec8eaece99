"""A kind's JSON Schema refuses payloads that do not fit before a job exists."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from support.engine import Engine, Refused


class Slide(BaseModel):
    """Part of a payload."""

    title: str = Field(min_length=1, max_length=20)
    order: int = Field(ge=0, lt=100)
    hints: list[str] = Field(default_factory=list, max_length=2)


class Deck(BaseModel):
    """A payload as a worker's model describes it."""

    model_config = ConfigDict(extra="forbid")

    slides: list[Slide] = Field(min_length=1)
    tone: Literal["calm", "bold"] = "calm"
    budget: float | None = Field(default=None, gt=0)
    notes: dict[str, int] = Field(default_factory=dict)
    cover: Slide | str | None = None


SLIDE = {"title": "One", "order": 1}

REFUSED = [
    ({}, "payload.slides", "is missing"),
    ([], "payload", "must be object, not array"),
    ("deck", "payload", "must be object, not string"),
    ({"slides": []}, "payload.slides", "must have at least 1 entries"),
    ({"slides": {}}, "payload.slides", "must be array, not object"),
    ({"slides": [SLIDE, {"title": "x"}]}, "payload.slides[1].order", "is missing"),
    ({"slides": [SLIDE | {"order": 1.5}]}, "payload.slides[0].order", "must be integer, not number"),
    ({"slides": [SLIDE | {"order": -1}]}, "payload.slides[0].order", "must be at least 0"),
    ({"slides": [SLIDE | {"order": 100}]}, "payload.slides[0].order", "must be less than 100"),
    ({"slides": [SLIDE | {"title": ""}]}, "payload.slides[0].title", "must have at least 1 characters"),
    ({"slides": [SLIDE | {"title": "x" * 21}]}, "payload.slides[0].title", "must have at most 20 characters"),
    ({"slides": [SLIDE | {"hints": ["a", 2]}]}, "payload.slides[0].hints[1]", "must be string, not number"),
    ({"slides": [SLIDE | {"hints": ["a"] * 3}]}, "payload.slides[0].hints", "must have at most 2 entries"),
    ({"slides": [SLIDE], "tone": "loud"}, "payload.tone", 'must be one of ["calm", "bold"]'),
    ({"slides": [SLIDE], "budget": 0}, "payload.budget", "must be more than 0"),
    ({"slides": [SLIDE], "notes": {"a": "b"}}, "payload.notes.a", "must be integer, not string"),
    ({"slides": [SLIDE], "colour": "red"}, "payload.colour", "is not allowed"),
    ({"slides": [SLIDE], "cover": {"title": "x"}}, "payload.cover.order", "is missing"),
]

ACCEPTED: list[object] = [
    {"slides": [SLIDE]},
    {"slides": [SLIDE | {"order": 2.0}], "budget": None},
    {"slides": [SLIDE], "budget": 0.5, "tone": "bold", "notes": {"a": 1}, "cover": "plain"},
    {"slides": [SLIDE], "cover": SLIDE},
    {"slides": [SLIDE], "cover": None},
]


async def test_payloads_that_do_not_fit_are_refused_with_their_path(engine: Engine) -> None:
    await engine.worker({"kind": "k.deck", "payload_schema": Deck.model_json_schema()}, "k.free")
    user = await engine.user()
    for payload, field, fault in REFUSED:
        with pytest.raises(Refused) as refusal:
            await user.submit("k.deck", payload)
        assert (refusal.value.code, refusal.value.field) == ("HW100", field)
        assert str(refusal.value) == f"HW100 {field}: {fault}"
        with pytest.raises(Refused) as refusal:
            await user.submit_many([{"kind": "k.free"}, {"kind": "k.deck", "payload": payload}])
        assert refusal.value.field == f"jobs[1].{field}"
    assert await engine.admin.fetchval("select count(*) from headway.jobs") == 0
    for payload in ACCEPTED:
        Deck.model_validate(payload)
        assert (await user.submit("k.deck", payload))["created"]
    assert (await user.submit("k.free", {"anything": 1}))["created"]


async def test_words_that_the_engine_does_not_know_are_left_to_the_worker(engine: Engine) -> None:
    schema = {
        "type": ["object", "null"],
        "properties": {
            "a": {"pattern": "^x", "format": "uuid", "minLength": {"$data": "b"}},
            "deep": {"$ref": "#/$defs/Node"},
            "fixed": {"const": {"x": 1}},
            "one": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
            "all": {"allOf": [{"minimum": 1}, {"maximum": 3}]},
            "never": False,
            "always": True,
        },
        "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}, "n": {"type": "integer"}}}},
    }
    await engine.worker({"kind": "k.a", "payload_schema": schema})
    user = await engine.user()
    for payload in (
        {"a": "y"},
        {"deep": {"next": {"next": {"n": 1}}}},
        {"fixed": {"x": 1}},
        {"one": 1.5},
        {"always": 1},
    ):
        assert (await user.submit("k.a", payload))["created"]
    for payload, field in (
        ({"deep": {"next": {"next": {"n": "1"}}}}, "payload.deep.next.next.n"),
        ({"fixed": {"x": 2}}, "payload.fixed"),
        ({"one": 1}, "payload.one"),
        ({"all": 0}, "payload.all"),
        ({"all": 4}, "payload.all"),
        ({"never": 1}, "payload.never"),
    ):
        with pytest.raises(Refused) as refusal:
            await user.submit("k.a", payload)
        assert refusal.value.field == field
    with pytest.raises(Refused) as refusal:
        await engine.worker({"kind": "k.a", "payload_schema": "object"})
    assert (refusal.value.code, refusal.value.field) == ("HW100", "kinds[0].payload_schema")


async def test_a_schema_that_refers_to_itself_ends(engine: Engine) -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    await engine.worker({"kind": "k.a", "payload_schema": schema})
    assert (await (await engine.user()).submit("k.a", {"x": 1}))["created"]
