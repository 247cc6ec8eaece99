"""``presence`` messages of clients: track and untrack.

Source: supabase/realtime ``lib/realtime_web/channels/realtime_channel/presence_handler.ex``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson

from headway.local.realtime.database.authorizer import CheckFailed

if TYPE_CHECKING:
    from headway.local.realtime.channels.channel import Channel
    from headway.local.realtime.protocol.inbound import ClientMessage

__all__ = ["handle_presence"]


class _Ends(Exception):
    """The channel is closed for this."""


class _Fails(Exception):
    """The client gets an error reply."""


async def handle_presence(channel: Channel, message: ClientMessage) -> None:
    """Act on a ``presence`` message and answer it.

    Args:
        channel: The channel it was sent to.
        message: The message.
    """
    payload = message.payload
    event = payload.get("event") if isinstance(payload, dict) else None
    try:
        if isinstance(event, str):
            _count_call(channel)
            await _act(channel, event.lower(), payload)
    except _Ends as end:
        channel.shut_down(str(end))
    except _Fails as failure:
        text = str(failure)
        channel.reply(message.ref, "error", {"reason": text} if text else {})
    else:
        channel.reply(message.ref, "ok", {})


async def _act(channel: Channel, event: str, payload: dict[str, Any]) -> None:
    presence, key = channel.room.presence, channel.request.presence_key
    if event == "track":
        await _check_write(channel)
        track = payload.get("payload", {})
        if not isinstance(track, dict):
            raise _Fails("Presence track payload must be a map")
        if not channel.engine.limits.payload_fits(len(orjson.dumps(track))):
            raise _Ends("Track message size exceeded")
        _count_project(channel, 1)
        if not channel.closed:
            channel.presence_on = True
            _count_project(channel, channel.room.tell_presence(presence.track(channel, key, track)))
    elif event == "untrack":
        channel.room.tell_presence(presence.untrack(channel, key))
    else:
        raise _Fails


async def _check_write(channel: Channel) -> None:
    rights = channel.rights
    if rights is None:
        return
    authorizer, name = channel.engine.authorizer, channel.name
    try:
        if rights.write_presence is None:
            if rights.read_presence is None:
                # Tracking switches presence on for a channel that joined without it.
                readable = await authorizer.readable(
                    name, channel.identity, channel.socket.headers, ("presence",)
                )
                rights.read_presence = "presence" in readable
            writable = await authorizer.writable(
                name, channel.identity, channel.socket.headers, ("broadcast", "presence")
            )
            rights.write_presence = "presence" in writable
            rights.write_broadcast = "broadcast" in writable
    except CheckFailed:
        raise _Fails from None
    if not rights.write_presence:
        raise _Fails


def _count_call(channel: Channel) -> None:
    limits = channel.engine.limits
    if limits.max_presence_calls is None:
        return
    now = time.monotonic()
    if now > channel.presence_window_ends:
        channel.presence_calls, channel.presence_window_ends = 0, now + limits.presence_window_s
    if channel.presence_calls >= limits.max_presence_calls:
        raise _Ends("Client presence rate limit exceeded")
    channel.presence_calls += 1


def _count_project(channel: Channel, amount: int) -> None:
    limits, counter = channel.engine.limits, channel.engine.traffic.presence
    if limits.max_presence_events_per_second is None:
        return
    if counter.exceeded(limits.max_presence_events_per_second, limits.rate_window_s):
        raise _Ends("Too many presence messages per second")
    counter.add(amount, limits.rate_window_s)
