"""Presences of one topic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headway.local.realtime.channels.presence import Presence


def test_track_update_untrack() -> None:
    presence = Presence()
    joined = presence.track("a", "k", {"n": 1})
    assert joined is not None
    (meta,) = joined["joins"]["k"]["metas"]
    assert meta["n"] == 1
    assert joined["leaves"] == {}
    updated = presence.track("a", "k", {"n": 2})
    assert updated is not None
    (new,) = updated["joins"]["k"]["metas"]
    assert new["phx_ref_prev"] == meta["phx_ref"] != new["phx_ref"]
    assert updated["leaves"] == {"k": {"metas": [meta]}}
    assert presence.state() == {"k": {"metas": [new]}}
    assert presence.untrack("a", "k") == {"joins": {}, "leaves": {"k": {"metas": [new]}}}
    assert presence.state() == {}


def test_the_same_payload_again_is_no_news() -> None:
    presence = Presence()
    presence.track("a", "k", {"n": 1})
    assert presence.track("a", "k", {"n": 1}) is None
    presence.track("a", "k", {"n": 2})
    assert presence.track("a", "k", {"n": 2}) is None


def test_several_share_a_key() -> None:
    presence = Presence()
    presence.track("a", "k", {})
    presence.track("b", "k", {})
    assert len(presence.state()["k"]["metas"]) == 2
    presence.untrack("a", "k")
    assert len(presence.state()["k"]["metas"]) == 1


def test_untracking_who_is_not_there_is_no_news() -> None:
    assert Presence().untrack("a", "k") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.none() | st.integers(0, 2))))
def test_a_client_that_folds_the_diffs_has_the_state(steps: list[tuple[str, str, int | None]]) -> None:
    presence = Presence()
    folded: dict[str, dict[str, dict[str, object]]] = {}
    for who, key, value in steps:
        diff = presence.untrack(who, key) if value is None else presence.track(who, key, {"v": value})
        for left, entry in (diff or {"leaves": {}})["leaves"].items():
            for meta in entry["metas"]:
                del folded[left][meta["phx_ref"]]
        for joined, entry in (diff or {"joins": {}})["joins"].items():
            for meta in entry["metas"]:
                folded.setdefault(joined, {})[meta["phx_ref"]] = meta
    assert {key: metas for key, metas in folded.items() if metas} == {
        key: {meta["phx_ref"]: meta for meta in entry["metas"]} for key, entry in presence.state().items()
    }
