"""One topic that somebody listens to, whichever connections carry it."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from headway.link.events import Message, Refused
from headway.link.mailbox import Mailbox

__all__ = ["ChangesFilter", "Subscription"]

_log = logging.getLogger("headway.link")


@dataclass(frozen=True, slots=True)
class ChangesFilter:
    """Which changes of rows are wanted.

    Args:
        schema: The schema.
        table: The table.
        event: ``INSERT``, ``UPDATE``, ``DELETE`` or ``*``.
        filter: Such as ``id=eq.1``; see Realtime's documentation.
    """

    schema: str
    table: str
    event: str
    filter: str | None


class Subscription:
    """Turns what connections report into what listeners are told.

    Args:
        topic: The topic, without ``realtime:``.
        private: Whether policies decide who may listen.
        changes: The wanted changes, when it is not for broadcasts.
    """

    def __init__(self, topic: str, *, private: bool, changes: ChangesFilter | None = None) -> None:
        self.topic = topic
        self.private = private
        self.changes = changes
        self.mailboxes: list[Mailbox] = []
        # Connections, by identity, on which the server has said that it listens; the earliest first.
        self._heard_on: dict[Hashable, None] = {}

    @property
    def listening(self) -> bool:
        """Whether the server listens on any connection."""
        return bool(self._heard_on)

    def add(self, mailbox: Mailbox) -> None:
        """Tell one more listener, beginning with how things are."""
        self.mailboxes.append(mailbox)
        if self.listening:
            mailbox.listening()

    def remove(self, mailbox: Mailbox) -> bool:
        """Tell a listener no more; whether it was the last."""
        if mailbox in self.mailboxes:
            self.mailboxes.remove(mailbox)
        return not self.mailboxes

    def heard(self, connection: Hashable) -> None:
        """The server listens on a connection."""
        first = not self.listening
        self._heard_on.setdefault(connection)
        if first:
            self._tell_listening()

    def heard_later(self, connection: Hashable) -> None:
        """What the server sends from the database is delivered only from now on."""
        if connection in self._heard_on:
            self._tell_listening()

    def lost(self, connection: Hashable, reason: str) -> None:
        """A connection or its channel broke; what was under way on it may be lost."""
        if connection not in self._heard_on:
            return
        spare = next(iter(self._heard_on)) != connection
        del self._heard_on[connection]
        if spare:
            # Another one has listened for longer: whatever was sent here was sent there too.
            return
        for mailbox in self.mailboxes:
            mailbox.gap(reason)
        if self.listening:
            # Another connection listens, but perhaps only since after the loss.
            self._tell_listening()

    def retired(self, connection: Hashable, reason: str) -> None:
        """A connection was taken out of use after all that it carried had arrived."""
        heard = connection in self._heard_on
        self._heard_on.pop(connection, None)
        if heard and not self.listening:
            for mailbox in self.mailboxes:
                mailbox.gap(reason)

    def refused(self, refused: Refused) -> None:
        """The server refused the topic."""
        for mailbox in self.mailboxes:
            mailbox.refused(refused)

    def deliver_broadcast(self, frame: Any) -> None:
        """Pass on a broadcast; called from the reader of a socket, which an exception would kill."""
        try:
            self._deliver(Message(self.topic, frame["event"], frame["payload"], time.monotonic()))
        except Exception:  # noqa: BLE001 - see above
            _log.exception("a broadcast on %s could not be passed on", self.topic)

    def deliver_change(self, frame: Any) -> None:
        """Pass on a change; called from the reader of a socket, which an exception would kill."""
        try:
            data = dict(frame["data"])
            event = data["type"]
            data["type"] = str(getattr(event, "value", event))
            topic = f"{data['schema']}.{data['table']}"
            self._deliver(Message(topic, data["type"], data, time.monotonic()))
        except Exception:  # noqa: BLE001 - see above
            _log.exception("a change on %s could not be passed on", self.topic)

    def _deliver(self, message: Message) -> None:
        for mailbox in self.mailboxes:
            mailbox.message(message)

    def _tell_listening(self) -> None:
        for mailbox in self.mailboxes:
            mailbox.listening()
