"""Frames from clients, decoded.

Source: supabase/realtime ``lib/realtime_web/socket/v2_serializer.ex`` and Phoenix's V1 JSON serializer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["ClientMessage", "MalformedFrame", "RawPayload", "UserPayload", "decode"]

_PUSH = 0
_USER_BROADCAST_PUSH = 3


class MalformedFrame(Exception):
    """A frame that is no message; the real server logs and drops it, the socket stays."""


@dataclass(frozen=True, slots=True)
class RawPayload:
    """Bytes of a binary Phoenix push (kind 0), not interpreted."""

    data: bytes


@dataclass(frozen=True, slots=True)
class UserPayload:
    """A broadcast in a binary frame (kind 3): the client named event and encoding outside the payload."""

    event: str
    data: bytes
    is_json: bool


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """One message of a client; refs are echoed as they came, whatever JSON they are."""

    join_ref: Any
    ref: Any
    topic: str
    event: str
    payload: Any


def decode(frame: str | bytes, *, version: int) -> ClientMessage:
    """The message in a frame.

    Args:
        frame: A WebSocket message, text or binary.
        version: The serializer: 1 (objects, vsn 1.0.0) or 2 (arrays and binary kinds, vsn 2.0.0).

    Raises:
        MalformedFrame: it is none.
    """
    if version == 2 and isinstance(frame, bytes):
        return _decode_binary(frame)
    try:
        document = orjson.loads(frame)
    except ValueError as error:  # orjson's error, and lone surrogates of a str
        raise MalformedFrame("not JSON") from error
    return _from_object(document) if version == 1 else _from_array(document)


def _from_object(document: Any) -> ClientMessage:
    if not isinstance(document, dict):
        raise MalformedFrame("expected an object")
    try:
        topic, event = document["topic"], document["event"]
        payload, ref = document["payload"], document["ref"]
    except KeyError as error:
        raise MalformedFrame(f"missing key {error}") from error
    if not isinstance(topic, str) or not isinstance(event, str):
        raise MalformedFrame("topic and event must be strings")
    return ClientMessage(document.get("join_ref"), ref, topic, event, payload)


def _from_array(document: Any) -> ClientMessage:
    if not isinstance(document, list) or len(document) < 5:
        raise MalformedFrame("expected an array of five")
    join_ref, ref, topic, event, payload = document[:5]
    if not isinstance(topic, str) or not isinstance(event, str):
        raise MalformedFrame("topic and event must be strings")
    return ClientMessage(join_ref, ref, topic, event, payload)


def _decode_binary(frame: bytes) -> ClientMessage:
    kind = frame[0] if frame else None
    if kind == _PUSH:
        (join_ref, ref, topic, event), data = _fields(frame, 1, 4)
        return ClientMessage(join_ref, ref, topic, event, RawPayload(data))
    if kind == _USER_BROADCAST_PUSH:
        if len(frame) < 7:
            raise MalformedFrame("the header is cut short")
        (join_ref, ref, topic, event, metadata), data = _fields(frame, 1, 5, skip=1)
        is_json = frame[6] != 0
        try:
            if metadata:
                orjson.loads(metadata)
            if is_json:
                orjson.loads(data)
        except ValueError as error:
            raise MalformedFrame("announced as JSON, but is not") from error
        return ClientMessage(join_ref, ref, topic, "broadcast", UserPayload(event, data, is_json))
    raise MalformedFrame("unknown kind of binary frame")


def _fields(frame: bytes, start: int, count: int, *, skip: int = 0) -> tuple[list[str], bytes]:
    """``count`` strings, whose sizes are bytes from ``start`` and end ``skip`` bytes early, and the rest."""
    sizes = frame[start : start + count]
    position = start + count + skip
    if len(sizes) < count or len(frame) < position + sum(sizes):
        raise MalformedFrame("the frame is shorter than its sizes say")
    fields = []
    try:
        for size in sizes:
            fields.append(frame[position : position + size].decode())
            position += size
    except UnicodeDecodeError as error:
        raise MalformedFrame("a field is not UTF-8") from error
    return fields, frame[position:]
