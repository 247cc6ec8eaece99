"""A made-up directory: which businesses a search finds follows from its words alone.

Domains end in ``example.com`` and telephone numbers in 555-01xx: they belong to nobody.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["find", "people_of", "within"]

_NAMES = [
    "Adler",
    "Bergmann",
    "Castell",
    "Dorn",
    "Ebner",
    "Falk",
    "Gruber",
    "Hollis",
    "Ivanov",
    "Jansen",
    "Keller",
    "Lang",
    "Moreau",
    "Novak",
    "Okafor",
    "Petit",
    "Quinn",
    "Rossi",
    "Sommer",
    "Takeda",
    "Ulrich",
    "Vargas",
    "Weber",
    "Xu",
    "Young",
    "Ziegler",
    "Abara",
    "Brandt",
    "Cole",
    "Duarte",
]
_FIRST = [
    "Ada",
    "Ben",
    "Clara",
    "David",
    "Elena",
    "Felix",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Karla",
    "Leo",
    "Mira",
    "Nils",
    "Olga",
    "Paul",
]
_STREETS = ["Main", "Market", "Station", "Church", "Mill", "Garden", "Harbour", "Park", "Bridge", "School"]
_PATTERNS = (
    "{name} {kind}",
    "{kind} {name}",
    "{name} & {other} {kind}",
    "The {name} {kind}",
    "{kind} {place} {name}",
)
_ROLES = (
    ("Owner", "executive", "management"),
    ("Managing Director", "executive", "executive"),
    ("Office Manager", "senior", "management"),
    ("Assistant", "junior", "support"),
)
_AREA_CODES = (212, 312, 415, 512, 617, 702, 808, 917)


def find(query: str) -> list[dict[str, Any]]:
    """Every business that a query is about, in the shape of Places API (New); the same ones every time.

    Between 24 and 143 of them, some entered twice, some closed, some without a website of their own.

    Args:
        query: Such as ``dentists in Springfield``; one about *nowhere* finds nothing.
    """
    words = " ".join(query.split()).casefold()
    if not words or "nowhere" in words.split():
        return []
    dice = _dice("places", words)
    kind, _, where = words.partition(" in ")
    where = where or "springfield"
    latitude, longitude = dice.uniform(-50, 60), dice.uniform(-120, 150)
    found: list[dict[str, Any]] = []
    for number in range(dice.randrange(24, 144)):
        if found and dice.random() < 0.06:
            found.append(_entered_again(dice.choice(found), words, number))
        else:
            found.append(_business(dice, words, number, kind, where, latitude, longitude))
    return found


def people_of(domain: str) -> list[dict[str, Any]]:
    """Who can be reached at a domain, in the shape of Hunter's domain search; nobody at one in six.

    Args:
        domain: In any case of letters.
    """
    dice = _dice("people", domain.casefold())
    if dice.random() < 1 / 6:
        return []
    people = [
        {
            "value": f"info@{domain}",
            "type": "generic",
            "confidence": dice.randrange(60, 100),
            "first_name": None,
            "last_name": None,
            "position": None,
            "seniority": None,
            "department": None,
        }
    ]
    for role, seniority, department in dice.sample(_ROLES, k=dice.randrange(0, 4)):
        first, last = dice.choice(_FIRST), dice.choice(_NAMES)
        people.append(
            {
                "value": f"{first}.{last}@{domain}".lower(),
                "type": "personal",
                "confidence": dice.randrange(40, 100),
                "first_name": first,
                "last_name": last,
                "position": role,
                "seniority": seniority,
                "department": department,
            }
        )
    return people


def _business(
    dice: random.Random, words: str, number: int, kind: str, where: str, latitude: float, longitude: float
) -> dict[str, Any]:
    single = kind.title().removesuffix("s")
    name, other = dice.sample(_NAMES, k=2)
    title = dice.choice(_PATTERNS).format(name=name, other=other, kind=single, place=where.title())
    identity = _identity(words, number)
    place: dict[str, Any] = {
        "id": f"sandbox-{identity}",
        "displayName": {"text": title, "languageCode": "en"},
        "formattedAddress": f"{dice.randrange(1, 200)} {dice.choice(_STREETS)} Street, {where.title()}",
        "location": {
            "latitude": round(latitude + dice.uniform(-0.1, 0.1), 6),
            "longitude": round(longitude + dice.uniform(-0.1, 0.1), 6),
        },
        "types": [
            re.sub(r"\W+", "_", single.lower()).strip("_") or "place",
            "point_of_interest",
            "establishment",
        ],
        "primaryTypeDisplayName": {"text": single, "languageCode": "en"},
        "businessStatus": "CLOSED_PERMANENTLY" if dice.random() < 0.04 else "OPERATIONAL",
    }
    if dice.random() < 0.9:
        place["rating"] = round(dice.triangular(2.0, 5.0, 4.4), 1)
        place["userRatingCount"] = int(dice.triangular(0, 400, 30))
    if dice.random() < 0.9:
        place["internationalPhoneNumber"] = f"+1 {dice.choice(_AREA_CODES)}-555-01{dice.randrange(100):02}"
    share = dice.random()
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].strip("-")
    if share < 0.78:
        place["websiteUri"] = f"https://www.{slug or 'business'}-{identity[:6]}.example.com/"
    elif share < 0.86:
        place["websiteUri"] = f"https://www.facebook.com/{slug}"
    return place


def _entered_again(place: dict[str, Any], words: str, number: int) -> dict[str, Any]:
    """The same business under another id, with a slightly different name, as people enter it."""
    title = place["displayName"]["text"]
    return place | {
        "id": f"sandbox-{_identity(words, number)}",
        "displayName": {"text": f"{title} Inc.", "languageCode": "en"},
    }


def _identity(words: str, number: int) -> str:
    return hashlib.sha256(f"{words}|{number}".encode()).hexdigest()[:20]


def _dice(*seeds: str) -> random.Random:
    return random.Random("|".join(seeds))  # noqa: S311 — reproducible, not secret


def within(
    places: Sequence[dict[str, Any]], south: float, west: float, north: float, east: float
) -> list[dict[str, Any]]:
    """Those of some places that lie in a rectangle.

    Args:
        places: As ``find`` answers them.
        south: Degrees, as the others.
        west: Left border.
        north: Upper border.
        east: Right border.
    """
    return [
        place
        for place in places
        if south <= place["location"]["latitude"] <= north and west <= place["location"]["longitude"] <= east
    ]
