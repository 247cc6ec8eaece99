"""Frames to clients, encoded once per serializer however many sockets get them.

Source: supabase/realtime ``lib/realtime_web/socket/v2_serializer.ex``, ``socket/user_broadcast.ex`` and
Phoenix's V1 JSON serializer. Kinds 0 and 1 (binary pushes and replies) are never sent by Realtime.
"""

from __future__ import annotations

from typing import Any

import orjson

__all__ = [
    "BinaryBroadcast",
    "Broadcast",
    "Outgoing",
    "UserBroadcast",
    "encode_changes",
    "encode_message",
    "encode_reply",
]

Frame = str | bytes

_BROADCAST = 2
_USER_BROADCAST = 4


class Outgoing:
    """A message on its way to every socket of a topic.

    Args:
        topic: The full topic, with ``realtime:``.
        message_id: The id of a stored message, so that a replayed one is not delivered twice.
    """

    __slots__ = ("_frames", "message_id", "topic")

    def __init__(self, topic: str, message_id: str | None = None) -> None:
        self.topic = topic
        self.message_id = message_id
        self._frames: dict[int, Frame | None] = {}

    def frame(self, version: int) -> Frame | None:
        """The frame for a serializer; ``None`` when that serializer cannot carry the message."""
        try:
            return self._frames[version]
        except KeyError:
            encoded = self._frames[version] = self._v1() if version == 1 else self._v2()
            return encoded

    def _v1(self) -> Frame | None:
        raise NotImplementedError

    def _v2(self) -> Frame | None:
        raise NotImplementedError


class Broadcast(Outgoing):
    """An event whose payload is a JSON document: text in both serializers.

    Args:
        topic: The full topic.
        event: The Phoenix event, such as ``broadcast`` or ``presence_diff``.
        payload: The payload, already JSON.
        message_id: See ``Outgoing``.
    """

    __slots__ = ("_event", "_payload")

    def __init__(self, topic: str, event: str, payload: bytes, message_id: str | None = None) -> None:
        super().__init__(topic, message_id)
        self._event = event
        self._payload = payload

    def _v1(self) -> Frame:
        return (
            b'{"topic":%b,"event":%b,"payload":%b,"ref":null}'
            % (orjson.dumps(self.topic), orjson.dumps(self._event), self._payload)
        ).decode()

    def _v2(self) -> Frame:
        return (
            b"[null,null,%b,%b,%b]" % (orjson.dumps(self.topic), orjson.dumps(self._event), self._payload)
        ).decode()


class UserBroadcast(Outgoing):
    """A broadcast whose payload is passed through as bytes: kind 4 for vsn 2.0.0, JSON for vsn 1.0.0.

    Args:
        topic: The full topic.
        event: The user's event.
        payload: The payload's bytes.
        is_json: Whether they are JSON; vsn 1.0.0 clients never receive others.
        meta: Metadata to send along, such as ``{"id": ...}``.
    """

    __slots__ = ("_event", "_is_json", "_meta", "_payload")

    def __init__(
        self, topic: str, event: str, payload: bytes, *, is_json: bool, meta: dict[str, Any] | None = None
    ) -> None:
        super().__init__(topic, None if meta is None else meta.get("id"))
        self._event = event
        self._payload = payload
        self._is_json = is_json
        self._meta = meta

    def _v1(self) -> Frame | None:
        if not self._is_json:
            return None
        meta = b"" if self._meta is None else b',"meta":%b' % orjson.dumps(self._meta)
        return (
            b'{"topic":%b,"event":"broadcast","payload":'
            b'{"event":%b,"payload":%b,"type":"broadcast"%b},"ref":null}'
            % (orjson.dumps(self.topic), orjson.dumps(self._event), self._payload, meta)
        ).decode()

    def _v2(self) -> Frame | None:
        topic, event = self.topic.encode(), self._event.encode()
        meta = b"" if self._meta is None else orjson.dumps(self._meta)
        if max(len(topic), len(event), len(meta)) > 255:
            # The sizes are single bytes; the real server fails to encode these and the message is lost.
            return None
        header = bytes((_USER_BROADCAST, len(topic), len(event), len(meta), self._is_json))
        return b"".join((header, topic, event, meta, self._payload))


class BinaryBroadcast(Outgoing):
    """A binary Phoenix push passed on (kind 2); vsn 1.0.0 cannot carry it.

    Args:
        topic: The full topic.
        data: The payload.
    """

    __slots__ = ("_data",)

    def __init__(self, topic: str, data: bytes) -> None:
        super().__init__(topic)
        self._data = data

    def _v1(self) -> Frame | None:
        return None

    def _v2(self) -> Frame | None:
        topic = self.topic.encode()
        if len(topic) > 255:
            return None
        return b"".join((bytes((_BROADCAST, len(topic), 9)), topic, b"broadcast", self._data))


def encode_message(
    version: int, join_ref: Any, topic: str, event: str, payload: Any, ref: Any = None
) -> Frame:
    """A frame for one channel: a push of the server, with ``ref`` null unless it closes the channel."""
    if version == 1:
        return orjson.dumps({"topic": topic, "event": event, "payload": payload, "ref": ref}).decode()
    return orjson.dumps([join_ref, ref, topic, event, payload]).decode()


def encode_reply(version: int, join_ref: Any, ref: Any, topic: str, status: str, response: Any) -> Frame:
    """A ``phx_reply``, which echoes the client's refs."""
    payload = {"status": status, "response": response}
    return encode_message(version, join_ref, topic, "phx_reply", payload, ref)


def encode_changes(version: int, topic: bytes, event: bytes, ids: list[int] | None, data: bytes) -> Frame:
    """A change of a row for one channel.

    Args:
        version: The serializer.
        topic: The full topic as JSON.
        event: The event as JSON: ``"postgres_changes"``, or the kind of change for legacy joins.
        ids: The join reply's ids that the change matches; ``None`` for legacy joins, which get bare data.
        data: The change as JSON, shared by all its receivers.
    """
    payload = data if ids is None else b'{"ids":%b,"data":%b}' % (orjson.dumps(ids), data)
    if version == 1:
        return (b'{"topic":%b,"event":%b,"payload":%b,"ref":null}' % (topic, event, payload)).decode()
    return (b"[null,null,%b,%b,%b]" % (topic, event, payload)).decode()
