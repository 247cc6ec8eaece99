"""Broadcasting over HTTP.

Source: supabase/realtime ``lib/realtime/tenants/batch_broadcast.ex``, ``single_broadcast.ex``,
``lib/realtime_web/controllers/*.ex`` and ``plugs/rate_limiter.ex``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from headway.local.identity import Identity
from headway.local.realtime.database.authorizer import CheckFailed
from headway.local.realtime.engine import Engine
from headway.local.realtime.protocol.outbound import Broadcast, Outgoing, UserBroadcast

__all__ = ["broadcast_batch", "broadcast_one"]

_log = logging.getLogger("headway.realtime")

_BLANK = "can't be blank"
_INVALID = "is invalid"
_TOO_LARGE = "Payload size exceeds tenant limit"
_SINGLE_FAILURES = {
    "policy": (422, "RLS policy error"),
    "canceled": (422, "Query canceled"),
    "partition": (422, "Missing messages partition"),
    "pool": (429, "Connection pool exhausted"),
    "unavailable": (422, "Tenant database unavailable"),
}


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    event: str
    payload: bytes
    private: bool
    message_id: str | None

    def outgoing(self) -> Outgoing:
        meta = b"" if self.message_id is None else b',"meta":%b' % orjson.dumps({"id": self.message_id})
        body = b'{"event":%b,"payload":%b,"type":"broadcast"%b}' % (
            orjson.dumps(self.event),
            self.payload,
            meta,
        )
        return Broadcast(f"realtime:{self.topic}", "broadcast", body, self.message_id)


async def broadcast_batch(
    engine: Engine, identity: Identity, headers: Mapping[str, str], body: Any
) -> Response:
    """``POST /api/broadcast``: several messages, each to its own topic.

    Private messages that policies forbid are dropped without a word, as on the real server.

    Args:
        engine: The service's parts.
        identity: The caller.
        headers: What policies see as ``request.headers``.
        body: The request's JSON.
    """
    messages, errors = _parse_batch(engine, body)
    if errors is not None:
        return _json(422, {"errors": errors})
    if refusal := _over_limit(engine, len(messages)):
        return refusal
    for message in messages:
        if not message.private:
            _send(engine, message.topic, False, message.outgoing(), len(message.payload))
    by_topic: dict[str, list[_Message]] = {}
    for message in messages:
        if message.private:
            by_topic.setdefault(message.topic, []).append(message)
    for topic, group in by_topic.items():
        try:
            writable = await engine.authorizer.writable(topic, identity, headers, ("broadcast",))
        except CheckFailed as failed:
            _log.warning("a broadcast was dropped: %s", failed.detail)
            continue
        if "broadcast" in writable:
            for message in group:
                _send(engine, topic, True, message.outgoing(), len(message.payload))
    return _accepted(engine)


async def broadcast_one(
    engine: Engine,
    identity: Identity,
    headers: Mapping[str, str],
    *,
    topic: str,
    event: str,
    private: bool,
    payload: bytes,
    is_json: bool,
) -> Response:
    """``POST /api/broadcast/{topic}/events/{event}``: one message, its body the payload.

    Args:
        engine: The service's parts.
        identity: The caller.
        headers: What policies see as ``request.headers``.
        topic: Without ``realtime:``.
        event: The user's event.
        private: Whether it is for the private channels of the topic.
        payload: The body.
        is_json: Whether the body is JSON.
    """
    if not engine.limits.payload_fits(len(payload)):
        return _json(422, {"errors": {"payload": [_TOO_LARGE]}})
    if refusal := _over_limit(engine, 1):
        return refusal
    if private:
        try:
            writable = await engine.authorizer.writable(topic, identity, headers, ("broadcast",))
        except CheckFailed as failed:
            status, text = _SINGLE_FAILURES[failed.kind]
            return _json(status, {"message": text})
        if "broadcast" not in writable:
            return _json(403, {"message": "Unauthorized"})
    outgoing = UserBroadcast(f"realtime:{topic}", event, payload, is_json=is_json)
    _send(engine, topic, private, outgoing, len(payload))
    return _accepted(engine)


def _parse_batch(engine: Engine, body: Any) -> tuple[list[_Message], Any]:
    given = body.get("messages") if isinstance(body, dict) else None
    if given is None or given == []:
        return [], {"messages": [_BLANK]}
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        return [], {"messages": [_INVALID]}
    messages, errors = [], []
    for item in given:
        faults: dict[str, list[str]] = {}
        for name in ("topic", "event"):
            if item.get(name) in (None, ""):
                faults[name] = [_BLANK]
            elif not isinstance(item[name], str):
                faults[name] = [_INVALID]
        payload = item.get("payload")
        encoded = orjson.dumps(payload)
        if payload is None:
            faults["payload"] = [_BLANK]
        elif not isinstance(payload, dict):
            faults["payload"] = [_INVALID]
        elif not engine.limits.payload_fits(len(encoded)):
            faults["payload"] = [_TOO_LARGE]
        private = item.get("private")
        if private not in (None, True, False, "true", "false", "1", "0", 1, 0):
            faults["private"] = [_INVALID]
        errors.append(faults)
        if not faults:
            message_id = item.get("id")
            messages.append(
                _Message(
                    item["topic"],
                    item["event"],
                    encoded,
                    private in (True, "true", "1", 1),
                    message_id if isinstance(message_id, str) else None,
                )
            )
    return messages, {"messages": errors} if any(errors) else None


def _over_limit(engine: Engine, count: int) -> Response | None:
    limits, traffic = engine.limits, engine.traffic
    if traffic.too_many_events(limits):
        return _json(429, {"message": "You have exceeded your rate limit"}, _rate_headers(engine))
    if traffic.too_many_events(limits, count):
        text = "Too many messages to broadcast, please reduce the batch size"
        return _json(429, {"message": text}, _rate_headers(engine))
    return None


def _send(engine: Engine, topic: str, private: bool, message: Outgoing, size: int) -> None:
    engine.traffic.count_event(engine.limits, size)
    room = engine.hub.room(topic, private=private)
    if room is not None:
        room.send(message)


def _accepted(engine: Engine) -> Response:
    return Response(b"", 202, _rate_headers(engine))


def _rate_headers(engine: Engine) -> dict[str, str]:
    limit = engine.limits.max_events_per_second
    if limit is None:
        return {}
    rolling = int(engine.traffic.events.per_second(engine.limits.rate_window_s))
    return {
        "x-rate-rolling": str(rolling),
        "x-rate-limit": str(int(limit)),
        "x-rate-limit-remaining": str(int(limit) - rolling),
    }


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")
