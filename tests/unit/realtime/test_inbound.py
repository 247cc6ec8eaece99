"""Frames of clients: exact forms, and nothing else than a refusal for anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.realtime.protocol.inbound import (
    ClientMessage,
    MalformedFrame,
    RawPayload,
    UserPayload,
    decode,
)


def push(join_ref: str, ref: str, topic: str, event: str, data: bytes) -> bytes:
    fields = [part.encode() for part in (join_ref, ref, topic, event)]
    return bytes([0, *map(len, fields)]) + b"".join(fields) + data


def user_push(topic: str, event: str, data: bytes, *, is_json: bool, metadata: str = "") -> bytes:
    fields = [part.encode() for part in ("1", "2", topic, event, metadata)]
    return bytes([3, *map(len, fields), is_json]) + b"".join(fields) + data


def test_version_1_is_an_object() -> None:
    frame = '{"topic":"realtime:x","event":"e","payload":{"a":1},"ref":"7","join_ref":"1","more":0}'
    assert decode(frame, version=1) == ClientMessage("1", "7", "realtime:x", "e", {"a": 1})


def test_version_1_takes_a_binary_frame_for_json() -> None:
    assert decode(b'{"topic":"t","event":"e","payload":{},"ref":null}', version=1).ref is None


def test_version_2_is_an_array_with_more_allowed() -> None:
    assert decode('["1",null,"t","e",{},"more"]', version=2) == ClientMessage("1", None, "t", "e", {})


def test_a_binary_push_is_not_interpreted() -> None:
    message = decode(push("1", "2", "realtime:x", "broadcast", b"\x00\xff"), version=2)
    assert message == ClientMessage("1", "2", "realtime:x", "broadcast", RawPayload(b"\x00\xff"))


@pytest.mark.parametrize(("data", "is_json"), [(b'{"a":1}', True), (b"\xff\x00", False), (b"", False)])
def test_a_user_broadcast_names_its_event_and_encoding(data: bytes, is_json: bool) -> None:
    message = decode(user_push("realtime:x", "moved", data, is_json=is_json, metadata='{"k":1}'), version=2)
    assert message.event == "broadcast"
    assert message.payload == UserPayload("moved", data, is_json)


@pytest.mark.parametrize(
    ("frame", "version"),
    [
        ("", 1),
        ("[]", 1),
        ("null", 1),
        ('{"topic":"t","event":"e","payload":{}}', 1),  # ref is not optional
        ('{"topic":1,"event":"e","payload":{},"ref":null}', 1),
        ('{"topic":"t","event":null,"payload":{},"ref":null}', 1),
        ('{"topic":"t",', 1),
        ("{}", 2),
        ('["1","2","t","e"]', 2),
        ('["1","2",{},"e",{}]', 2),
        (b"", 2),
        (b"\x00", 2),
        (b"\x00\x01\x01\x05\x05abc", 2),
        (b"\x01\x00\x00\x00\x00", 2),
        (b"\x04\x00\x00\x00\x00", 2),
        (b"\x03\x00\x00\x00\x00\x00", 2),
        (user_push("t", "e", b"{", is_json=True), 2),
        (user_push("t", "e", b"{}", is_json=True, metadata="{"), 2),
        (push("1", "2", "t", "e", b"").replace(b"t", b"\xff"), 2),
        ("[" * 5000, 2),
        ('"\ud800"', 1),
    ],
)
def test_what_is_no_message_is_refused(frame: str | bytes, version: int) -> None:
    with pytest.raises(MalformedFrame):
        decode(frame, version=version)


@given(st.text() | st.binary(), st.sampled_from((1, 2)))
def test_nothing_but_a_refusal_comes_of_garbage(frame: str | bytes, version: int) -> None:
    try:
        decode(frame, version=version)
    except MalformedFrame:
        pass


@given(st.binary(min_size=1).map(lambda b: bytes([b[0] % 5]) + b[1:]))
def test_binary_garbage_of_known_kinds_is_refused_or_read(frame: bytes) -> None:
    try:
        message = decode(frame, version=2)
    except MalformedFrame:
        return
    assert isinstance(message.payload, RawPayload | UserPayload)


SHORT = st.text(max_size=60).filter(lambda text: len(text.encode(errors="ignore")) <= 255)


@given(SHORT, SHORT, st.binary(max_size=500), st.booleans())
def test_what_a_client_wrote_is_what_is_read(topic: str, event: str, data: bytes, as_text: bool) -> None:
    if as_text:
        payload = {"data": data.hex()}
        frame: str | bytes = json.dumps(["1", "2", topic, event, payload])
        assert decode(frame, version=2) == ClientMessage("1", "2", topic, event, payload)
    else:
        frame = user_push(topic, event, data, is_json=False)
        assert decode(frame, version=2).payload == UserPayload(event, data, False)
