"""What a client asks for when it joins a channel.

Source: supabase/realtime ``lib/realtime_web/channels/payloads/*.ex`` and ``realtime_channel.ex``.
"""

from __future__ import annotations

import uuid
import zlib
from dataclasses import dataclass, field
from typing import Any

import orjson

__all__ = ["ChangeRequest", "JoinRequest", "ReplayRequest", "parse_join"]

_ID_SPACE = 2**27


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """``config.broadcast.replay`` as it came; its values are checked when it is served."""

    since: Any
    limit: Any


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """One binding of ``config.postgres_changes``.

    Args:
        id: A hash of the binding, never 0 (realtime-py takes 0 for missing); equal bindings share it.
        params: The binding as the client wrote it.
    """

    id: int
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A join payload, every field with its default.

    Args:
        access_token: The channel's own token; ``None`` leaves the connection's in force.
        legacy: Whether the payload has no ``config``: the topic then names schema, table and filter.
        replay_asked: Whether ``replay`` is present, which public channels may not have at all.
    """

    private: bool = False
    ack: bool = False
    echo_self: bool = False
    presence_enabled: bool = False
    presence_key: str = ""
    replication_ready: bool = False
    replay_asked: bool = False
    replay: ReplayRequest | None = None
    access_token: str | None = None
    legacy: bool = False
    changes: list[ChangeRequest] = field(default_factory=list)


def parse_join(payload: Any, sub_topic: str) -> JoinRequest:
    """A join payload; whatever is invalid in it counts as absent, as on the real server.

    Args:
        payload: The message's payload.
        sub_topic: The topic without ``realtime:``.

    Raises:
        TypeError: the payload is no object.
    """
    if not isinstance(payload, dict):
        raise TypeError("expected a map")
    config = payload.get("config")
    legacy = "config" not in payload
    config = config if isinstance(config, dict) else {}
    broadcast = _object(config.get("broadcast"))
    presence = _object(config.get("presence"))
    replay = broadcast.get("replay")
    return JoinRequest(
        private=_flag(config.get("private")),
        ack=_flag(broadcast.get("ack")),
        echo_self=_flag(broadcast.get("self")),
        presence_enabled=_flag(presence.get("enabled")),
        presence_key=_presence_key(presence.get("key")),
        replication_ready=_flag(broadcast.get("replication_ready")),
        replay_asked="replay" in broadcast,
        replay=ReplayRequest(replay.get("since"), replay.get("limit", 25))
        if isinstance(replay, dict)
        else None,
        access_token=_token(payload),
        legacy=legacy,
        changes=_change_requests(
            [_topic_binding(sub_topic)] if legacy else _list(config.get("postgres_changes"))
        ),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _flag(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() == "true"
    return value is True


def _presence_key(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return str(uuid.uuid1())


def _token(payload: dict[str, Any]) -> str | None:
    either = payload.get("access_token") or payload.get("user_token")
    if isinstance(either, str) and either.startswith("sb_"):
        return None
    for name in ("user_token", "access_token"):
        if isinstance(payload.get(name), str):
            return str(payload[name])
    return None


def _topic_binding(sub_topic: str) -> dict[str, Any]:
    names = ("schema", "table", "filter")
    return dict(zip(names, sub_topic.split(":", 2), strict=False))


def _change_requests(bindings: list[dict[str, Any]]) -> list[ChangeRequest]:
    """Ids are equal for equal bindings only; a collision of the hash within one channel is resolved."""
    taken: dict[int, bytes] = {}
    requests = []
    for params in bindings:
        written = orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
        identity = zlib.crc32(written) % _ID_SPACE or 1
        while taken.setdefault(identity, written) != written:
            identity = identity % (_ID_SPACE - 1) + 1
        requests.append(ChangeRequest(identity, params))
    return requests
