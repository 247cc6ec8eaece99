"""The same business under several entries is one lead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from workers.discovery.business import Business

__all__ = ["Seen"]

_NOT_WORD = re.compile(r"[\W_]+")
# What a company is, not what it is called.
_FORMS = frozenset(
    [
        "gmbh",
        "ag",
        "kg",
        "ohg",
        "ug",
        "mbh",
        "co",
        "inc",
        "llc",
        "ltd",
        "plc",
        "corp",
        "sa",
        "sarl",
        "sas",
        "srl",
        "bv",
        "nv",
        "ab",
        "as",
        "oy",
        "pty",
        "the",
    ]
)


class Seen:
    """Which businesses are known already.

    Two entries are the same business when they share the place id, the domain, the telephone number, or name
    and address. The first one stays.
    """

    def __init__(self) -> None:
        self._marks: set[tuple[str, str]] = set()
        self.duplicates = 0

    def new(self, businesses: Iterable[Business]) -> list[Business]:
        """Those that were not known; from now on they are."""
        return [business for business in businesses if self._add(business)]

    def _add(self, business: Business) -> bool:
        marks = set(_marks(business))
        if marks & self._marks:
            # Chains of entries: what the duplicate is known by beside what gave it away.
            self.duplicates += 1
            self._marks |= marks
            return False
        self._marks |= marks
        return True


def _marks(business: Business) -> Iterator[tuple[str, str]]:
    yield "place", business.place_id
    if business.domain:
        yield "domain", business.domain
    if business.phone:
        yield "phone", business.phone
    name = _words(business.name)
    if name and business.address:
        yield "name and address", f"{name}|{_words(business.address)}"


def _words(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in folded if not unicodedata.combining(character))
    return " ".join(word for word in _NOT_WORD.split(plain) if word and word not in _FORMS)
