"""A policy that cannot work is refused where it is made."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from headway.errors import ConfigError, InvalidRequest, TransportError
from headway.link import LinkPolicy, RealtimeLink


def test_the_defaults_are_a_policy() -> None:
    policy = LinkPolicy()
    assert policy.max_connection_age < 24 * 3600, "connections by key alone end after a day"
    assert policy.channels_per_connection < 100, "hosted projects allow 100, the canary included"
    assert policy.max_frame_bytes > 5_000_000, "servers send frames of up to 5 MB"


@pytest.mark.parametrize("name", [field.name for field in fields(LinkPolicy)])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), None, "5", True], ids=repr)
def test_every_field_is_a_positive_number(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"LinkPolicy.{name} ") as caught:
        LinkPolicy(**{name: value})
    assert caught.value.code == "link_policy_invalid"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"channels_per_connection": 2.5}, "whole"),
        ({"canary_attempts": 1.0}, "whole"),
        ({"token_life_used": 1.0}, "below 1"),
        ({"backoff_base": 31.0}, "greater than backoff_cap"),
        ({"rejoin_base": 5.0, "rejoin_cap": 4.0}, "greater than rejoin_cap"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        LinkPolicy(**changes)


@pytest.mark.parametrize(
    "url", ["", "example.com", "ftp://example.com", "http://", "http://[::1", "http://a:99999", "https://:80"]
)
def test_a_url_that_cannot_be_right_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RealtimeLink(url, "key")
    assert caught.value.code == "url_invalid"


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="key"):
        RealtimeLink("http://127.0.0.1", "")


async def test_what_cannot_be_listened_to_is_refused_at_once() -> None:
    link = RealtimeLink("http://127.0.0.1:1", "key")
    for topic in ("", "realtime:room"):
        with pytest.raises(InvalidRequest, match="topic"):
            link.listen(topic)
    with pytest.raises(InvalidRequest, match="queue_size"):
        link.listen("room", queue_size=3)
    with pytest.raises(InvalidRequest, match="event"):
        link.listen_changes(schema="public", table="a", event="TRUNCATE")
    with pytest.raises(InvalidRequest, match="table"):
        link.listen_changes(schema="public", table="")
    await link.stop()
    await link.stop()
    with pytest.raises(TransportError, match="stopped"):
        link.listen("room")
    with pytest.raises(TransportError, match="stopped"):
        await link.start()
