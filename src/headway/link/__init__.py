"""A supervised Realtime connection: what wakes workers and feeds watchers.

The official ``realtime`` client does the talking; this package decides when a connection is alive, replaces
it when it is not, and tells listeners when they hear and when they may have missed something.
"""

from headway.link.events import Event, Gap, LinkState, LinkStatus, Listening, Message, Refused
from headway.link.link import RealtimeLink
from headway.link.listener import Listener
from headway.link.policy import LinkPolicy

__all__ = [
    "Event",
    "Gap",
    "LinkPolicy",
    "LinkState",
    "LinkStatus",
    "Listener",
    "Listening",
    "Message",
    "RealtimeLink",
    "Refused",
]
