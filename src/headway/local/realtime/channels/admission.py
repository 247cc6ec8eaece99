"""Whether a join is granted.

Source: supabase/realtime ``lib/realtime_web/channels/realtime_channel.ex``, in its order of checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from headway.local.identity import Identity
from headway.local.realtime.channels.tokens import TokenInvalid, check_token
from headway.local.realtime.database.archive import ReplayFailed, ReplayInvalid, StoredMessage
from headway.local.realtime.database.authorizer import CheckFailed, Rights
from headway.local.realtime.limits import CHANNELS_PER_SOCKET_CEILING
from headway.local.realtime.protocol.join import JoinRequest

if TYPE_CHECKING:
    from headway.local.realtime.engine import Engine
    from headway.local.realtime.sockets.socket import Socket

__all__ = ["Refused", "admit", "read_rights", "replay_for"]

_NO_DATABASE = "Realtime was unable to connect to the project database"
_REASONS = {
    "canceled": "QueryCanceled: {detail}",
    "partition": "MissingPartition: Realtime was unable to find the expected messages partition",
    "pool": "IncreaseConnectionPool: Please increase your connection pool size",
    "unavailable": f"UnableToConnectToProject: {_NO_DATABASE}",
}
_SYSTEM_TEXTS = {
    "canceled": "Query was cancelled, please try again",
    "partition": _NO_DATABASE,
    "pool": ":increase_connection_pool",
    "unavailable": _NO_DATABASE,
}


class Refused(Exception):
    """A join is not granted, or a joined channel may not go on.

    Args:
        reason: The ``reason`` of the reply.
        system_text: The message when a joined channel is closed for it; the reason when omitted.
        disconnect: Whether the socket is dropped as well.
    """

    def __init__(self, reason: str, *, system_text: str | None = None, disconnect: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.system_text = system_text or reason
        self.disconnect = disconnect


def check_limits(engine: Engine, socket: Socket, request: JoinRequest) -> None:
    """Count a join and hold it against the plan.

    Raises:
        Refused: it would be one too many.
    """
    limits = engine.limits
    if limits.private_only and not request.private:
        raise Refused("PrivateOnly: This project only allows private channels")
    most = limits.max_connections
    if most is not None and not socket.has_joined and engine.users() >= most:
        raise Refused("ConnectionRateLimitReached: Too many connected users")
    if engine.traffic.joins.exceeded(limits.max_joins_per_second, limits.rate_window_s):
        raise Refused("ClientJoinRateLimitReached: Too many joins per second", disconnect=True)
    if limits.max_joins_per_second is not None:
        engine.traffic.joins.add(1, limits.rate_window_s)
    allowed = limits.max_channels_per_connection
    if len(socket.channels) >= (CHANNELS_PER_SOCKET_CEILING if allowed is None else allowed):
        raise Refused("ChannelRateLimitReached: Too many channels")


async def admit(
    engine: Engine, socket: Socket, name: str, request: JoinRequest
) -> tuple[str, Identity, Rights | None]:
    """The token, the identity and the rights with which a channel joins.

    Args:
        engine: The service's parts.
        socket: The socket that asks.
        name: The topic without ``realtime:``.
        request: What it asks for.

    Raises:
        Refused: with the reason for the reply.
    """
    check_limits(engine, socket, request)
    token = socket.token if request.access_token is None else request.access_token
    try:
        identity = check_token(engine.verifier, token)
    except TokenInvalid as invalid:
        raise Refused(invalid.reason) from None
    rights: Rights | None = None
    if request.private:
        rights = await read_rights(engine, name, identity, socket.headers, presence=request.presence_enabled)
        if request.replay_asked and rights.read_broadcast is False:
            raise _unreadable(name)
    if request.replay_asked and not request.private:
        raise Refused("UnableToReplayMessages: Replay is not allowed for public channels")
    return token, identity, rights


async def read_rights(
    engine: Engine, name: str, identity: Identity, headers: Mapping[str, str], *, presence: bool
) -> Rights:
    """What a caller may read of a private topic.

    Args:
        engine: The service's parts.
        name: The topic without ``realtime:``.
        identity: The caller.
        headers: What policies see as ``request.headers``.
        presence: Whether to ask for presence too.

    Raises:
        Refused: nothing, or there is no telling.
    """
    extensions: tuple[Literal["broadcast", "presence"], ...] = (
        ("broadcast", "presence") if presence else ("broadcast",)
    )
    try:
        readable = await engine.authorizer.readable(name, identity, headers, extensions)
    except CheckFailed as failed:
        if failed.kind == "policy":
            raise _unreadable(name) from None
        raise Refused(
            _REASONS[failed.kind].format(detail=failed.detail), system_text=_SYSTEM_TEXTS[failed.kind]
        ) from None
    if not readable:
        raise _unreadable(name)
    return Rights(
        read_broadcast="broadcast" in readable,
        read_presence="presence" in readable if presence else None,
    )


async def replay_for(engine: Engine, name: str, request: JoinRequest) -> list[StoredMessage]:
    """The stored messages that a join asked for.

    Raises:
        Refused: they cannot be had.
    """
    if request.replay is None:
        return []
    try:
        return await engine.archive.replay(name, request.replay.since, request.replay.limit)
    except ReplayInvalid:
        raise Refused("UnableToReplayMessages: Replay params are not valid") from None
    except ReplayFailed:
        raise Refused("UnableToReplayMessages: Realtime was unable to replay messages") from None


def _unreadable(name: str) -> Refused:
    text = f"You do not have permissions to read from this Channel topic: {name}"
    return Refused(f"Unauthorized: {text}", system_text=text)
