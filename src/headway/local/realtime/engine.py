"""What all sockets and channels share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from headway.local.identity import TokenVerifier
from headway.local.realtime.channels.hub import Hub
from headway.local.realtime.faults import RealtimeFaults
from headway.local.realtime.limits import RateCounter, RealtimeLimits

if TYPE_CHECKING:
    from headway.local.realtime.channels.channel import Channel
    from headway.local.realtime.database.archive import Archive
    from headway.local.realtime.database.authorizer import Authorizer
    from headway.local.realtime.sockets.socket import Socket

__all__ = ["ChangeSource", "Engine", "MessageSource", "Traffic"]


class ChangeSource(Protocol):
    """Row changes, as channels see their source."""

    def watch(self, channel: Channel) -> None:
        """Deliver the changes that a channel asked for, from when it is told so; again after a new token."""

    def unwatch(self, channel: Channel) -> None:
        """Deliver a channel nothing more."""


class MessageSource(Protocol):
    """Broadcasts from the database, as channels see their source."""

    async def ready(self, timeout_s: float) -> bool:
        """Wait until messages that are stored from now on will be delivered; ``False`` after the timeout."""


@dataclass(slots=True)
class Traffic:
    """The project's rates."""

    events: RateCounter = field(default_factory=RateCounter)
    bytes: RateCounter = field(default_factory=RateCounter)
    joins: RateCounter = field(default_factory=RateCounter)
    presence: RateCounter = field(default_factory=RateCounter)

    def count_event(self, limits: RealtimeLimits, size: int = 0) -> None:
        """Count one message sent or delivered; free of cost without a limit."""
        if limits.max_events_per_second is not None:
            self.events.add(1, limits.rate_window_s)
        if limits.max_bytes_per_second is not None:
            self.bytes.add(size, limits.rate_window_s)

    def too_many_events(self, limits: RealtimeLimits, more: int = 0) -> bool:
        """Whether messages are over a limit, or would be with ``more`` in this second."""
        window = limits.rate_window_s
        events, bound = limits.max_events_per_second, limits.max_bytes_per_second
        return (events is not None and self.events.per_second(window) + more > events) or (
            bound is not None and self.bytes.per_second(window) > bound
        )


@dataclass(slots=True)
class Engine:
    """The parts of a running service."""

    limits: RealtimeLimits
    faults: RealtimeFaults
    verifier: TokenVerifier
    authorizer: Authorizer
    archive: Archive
    changes: ChangeSource
    messages: MessageSource
    hub: Hub = field(default_factory=Hub)
    sockets: dict[Socket, None] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)

    def users(self) -> int:
        """Sockets that have joined a channel; they count as connected users."""
        return sum(socket.has_joined for socket in self.sockets)

    def figures(self) -> Mapping[str, int]:
        """Numbers of what is open."""
        return {
            "connections": len(self.sockets),
            "channels": sum(len(socket.channels) for socket in self.sockets),
            "topics": len(self.hub),
        }
