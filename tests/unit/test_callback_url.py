"""The callback address in each deployment, behind proxies, and under attack."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headway
from headway import ConfigError, InvalidRequest, RequestOrigin, callback_url, safe_redirect

APP = ("https://app.example.com",)
PROXY = {"peer": "10.0.0.5", "trusted_proxies": ("10.0.0.0/8",)}


def behind(headers: dict[str, str], host: str = "inner:8000", **more: Any) -> RequestOrigin:
    return RequestOrigin("http", host, headers=headers, **{**PROXY, **more})


def test_the_names_are_public() -> None:
    assert {"RequestOrigin", "callback_url", "safe_redirect"} <= set(headway.__all__)
    assert headway.__all__ == sorted(headway.__all__)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://app.example.com", "https://app.example.com/auth/callback"),
        ("https://app.example.com/", "https://app.example.com/auth/callback"),
        ("https://Example.com:443/app/", "https://example.com/app/auth/callback"),
        ("http://localhost:3000", "http://localhost:3000/auth/callback"),
        ("http://[::1]:3000", "http://[::1]:3000/auth/callback"),
    ],
)
def test_an_explicit_setting_wins(base: str, expected: str) -> None:
    elsewhere = RequestOrigin("https", "other.example.com")
    environment = {"RENDER": "true", "RENDER_EXTERNAL_URL": "https://x.onrender.com"}
    assert callback_url(base_url=base, request=elsewhere, environment=environment) == expected


@pytest.mark.parametrize(
    "base",
    [
        "",
        "app.example.com",
        "ftp://app.example.com",
        "https://",
        "https://user@app.example.com",
        "https://app.example.com?x=1",
        "https://app.example.com/#x",
        "https://app example.com",
        "https://evil.test\\@app.example.com",
        "https://[::1",
        "https://app.example.com:99999",
    ],
)
def test_a_setting_that_is_no_address_is_an_error(base: str) -> None:
    with pytest.raises(ConfigError) as caught:
        callback_url(base_url=base)
    assert caught.value.code == "callback_base_invalid"


@pytest.mark.parametrize(
    "path", ["", "callback", "//evil.test", "/\\evil.test", "/a b", "/a\nb", "https://x/"]
)
def test_a_path_that_is_none_is_an_error(path: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        callback_url(path, base_url="https://app.example.com")


def test_a_query_of_the_path_is_kept() -> None:
    assert callback_url("/cb?next=/jobs", base_url="https://a.test") == "https://a.test/cb?next=/jobs"


def test_a_request_straight_from_a_browser() -> None:
    request = RequestOrigin("https", "APP.example.com:443", peer="203.0.113.9")
    assert callback_url(request=request, allowed_origins=APP) == "https://app.example.com/auth/callback"


def test_on_a_laptop_nothing_needs_to_be_set() -> None:
    for host, peer in (
        ("localhost:8000", "127.0.0.1"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]:8000", "::1"),
    ):
        request = RequestOrigin("http", host, peer=peer)
        assert callback_url(request=request) == f"http://{host}/auth/callback"
    for peer in ("203.0.113.9", None):
        with pytest.raises(InvalidRequest):
            callback_url(request=RequestOrigin("http", "localhost:8000", peer=peer))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example.com"}, "https://app.example.com"),
        ({"x-forwarded-proto": "https"}, "https://inner:8000"),
        ({"X-Forwarded-Host": "app.example.com"}, "http://app.example.com"),
        (
            # Two trusted proxies, each of which appended.
            {
                "X-Forwarded-For": "203.0.113.9, 10.0.0.9",
                "X-Forwarded-Proto": "https, http",
                "X-Forwarded-Host": "app.example.com, inner",
            },
            "https://app.example.com",
        ),
        (
            # The client wrote the first value; only one proxy is trusted.
            {
                "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
                "X-Forwarded-Proto": "http, https",
                "X-Forwarded-Host": "evil.test, app.example.com",
            },
            "https://app.example.com",
        ),
        # This proxy does not write Forwarded, so whoever wrote it is a stranger.
        ({"Forwarded": "proto=https;host=evil.test"}, "http://inner:8000"),
        ({"X-Forwarded-Proto": "javascript"}, None),
        ({"X-Forwarded-Host": "evil.test/path"}, None),
    ],
)
def test_what_a_trusted_proxy_wrote_is_true(headers: dict[str, str], expected: str | None) -> None:
    assert behind(headers).seen_by_browser() == expected


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("for=203.0.113.9;proto=https;host=app.example.com", "https://app.example.com"),
        ('For="[2001:db8::1]:4711";Proto=https;Host="app.example.com:8443"', "https://app.example.com:8443"),
        (
            "for=203.0.113.9;proto=https;host=app.example.com, for=10.0.0.9;proto=http;host=inner",
            "https://app.example.com",
        ),
        (
            "for=1.2.3.4;host=evil.test, for=203.0.113.9;proto=https;host=app.example.com",
            "https://app.example.com",
        ),
        ("for=_hidden;proto=https;host=app.example.com", "https://app.example.com"),
        ('host="app.example.com', "http://inner:8000"),
        ("host=a.test host=b.test", "http://inner:8000"),
        ("", "http://inner:8000"),
    ],
)
def test_rfc_7239(forwarded: str, expected: str) -> None:
    headers = {"Forwarded": forwarded, "X-Forwarded-Host": "evil.test"}
    assert behind(headers, forwarded_by="forwarded").seen_by_browser() == expected


@pytest.mark.parametrize("peer", ["203.0.113.9", "", "not an address", None, "11.0.0.1"])
def test_a_strangers_headers_change_nothing(peer: str | None) -> None:
    headers = {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.test"}
    for convention in ("x-forwarded", "forwarded"):
        request = behind(headers, host="app.example.com", peer=peer, forwarded_by=convention)
        assert request.seen_by_browser() == "http://app.example.com"


def test_proxies_by_single_address_and_mapped_ipv6() -> None:
    headers = {"X-Forwarded-Host": "app.example.com"}
    for peer, trusted in (
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.0/8"),
        ("fd00::1", "fd00::/8"),
    ):
        request = behind(headers, peer=peer, trusted_proxies=(trusted,))
        assert request.seen_by_browser() == "http://app.example.com"


@given(
    st.dictionaries(
        st.sampled_from(["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Host"]),
        st.text(),
    ),
    st.text(),
    st.booleans(),
)
def test_no_header_leads_elsewhere(headers: dict[str, str], host: str, trusted: bool) -> None:
    request = behind(headers, host=host, peer="10.0.0.5" if trusted else "203.0.113.9")
    try:
        url = callback_url(request=request, allowed_origins=APP)
    except InvalidRequest:
        return
    assert url == "https://app.example.com/auth/callback"


@pytest.mark.parametrize(
    ("allowed", "origin", "fits"),
    [
        ("https://*.example.com", "https://pr-1.example.com", True),
        ("https://app-*.example.com", "https://app-7.example.com", True),
        ("https://*.example.com", "https://a.b.example.com", False),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evil.test/.example.com", False),
        ("https://*.example.com", "http://pr-1.example.com", False),
        ("https://app.example.com", "https://appXexample.com", False),
        ("https://app.example.com/", "https://app.example.com", True),
        ("HTTPS://App.example.com:443", "https://app.example.com", True),
        ("https://app.example.com", "https://app.example.com:8443", False),
        ("https://app.example.com:8443", "https://app.example.com:8443", True),
    ],
)
def test_allowed_origins(allowed: str, origin: str, fits: bool) -> None:
    assert (safe_redirect(f"{origin}/x", default="no", allowed_origins=(allowed,)) == f"{origin}/x") is fits


def test_an_allowed_origin_that_is_none_is_an_error() -> None:
    for wrong in ("*", "app.example.com", "https://", "https://a/b"):
        with pytest.raises(ConfigError, match="allowed_origins"):
            safe_redirect("https://x.test/", allowed_origins=(wrong,))


def test_a_host_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        callback_url(request=RequestOrigin("https", "evil.test"), allowed_origins=APP)
    assert caught.value.code == "host_not_allowed"
    with pytest.raises(ConfigError) as unknown:
        callback_url()
    assert unknown.value.code == "callback_base_unknown"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"VERCEL": "1", "VERCEL_ENV": "production", "VERCEL_PROJECT_PRODUCTION_URL": "app.example.com"},
            "https://app.example.com",
        ),
        (
            {
                "VERCEL": "1",
                "VERCEL_ENV": "preview",
                "VERCEL_PROJECT_PRODUCTION_URL": "app.example.com",
                "VERCEL_BRANCH_URL": "app-git-x.vercel.app",
                "VERCEL_URL": "app-123.vercel.app",
            },
            "https://app-git-x.vercel.app",
        ),
        ({"VERCEL": "1", "VERCEL_URL": "app-123.vercel.app"}, "https://app-123.vercel.app"),
        (
            {
                "NETLIFY": "true",
                "CONTEXT": "production",
                "URL": "https://a.test",
                "DEPLOY_PRIME_URL": "https://b.test",
            },
            "https://a.test",
        ),
        (
            {
                "NETLIFY": "true",
                "CONTEXT": "deploy-preview",
                "URL": "https://a.test",
                "DEPLOY_PRIME_URL": "https://b.test",
            },
            "https://b.test",
        ),
        ({"RENDER": "true", "RENDER_EXTERNAL_URL": "https://x.onrender.com"}, "https://x.onrender.com"),
        ({"RAILWAY_PUBLIC_DOMAIN": "x.up.railway.app"}, "https://x.up.railway.app"),
        ({"HEROKU_APP_DEFAULT_DOMAIN_NAME": "x.herokuapp.com"}, "https://x.herokuapp.com"),
        ({"WEBSITE_HOSTNAME": "x.azurewebsites.net"}, "https://x.azurewebsites.net"),
        ({"FLY_APP_NAME": "x"}, "https://x.fly.dev"),
    ],
)
def test_platforms_state_their_address(environment: dict[str, str], expected: str) -> None:
    assert callback_url(environment=environment) == f"{expected}/auth/callback"
    stranger = RequestOrigin("https", "evil.test", peer="203.0.113.9")
    assert callback_url(request=stranger, environment=environment) == f"{expected}/auth/callback"


def test_an_allowed_request_is_better_than_the_platforms_name() -> None:
    environment = {"RENDER": "true", "RENDER_EXTERNAL_URL": "https://x.onrender.com"}
    request = RequestOrigin("https", "app.example.com")
    url = callback_url(request=request, environment=environment, allowed_origins=APP)
    assert url == "https://app.example.com/auth/callback"


@pytest.mark.parametrize(
    "environment",
    [
        {"URL": "https://a.test"},
        {"RENDER": "true"},
        {"VERCEL": "1", "VERCEL_URL": "not a host"},
        {"FLY_APP_NAME": "a b"},
    ],
)
def test_variables_that_state_nothing(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        callback_url(environment=environment)


@pytest.mark.parametrize("target", ["/jobs", "/jobs?a=1#b", "https://app.example.com/x"])
def test_a_redirect_that_stays(target: str) -> None:
    assert safe_redirect(target, allowed_origins=APP) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "jobs",
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\t/evil.test",
        "https:evil.test",
        "https:///evil.test",
        "https://evil.test",
        "https://app.example.com@evil.test",
        "https://app.example.com.evil.test",
        "https://evil.test\\.app.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        " https://app.example.com",
    ],
)
def test_a_redirect_that_leads_away(target: str | None) -> None:
    assert safe_redirect(target, default="/home", allowed_origins=APP) == "/home"
