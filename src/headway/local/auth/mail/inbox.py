"""A mail inbox in memory: nothing leaves this machine."""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

__all__ = ["SENDER", "Inbox", "Letter", "ReceivedMail"]

SENDER = "noreply@headway.test"
_MAX_MAILS = 500
_MAX_BYTES = 16 * 1024 * 1024
_TERM = re.compile(r'(?:(to|from|subject):)?(?:"([^"]*)"|(\S+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be delivered."""

    to: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail in the inbox."""

    id: str
    received_at: datetime
    letter: Letter
    read: bool = False

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        letter = self.letter
        return len(letter.to) + len(letter.subject) + len(letter.text.encode()) + len(letter.html.encode())


class Inbox:
    """The newest mails, at most 500 and 16 MiB; older ones make room."""

    def __init__(self) -> None:
        self._mails: deque[ReceivedMail] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._mails)

    def deliver(self, letter: Letter, now: datetime) -> ReceivedMail:
        """Put a mail into the inbox.

        Args:
            letter: The mail.
            now: When it arrives.
        """
        mail = ReceivedMail(secrets.token_urlsafe(12), now, letter)
        self._mails.appendleft(mail)
        self._bytes += mail.size
        while len(self._mails) > _MAX_MAILS or (self._bytes > _MAX_BYTES and len(self._mails) > 1):
            self._bytes -= self._mails.pop().size
        return mail

    def mails(self, query: str = "") -> list[ReceivedMail]:
        """The mails that match, newest first.

        Args:
            query: Words, each of which must occur, perhaps behind ``to:``, ``from:`` or ``subject:`` and in
                double quotes; all mails when empty.
        """
        terms = [(field.lower(), (quoted or word).lower()) for field, quoted, word in _TERM.findall(query)]
        return [mail for mail in list(self._mails) if all(_matches(mail, *term) for term in terms)]

    def get(self, mail_id: str) -> ReceivedMail | None:
        """One mail, or the newest for the id ``latest``."""
        if mail_id == "latest":
            return self._mails[0] if self._mails else None
        return next((mail for mail in self._mails if mail.id == mail_id), None)

    def mark_read(self, mail_id: str) -> None:
        """Remember that somebody looked at a mail."""
        for index, mail in enumerate(self._mails):
            if mail.id == mail_id:
                self._mails[index] = ReceivedMail(mail.id, mail.received_at, mail.letter, read=True)

    def delete(self, mail_ids: Iterable[str] | None = None) -> None:
        """Remove some mails, or all.

        Args:
            mail_ids: Which; ``None`` means all.
        """
        chosen = None if mail_ids is None else frozenset(mail_ids)
        self._mails = deque(mail for mail in self._mails if chosen is not None and mail.id not in chosen)
        self._bytes = sum(mail.size for mail in self._mails)


def _matches(mail: ReceivedMail, field: str, word: str) -> bool:
    letter = mail.letter
    places = {
        "to": (letter.to,),
        "from": (SENDER,),
        "subject": (letter.subject,),
        "": (letter.to, letter.subject, letter.text),
    }
    return any(word in place.lower() for place in places[field])
