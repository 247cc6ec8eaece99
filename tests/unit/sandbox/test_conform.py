"""Whatever a rule answers becomes valid by whatever schema was sent."""

from __future__ import annotations

from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.sandbox.answers.conform import conform
from headway.sandbox.answers.registry import document, reply, say

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def _schemas(depth: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    leaves = st.one_of(
        st.sampled_from([
            {"type": "string"}, {"type": "string", "minLength": 2, "maxLength": 4}, {"type": "integer"},
            {"type": "integer", "minimum": 3, "maximum": 9}, {"type": "number", "exclusiveMinimum": 0},
            {"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"enum": ["a", "b", 3]},
            {"const": "x"}, {"type": "string", "format": "date"}, {"type": "string", "format": "email"},
            {"type": "string", "format": "uuid"}, {"type": "integer", "multipleOf": 5},
        ])
    )  # fmt: skip
    if depth == 0:
        return leaves
    inner = _schemas(depth - 1)
    return st.one_of(
        leaves,
        st.builds(
            lambda items, least: {"type": "array", "items": items, "minItems": least, "maxItems": 3},
            inner,
            st.integers(0, 2),
        ),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(
            lambda parts: {
                "type": "object",
                "properties": parts,
                "required": list(parts),
                "additionalProperties": False,
            },
            st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
        ),
    )


@settings(max_examples=150, deadline=None)
@given(JSON, _schemas())
def test_any_value_becomes_valid(value: Any, schema: dict[str, Any]) -> None:
    jsonschema.validate(
        conform(value, schema), schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def test_what_fits_is_kept() -> None:
    schema = {
        "$defs": {"Level": {"enum": ["low", "high"]}, "Node": {
            "type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
            "required": ["next"], "additionalProperties": False}},
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "level": {"$ref": "#/$defs/Level"},
            "years": {"type": ["integer", "null"]},
            "node": {"$ref": "#/$defs/Node"},
        },
        "required": ["name", "level", "years", "node"],
        "additionalProperties": False,
    }  # fmt: skip
    value = {"name": "Ada", "level": "HIGH", "years": "36 years", "more": 1, "node": {"next": {"next": None}}}
    assert conform(value, schema) == {
        "name": "Ada",
        "level": "high",
        "years": 36,
        "node": {"next": {"next": None}},
    }
    assert conform(None, schema) == {"name": "", "level": "low", "years": None, "node": {"next": None}}


def test_the_document_is_what_stands_between_the_marks() -> None:
    assert document("Read.\n<document>\nA </document> B\n</document>\nThanks") == "A \n B"
    assert document("no marks") == "no marks"


def test_an_unknown_task_is_answered_from_the_text() -> None:
    schema = {
        "title": "Unheard",
        "type": "object",
        "properties": {"color": {"type": "string"}, "count": {"type": "integer"}, "note": {"type": "string"}},
        "required": ["color", "count", "note"],
        "additionalProperties": False,
    }
    assert reply("Colour: n/a\nColor: red\nCount: 3", schema) == {
        "color": "red",
        "count": 3,
        "note": "Colour: n/a Color: red Count: 3",
    }
    assert say("One. Two. Three. Four.").startswith("One. Two. Three. (Written by the Headway sandbox")
