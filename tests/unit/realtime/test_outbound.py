"""Frames to clients, to the byte."""

from __future__ import annotations

import json

import pytest

from headway.local.realtime.protocol.outbound import (
    BinaryBroadcast,
    Broadcast,
    UserBroadcast,
    encode_changes,
    encode_message,
    encode_reply,
)


def test_a_push_has_a_null_ref() -> None:
    assert json.loads(encode_message(1, "1", "realtime:x", "system", {"a": 1})) == {
        "topic": "realtime:x",
        "event": "system",
        "payload": {"a": 1},
        "ref": None,
    }
    assert json.loads(encode_message(2, "1", "realtime:x", "system", {})) == [
        "1",
        None,
        "realtime:x",
        "system",
        {},
    ]


def test_a_reply_echoes_the_refs() -> None:
    expected = {"status": "ok", "response": {}}
    assert json.loads(encode_reply(1, "1", "2", "phoenix", "ok", {})) == {
        "topic": "phoenix",
        "event": "phx_reply",
        "payload": expected,
        "ref": "2",
    }
    assert json.loads(encode_reply(2, "1", "2", "t", "ok", {})) == ["1", "2", "t", "phx_reply", expected]


def test_a_json_broadcast_is_text_in_both_serializers_and_encoded_once() -> None:
    message = Broadcast("realtime:é", "broadcast", b'{"n":1}')
    assert message.frame(1) == '{"topic":"realtime:é","event":"broadcast","payload":{"n":1},"ref":null}'
    assert message.frame(2) == '[null,null,"realtime:é","broadcast",{"n":1}]'
    assert message.frame(2) is message.frame(2)


def test_a_stored_broadcast_is_kind_4_with_its_id() -> None:
    message = UserBroadcast("realtime:x", "moved", b'{"a":1}', is_json=True, meta={"id": "u"})
    assert message.message_id == "u"
    assert message.frame(2) == b'\x04\x0a\x05\x0a\x01realtime:xmoved{"id":"u"}{"a":1}'
    assert json.loads(message.frame(1) or "") == {
        "topic": "realtime:x",
        "event": "broadcast",
        "payload": {"event": "moved", "payload": {"a": 1}, "type": "broadcast", "meta": {"id": "u"}},
        "ref": None,
    }


def test_a_broadcast_without_metadata_says_so() -> None:
    message = UserBroadcast("realtime:x", "moved", b"1", is_json=True)
    assert message.frame(2) == b"\x04\x0a\x05\x00\x01realtime:xmoved1"
    assert "meta" not in json.loads(message.frame(1) or "")["payload"]


def test_binary_payloads_never_reach_version_1() -> None:
    assert UserBroadcast("realtime:x", "e", b"\xff", is_json=False).frame(1) is None
    assert UserBroadcast("realtime:x", "e", b"\xff", is_json=False).frame(2) == (
        b"\x04\x0a\x01\x00\x00realtime:xe\xff"
    )
    assert BinaryBroadcast("realtime:x", b"\xff").frame(1) is None
    assert BinaryBroadcast("realtime:x", b"\xff").frame(2) == b"\x02\x0a\x09realtime:xbroadcast\xff"


@pytest.mark.parametrize("topic", ["realtime:" + "x" * 247, "realtime:" + "é" * 124])
def test_a_topic_too_long_for_a_binary_frame_is_not_sent_in_one(topic: str) -> None:
    assert UserBroadcast(topic, "e", b"{}", is_json=True).frame(2) is None
    assert BinaryBroadcast(topic, b"").frame(2) is None
    assert UserBroadcast(topic, "e", b"{}", is_json=True).frame(1) is not None


def test_a_change_has_its_ids_and_a_legacy_one_does_not() -> None:
    topic, event, data = b'"realtime:x"', b'"postgres_changes"', b'{"type":"INSERT"}'
    assert json.loads(encode_changes(1, topic, event, [1, 2], data)) == {
        "topic": "realtime:x",
        "event": "postgres_changes",
        "payload": {"ids": [1, 2], "data": {"type": "INSERT"}},
        "ref": None,
    }
    assert json.loads(encode_changes(2, topic, b'"INSERT"', None, data)) == [
        None,
        None,
        "realtime:x",
        "INSERT",
        {"type": "INSERT"},
    ]
