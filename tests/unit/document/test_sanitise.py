"""What the sanitiser keeps and what it takes out, against the attacks that sanitisers are known for."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import InvalidRequest
from workers.document.sanitise import Sanitiser, heading_of, text_of

SAMPLES: list[str] = json.loads((Path(__file__).parents[2] / "js" / "hostile.json").read_text("utf-8"))
MIGRATION = Path(__file__).parents[3] / "supabase" / "migrations" / "20261122000530_documents.sql"


class Reader(HTMLParser):
    """Every element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.found


def assert_harmless(html: str) -> None:
    """No element or attribute is left that runs, styles, embeds, submits or loads."""
    passive = re.search(r"html !~\* '(.+)'", MIGRATION.read_text("utf-8"))
    assert passive is not None
    assert not re.search(passive[1].replace("[[:space:]", "[\\s").replace("[:space:]", "\\s"), html, re.I)
    for tag, attributes in elements(html):
        assert tag not in {
            "script", "style", "iframe", "object", "embed", "svg", "math", "form", "input", "button", "base",
            "link", "meta", "template", "noscript", "textarea", "select", "audio", "video", "source", "frame",
        }, html  # fmt: skip
        for name, value in attributes.items():
            assert name in {
                "id", "lang", "dir", "title", "href", "hreflang", "rel", "src", "alt", "width", "height",
                "start", "type", "reversed", "value", "colspan", "rowspan", "headers", "scope", "span",
                "datetime", "open",
            }, html  # fmt: skip
            if name == "href":
                assert re.match(r"(?i)(https?|mailto|tel):|#doc-", value or ""), html
            if name == "src":
                assert re.match(r"data:image/(png|jpeg|gif|webp);base64,", value or ""), html


@pytest.mark.parametrize("sample", SAMPLES)
def test_an_attack_leaves_nothing_that_acts(sample: str) -> None:
    sanitiser = Sanitiser()
    once = sanitiser.clean(f"<p>before</p>{sample}<p>after")
    assert_harmless(once)
    assert "before" in once
    # What a browser reads, writes and reads again must not become something else.
    assert sanitiser.clean(once) == once


@given(
    st.lists(
        st.sampled_from(
            [*SAMPLES, "<p>", "</p>", "<table>", "<svg>", "<!--", "-->", "<![CDATA[", "]]>", '"', "<b ", ">"]
        )
    )
)
def test_attacks_in_any_mixture_leave_nothing_that_acts(parts: list[str]) -> None:
    try:
        once = Sanitiser().clean("x" + "".join(parts))
    except InvalidRequest:
        return
    assert_harmless(once)


def test_a_document_keeps_what_it_is_made_of() -> None:
    html = (
        '<h1 id="top">Handbook</h1><p>See <a href="#rules">rules</a>, <a href="https://example.com/x?a=1&amp;b=2"'
        ' rel="noopener noreferrer nofollow">more</a>.</p><h2 id="rules">Rules</h2>'
        '<ol start="3"><li>One</li></ol><table><thead><tr><th scope="col">A</th></tr></thead><tbody><tr>'
        '<td colspan="2">1</td></tr></tbody></table>'
        "<pre><code>if a &lt; b &amp;&amp; c:</code></pre>"
        '<img src="data:image/png;base64,iVBORw0KGgo=" alt="A chart" width="10">'
    )
    cleaned = Sanitiser().clean(html)
    assert cleaned == html.replace('id="', 'id="doc-').replace('"#rules"', '"#doc-rules"').replace(
        '"#doc-rules">', '"#doc-rules" rel="noopener noreferrer nofollow">'
    )
    assert heading_of(cleaned) == "Handbook"


def test_a_whole_page_becomes_its_body() -> None:
    page = "<!doctype html><html><head><title>T</title><style>p{}</style></head><body class=x><p>Text</html>"
    assert Sanitiser().clean(page) == "<p>Text</p>"


@pytest.mark.parametrize(
    ("page", "cleaned"),
    [
        ("<html lang=ar dir=rtl><body><p>x</html>", '<div dir="rtl"><p>x</p></div>'),
        ("<html><body class='a' DIR = \"RTL\"><p>x", '<div dir="rtl"><p>x</p></div>'),
        ("<!doctype html>\n<html\n dir='auto'><p>x", '<div dir="auto"><p>x</p></div>'),
        ("<html dir=ltr><p dir=rtl>x", '<p dir="rtl">x</p>'),
        ("<html data-dir=rtl><p>x", "<p>x</p>"),
        ("<html dir=rtlx><p>x", "<p>x</p>"),
        ("<p>x</p><code>&lt;html dir=rtl></code>", "<p>x</p><code>&lt;html dir=rtl&gt;</code>"),
        ("<html dir=rtl><script>x</script>y", '<div dir="rtl">y</div>'),
    ],
)
def test_a_page_runs_the_way_it_ran(page: str, cleaned: str) -> None:
    sanitiser = Sanitiser()
    assert sanitiser.clean(page) == cleaned
    assert sanitiser.clean(cleaned) == cleaned


def test_the_first_heading_with_words_is_the_title() -> None:
    assert heading_of('<h1><img alt="x"></h1><h2> </h2><h3>A &amp; <b>B</b></h3><h1>C</h1>') == "A & B"
    assert heading_of("<h4>Deep</h4>") is None


def test_a_link_may_have_white_space_around_it() -> None:
    assert (
        Sanitiser()
        .clean('<a href=" \n https://a.example/ ">x</a>')
        .startswith('<a href="https://a.example/"')
    )
    assert "href" not in Sanitiser().clean('<a href=" \njavascript:alert(1)">x</a>')


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://cdn.example.com/a.png", True),
        ("https://CDN.example.com/a.png", True),
        ("http://cdn.example.com/a.png", False),
        ("https://cdn.example.com.evil.test/a.png", False),
        ("https://evil.test/?cdn.example.com", False),
        ("https://x@evil.test/", False),
        ("https://cdn.example.com@evil.test/", False),
        ("//cdn.example.com/a.png", False),
        ("/a.png", False),
        ("data:image/svg+xml;base64,PHN2Zz4=", False),
        ("data:text/html,x", False),
        ("data:image/png;base64,AAAA", True),
    ],
)
def test_pictures_come_with_the_document_or_from_hosts_that_were_named(address: str, kept: bool) -> None:
    cleaned = Sanitiser(["cdn.example.com"]).clean(f'<p>x</p><img src="{address}">')
    assert ("src=" in cleaned) is kept


@pytest.mark.parametrize(
    "html", ["", "   ", "<script>x</script>", "<style>p{}</style><p> </p>", "<svg><text>x</text></svg>"]
)
def test_nothing_to_read_is_an_error(html: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Sanitiser().clean(html)
    assert refused.value.code == "html_empty"


@pytest.mark.parametrize("unit", ["<div>", "<blockquote><p>", "<div></x>", "<b>", "<section><div></section>"])
def test_html_that_would_take_the_parser_minutes_is_refused_at_once(unit: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Sanitiser().clean(unit * 40_000 + "x")
    assert refused.value.code == "html_too_deep"


@pytest.mark.parametrize("unit", ["<li>x", "<tr><td>x", "<p>x", "x<br>", "<b>x</b>", "&lt;", "1 < "])
def test_long_is_not_deep(unit: str) -> None:
    assert Sanitiser().clean(unit * 20_000)


def test_what_grows_beyond_the_table_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        Sanitiser().clean("<" * 1_400_000)
    assert refused.value.code == "html_too_large"


def test_text() -> None:
    assert text_of("<p>a &amp;\n <b>b</b></p>") == "a & b"
    assert heading_of("<p>x</p>") is None
