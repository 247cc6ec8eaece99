"""Join payloads: defaults for what is missing or wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.realtime.protocol.join import JoinRequest, parse_join

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def join(**config: Any) -> JoinRequest:
    return parse_join({"config": config}, "x")


def test_everything_is_off_by_default() -> None:
    request = join()
    assert (request.private, request.ack, request.echo_self, request.presence_enabled) == (False,) * 4
    assert request.changes == []
    assert request.access_token is None
    assert not request.replay_asked
    assert len(request.presence_key) == 36


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("true", True), ("TRUE", True), ("false", False), (1, False), (None, False), ("x", False)],
)
def test_flags_may_be_words(value: Any, expected: bool) -> None:
    assert join(private=value, broadcast={"self": value}).private is expected
    assert join(broadcast={"self": value}).echo_self is expected


def test_sections_may_be_null() -> None:
    assert join(broadcast=None, presence=None, postgres_changes=None, private=None).changes == []


def test_equal_bindings_share_an_id_and_others_do_not() -> None:
    one, same = {"event": "*", "schema": "public"}, {"schema": "public", "event": "*"}
    other = {"event": "INSERT", "schema": "public"}
    first, second, third = join(postgres_changes=[one, None, same, other, "x"][:4]).changes
    assert first.id == second.id != third.id
    assert first.id > 0
    assert first.params is one


def test_ids_are_stable() -> None:
    binding = {"event": "*", "schema": "public", "table": "jobs"}
    assert join(postgres_changes=[binding]).changes[0].id == join(postgres_changes=[binding]).changes[0].id


@given(st.lists(st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2), max_size=20))
def test_ids_differ_exactly_when_bindings_do(bindings: list[dict[str, int]]) -> None:
    changes = join(postgres_changes=bindings).changes
    assert all(0 < change.id < 2**27 for change in changes)
    for a in changes:
        for b in changes:
            assert (a.id == b.id) == (a.params == b.params)


@pytest.mark.parametrize(
    ("payload", "token"),
    [
        ({}, None),
        ({"access_token": "t"}, "t"),
        ({"user_token": "u", "access_token": "t"}, "u"),
        ({"access_token": "sb_publishable_x"}, None),
        ({"access_token": 5}, None),
        ({"access_token": None}, None),
    ],
)
def test_the_token_of_the_channel(payload: dict[str, Any], token: str | None) -> None:
    assert parse_join({"config": {}, **payload}, "x").access_token == token


def test_without_config_the_topic_names_the_changes() -> None:
    request = parse_join({}, "public:jobs:id=eq.1")
    assert request.legacy
    assert request.changes[0].params == {"schema": "public", "table": "jobs", "filter": "id=eq.1"}
    assert parse_join({}, "public").changes[0].params == {"schema": "public"}


def test_replay_is_told_from_its_absence() -> None:
    assert join(broadcast={"replay": None}).replay_asked
    assert join(broadcast={"replay": None}).replay is None
    asked = join(broadcast={"replay": {"since": 1}}).replay
    assert asked is not None
    assert (asked.since, asked.limit) == (1, 25)


@given(JSON)
def test_no_payload_does_harm(payload: Any) -> None:
    try:
        parse_join(payload, "x")
    except TypeError:
        assert not isinstance(payload, dict)


@given(
    st.fixed_dictionaries({"config": JSON})
    | st.fixed_dictionaries(
        {
            "config": st.dictionaries(
                st.sampled_from(["broadcast", "presence", "private", "postgres_changes"]), JSON
            )
        }
    )
)
def test_no_config_does_harm(payload: dict[str, Any]) -> None:
    parse_join(payload, "x")
