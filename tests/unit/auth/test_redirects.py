"""Where links may lead."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.auth.redirects import RedirectPolicy, glob_to_regex, with_fragment, with_query

POLICY = RedirectPolicy(
    "https://app.example.test:8443",
    [
        "https://*.preview.test/*",
        "https://docs.test/**",
        "myapp://*",
        "http://10.0.0.1/**",
        "http://localhost:*/cb",
    ],
)


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.test:8443",
        "https://app.example.test:8443/any/path?x=1#y",
        "https://APP.example.test:8443/",
        "https://pr1.preview.test/page",
        "https://docs.test/a/b/c?d=e.f",
        "https://docs.test/a#fragment/is/not/matched",
        "myapp://callback",
        "http://127.0.0.1:5000/anything",
        "http://localhost:3000/cb",
    ],
)
def test_allowed(url: str) -> None:
    policy = POLICY if "127" not in url else RedirectPolicy("http://127.0.0.1:3000", [])
    assert policy.allows(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "//evil.test",
        "https://evil.test",
        "https://app.example.test",  # another port is another site
        "http://app.example.test:8443",
        "https://app.example.test:8443@evil.test/",
        "https://app.example.test:8443.evil.test/",
        "https://evil.test\\@app.example.test:8443/",
        "https://evil.test/https://docs.test/x",
        "https://a.b.preview.test/page",
        "https://pr1.preview.test/a/b",
        "https://evil.test/.preview.test/x",
        "https://evil.test?.preview.test/x",
        "https://evil.test#.preview.test/x",
        "https://user:pass@docs.test/x",
        "https://docs.test\t/x",
        " https://docs.test/x",
        "https://docs.test/\nSet-Cookie: x",
        "http://10.0.0.1/x",  # an address is never public enough to be meant
        "http://167772161/x",
        "https://docs.test:99999/x",
        "https://[::1",
        "javascript:alert(1)",
        "data:text/html,<script>",
        "https://docs.test/" + "x" * 5000,
    ],
)
def test_refused(url: str) -> None:
    assert not POLICY.allows(url)


def test_the_first_allowed_candidate_or_the_site() -> None:
    assert POLICY.target(None, "", "https://evil.test", "myapp://x") == "myapp://x"
    assert POLICY.target("https://evil.test") == "https://app.example.test:8443"


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("http://a.test/*", "http://a.test/b", "http://a.test/b/c"),
        ("http://a.test/**", "http://a.test/b/c.d", "http://b.test/"),
        ("http://?.test/", "http://a.test/", "http://ab.test/"),
        ("http://[a-c].test/", "http://b.test/", "http://d.test/"),
        ("http://[!a-c].test/", "http://d.test/", "http://b.test/"),
        ("http://[xyz].test/", "http://y.test/", "http://a.test/"),
        ("http://{a,b*}.test/", "http://bcd.test/", "http://c.test/"),
        ("http://a+b.test/", "http://a+b.test/", "http://aab.test/"),
        ("http://a.test/\\*", "http://a.test/*", "http://a.test/b"),
        ("http://a.test/[", "http://a.test/[", "http://a.test/"),
        ("http://a.test/{", "http://a.test/{", "http://a.test/"),
    ],
)
def test_patterns(pattern: str, matching: str, other: str) -> None:
    assert glob_to_regex(pattern).fullmatch(matching)
    assert not glob_to_regex(pattern).fullmatch(other)


@given(st.text(alphabet="ab*?[]{}!,-\\./:^$()|+", max_size=30), st.text(alphabet="ab./:", max_size=30))
def test_any_pattern_compiles(pattern: str, text: str) -> None:
    glob_to_regex(pattern).fullmatch(text)


@given(st.text())
def test_nothing_leads_to_a_foreign_host(url: str) -> None:
    site = RedirectPolicy("https://app.example.test", [])
    if site.allows(url):
        assert urlsplit(url).hostname == "app.example.test"


def test_parameters_are_added_to_what_is_there() -> None:
    assert with_query("https://a.test/x?y=1&code=old#z", {"code": "new"}) == "https://a.test/x?y=1&code=new#z"
    assert with_query("myapp:///cb", {"code": "1"}) == "myapp:///cb?code=1"
    url = with_fragment("https://a.test/x#old", {"error_description": "a b&c"})
    assert parse_qs(urlsplit(url).fragment, keep_blank_values=True) == {
        "error_description": ["a b&c"],
        "sb": [""],
    }
