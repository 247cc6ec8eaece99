"""Topics, and the channels that have joined them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from headway.local.realtime.channels.presence import Presence
from headway.local.realtime.protocol.outbound import Broadcast, Outgoing

if TYPE_CHECKING:
    from headway.local.realtime.channels.channel import Channel

__all__ = ["Hub", "Room"]


class Room:
    """One topic; a private and a public topic of the same name are two rooms that hear nothing of each other.

    Args:
        name: Without ``realtime:``.
        private: Whether its channels are private ones.
    """

    __slots__ = ("_channels", "name", "presence", "private")

    def __init__(self, name: str, private: bool) -> None:
        self.name = name
        self.private = private
        self.presence = Presence()
        self._channels: dict[Channel, None] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def add(self, channel: Channel) -> None:
        """Let a channel hear what is sent here."""
        self._channels[channel] = None

    def discard(self, channel: Channel) -> None:
        """Let a channel hear no more."""
        self._channels.pop(channel, None)

    def send(self, message: Outgoing, *, but: Channel | None = None) -> None:
        """Deliver a broadcast to every channel that may read broadcasts.

        Args:
            message: Encoded once per serializer.
            but: A channel that does not hear it, such as the sender's.
        """
        for channel in tuple(self._channels):
            if channel is not but:
                channel.deliver(message)

    def tell_presence(self, diff: dict[str, Any] | None) -> int:
        """Tell a presence diff to every channel that may read presence; how many those were."""
        if diff is None:
            return 0
        message = Broadcast(f"realtime:{self.name}", "presence_diff", orjson.dumps(diff))
        return sum(channel.deliver_presence(message) for channel in tuple(self._channels))


class Hub:
    """All rooms that somebody is in."""

    __slots__ = ("_rooms",)

    def __init__(self) -> None:
        self._rooms: dict[tuple[str, bool], Room] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def enter(self, channel: Channel, name: str, *, private: bool) -> Room:
        """The room of a topic with a channel in it."""
        room = self._rooms.get((name, private))
        if room is None:
            room = self._rooms[(name, private)] = Room(name, private)
        room.add(channel)
        return room

    def leave(self, channel: Channel, room: Room) -> None:
        """Take a channel out of its room."""
        room.discard(channel)
        if not len(room):
            self._rooms.pop((room.name, room.private), None)

    def room(self, name: str, *, private: bool) -> Room | None:
        """The room of a topic, ``None`` when nobody is in it."""
        return self._rooms.get((name, private))
