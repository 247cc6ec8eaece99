"""Request bodies, addresses and challenges."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.auth.addresses import checked_email, checked_phone
from headway.local.auth.errors import AuthError
from headway.local.auth.fields import parse_fields
from headway.local.auth.flows import Challenge

T = TypeVar("T")

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def outcome(attempt: Callable[[], T]) -> tuple[T | None, AuthError | None]:
    """What an attempt gives, or why it is refused; any other error is a fault."""
    try:
        return attempt(), None
    except AuthError as refusal:
        return None, refusal


@given(st.binary())
def test_any_body_is_fields_or_a_refusal(body: bytes) -> None:
    refusal = outcome(lambda: parse_fields(body))[1]
    assert refusal is None or (refusal.status, refusal.code) == (400, "bad_json")


@given(st.dictionaries(st.sampled_from(["email", "data", "flag"]), JSON))
def test_any_field_has_its_type_or_is_refused_by_name(values: dict[str, Any]) -> None:
    fields, refusal = outcome(lambda: parse_fields(json.dumps(values).encode()))
    if fields is None:  # NaN and the like are no JSON
        assert refusal is not None
        assert refusal.code == "bad_json"
        return
    for name, read, kind in (
        ("email", fields.text, str),
        ("data", fields.mapping, dict),
        ("flag", fields.flag, bool),
    ):
        value, refusal = outcome(lambda read=read, name=name: read(name))
        if refusal is not None:
            assert refusal.code == "validation_failed"
            assert name in refusal.message
        else:
            assert value is None or isinstance(value, kind)
            assert "\\u0000" not in json.dumps(value)


def test_null_is_absent() -> None:
    fields = parse_fields(b'{"a": null}')
    assert (fields.text("a"), fields.mapping("a"), fields.flag("a", default=True)) == ("", None, True)
    assert not fields.given("a")
    assert parse_fields(b"", optional=True).text("a") == ""


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("ada+tag@example.test", "ada+tag@example.test"),
        ("ada@app.local", "ada@app.local"),
        ("ada@localhost", "ada@localhost"),
        ("o'brien@example.invalid", "o'brien@example.invalid"),
    ],
)
def test_addresses(typed: str, kept: str) -> None:
    assert checked_email(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@.",
        "a b@example.com",
        "ada@exa mple.com",
        "ada@example..com",
        "ada@example.com.",
        "ädä@example.com",
        "ada@example.com\n",
        "<ada@example.com>",
        "ada@[127.0.0.1]",
        f"{'a' * 60}@{'b' * 200}.test",
        "a@b@c.test",
    ],
)
def test_what_is_no_address(typed: str) -> None:
    with pytest.raises(AuthError) as caught:
        checked_email(typed)
    assert caught.value.code == "validation_failed"


@given(st.text())
def test_any_text_is_an_address_or_a_refusal(typed: str) -> None:
    kept, refusal = outcome(lambda: checked_email(typed))
    assert kept == typed.lower() if refusal is None else refusal.status == 400


def test_phone_numbers() -> None:
    assert checked_phone("+49 170 1234567") == "491701234567"
    for wrong in ("", "+0123", "12345678901234567", "49-170", "four"):
        with pytest.raises(AuthError):
            checked_phone(wrong)


def test_challenges() -> None:
    # RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = Challenge.of("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "S256")
    assert challenge is not None
    assert challenge.answered_by(verifier)
    assert not challenge.answered_by(verifier + "x")
    plain = Challenge.of(verifier, "plain")
    assert plain is not None
    assert plain.answered_by(verifier)
    assert not plain.answered_by("")
    assert Challenge.of("", "") is None
