"""What is taken for an answer, and what is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import InvalidRequest
from workers.document.answers import read_answer, said_later

JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "content_type", "html", "title"),
    [
        ('{"html": "<p>x</p>"}', JSON, "<p>x</p>", None),
        ('[{"html": "<p>x</p>", "title": "T"}]', JSON, "<p>x</p>", "T"),
        ('{"html": "<p>x</p>", "output": 1}', "", "<p>x</p>", None),
        ('\ufeff{"html": "<p>ü</p>"}', "text/plain", "<p>ü</p>", None),
        ("<p>x</p>", "text/html", "<p>x</p>", None),
        ("<p>x</p>", "Text/HTML; charset=utf-8", "<p>x</p>", None),
        ('{"html": "<p>x</p>", "title": "a\\n\\tb\\u0000\\u202e"}', JSON, "<p>x</p>", "a b"),
        (' {\n "html": "<p>x</p>"}', "text/html; charset=utf-8", "<p>x</p>", None),
        ('\ufeff[ { "html": "<p>x</p>"}]', "text/html", "<p>x</p>", None),
        ("{{ name }} <p>x</p>", "text/html", "{{ name }} <p>x</p>", None),
        ('{"html": "```html\\n<p>x</p>\\n```"}', JSON, "<p>x</p>\n", None),
        ("\n``` \r\n<p>x</p>```\n\n", "text/html", "<p>x</p>", None),
        ("```js\nx\n```", "text/html", "```js\nx\n```", None),
        ("```html\n<p>x</p>", "text/html", "```html\n<p>x</p>", None),
        (json.dumps({"html": "<p>x</p>", "title": "t" * 600}), JSON, "<p>x</p>", "t" * 500),
    ],
)
def test_documents(body: str, content_type: str, html: str, title: str | None) -> None:
    answer = read_answer(body.encode(), content_type)
    assert (answer.html, answer.title, answer.error) == (html, title, None)


def test_a_reason_instead_of_a_document() -> None:
    answer = read_answer(b'{"error": "no", "retryable": true}', JSON)
    assert (answer.html, answer.error, answer.retryable) == (None, "no", True)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b"[{}, {}]", b'"<p>x</p>"', b"{", b'{"html": 1}', b'{"html": ""}',
        b'{"html": " "}',
        b'{"html": null}', b'{"html": ["x"]}', b'{"html": "x", "title": 1}', b'{"error": {"message": "x"}}',
        b'{"html": "x", "retryable": "yes"}', b'{"html": "\\ud800"}', b'{"html": "\xff"}', b"[" * 100_000,
        b'{"html": "<p>secret', b"<p>secret</p>",
    ],
)  # fmt: skip
def test_anything_else_is_malformed_and_never_repeated(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_answer(body, JSON)
    assert refused.value.code == "answer_malformed"
    assert refused.value.hint
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("body", [b'{"html": "<p>secret', b'{"output": "x"}', b'[{"html": ""}]'])
def test_json_that_is_called_html_is_read_as_json(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_answer(body, "text/html")
    assert refused.value.code == "answer_malformed"


@given(st.binary(max_size=200), st.sampled_from(["", JSON, "text/html", "text/html; charset=x"]))
def test_no_body_breaks_it(body: bytes, content_type: str) -> None:
    try:
        read_answer(body, content_type)
    except InvalidRequest as error:
        assert error.code == "answer_malformed"  # noqa: PT017


@pytest.mark.parametrize(
    ("status", "body", "later"),
    [
        (202, b"", True),
        (202, b'{"html": "x"}', True),
        (200, b'{"message": "Workflow was started"}', True),
        (200, b'{"message":"Workflow got started."}', True),
        (200, b'{"message": "done", "html": "x"}', False),
        (200, b"Workflow was started", False),
        (200, b"", False),
        (200, b"[]", False),
    ],
)
def test_who_calls_back(status: int, body: bytes, later: bool) -> None:
    assert said_later(status, body) is later
