"""Turns spoken answers into values that the tables admit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from workers.cv.contact import email_address, phone_number, web_address
from workers.cv.dates import is_ongoing, read_date, read_year
from workers.cv.interview.extraction import Target
from workers.cv.interview.questions import COMPENSATION
from workers.cv.months import plain
from workers.cv.wording import distinct

__all__ = ["APPENDED", "FIELDS", "understood"]

Reader = Callable[[Sequence[str], date], Any]

_MOST_AMOUNT = Decimal("999999999999")
_AMOUNT = re.compile(
    r"(\d{1,3}(?:[ .,'’]\d{3})+(?!\d)(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)"
    r"\s*(k|thousand|tausend|mille|mil|m|millions?|millionen)?\b",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"(?<=\d)[ .,'’](?=\d{3}(?:\D|$))")
_CURRENCY = re.compile(r"\b[A-Z]{3}\b")
_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "euro": "EUR", "dollar": "USD",
          "pound": "GBP", "franken": "CHF", "franc": "CHF"}  # fmt: skip
_YES = re.compile(r"\b(?:true|yes|yeah|yep|sure|of course|ja|oui|si|sim|tak)\b")
_NO = re.compile(r"\b(?:false|no|nope|not|nein|non|nao|nie)\b")
_AVAILABILITY = (
    ("not_available", r"not[_ ]available|unavailable|not looking|nicht verfugbar|not interested"),
    ("notice_period", r"notice"),
    ("open_to_offers", r"open|maybe|passively|listen"),
    ("available", r"available|immediately|now|looking|verfugbar|sofort|disponible|free"),
)
_REMOTE = (
    ("hybrid", r"hybrid|mix|both|some days|partly|teils"),
    ("flexible", r"flexib|any|either|don.?t mind|egal"),
    ("onsite", r"on[- _]?site|office|in person|vor ort|presential"),
    ("remote", r"remote|home|anywhere"),
)


def understood(target: Target, field: str, values: Sequence[str], today: date) -> Mapping[str, Any] | None:
    """The columns that an answer sets; ``None`` when it is no answer to that field.

    Args:
        target: The table.
        field: A column, or ``compensation_expectation``.
        values: What was said.
        today: What dates are held against.
    """
    reader = FIELDS.get(target, {}).get(field)
    said = [value for value in values if value.strip()]
    if reader is None or not said:
        return None
    value = reader(said, today)
    if value is None or value == []:
        return None
    return value if field == COMPENSATION else {field: value}


def _text(most: int) -> Reader:
    return lambda values, today: " ".join(" ".join(values).split())[:most] or None


def _list(most: int, longest: int) -> Reader:
    def read(values: Sequence[str], today: date) -> list[str]:
        items = (
            values
            if len(values) > 1
            else re.split(r"\s*[;,]\s+|\s+and\s+", values[0])
            if longest < 500
            else values
        )
        return distinct(items, most, longest)

    return read


def _one_of(choices: Sequence[tuple[str, str]]) -> Reader:
    def read(values: Sequence[str], today: date) -> str | None:
        said = plain(" ".join(values))
        return next((name for name, pattern in choices if said == name or re.search(pattern, said)), None)

    return read


def _flag(values: Sequence[str], today: date) -> bool | None:
    said = plain(" ".join(values))
    yes, no = _YES.search(said), _NO.search(said)
    return None if bool(yes) == bool(no) else yes is not None


def _date(values: Sequence[str], today: date) -> str | None:
    said = " ".join(values)
    found = read_date(said, today)
    if found is None and re.search(r"immediate|right away|asap|now|sofort|today", plain(said)):
        return today.isoformat()
    return found


def _end_date(values: Sequence[str], today: date) -> str | None:
    said = " ".join(values)
    return None if is_ongoing(said) else read_date(said, today)


def _languages(values: Sequence[str], today: date) -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for value in values if len(values) > 1 else re.split(r"\s*[;,]\s*|\s+and\s+", values[0]):
        name, _, level = re.sub(r"\s*[(–-]\s*", ":", value, count=1).partition(":")
        name, level = name.strip()[:100], level.strip(" )")[:100]
        if name:
            found.setdefault(name.casefold(), {"language": name} | ({"level": level} if level else {}))
    return list(found.values())


def _amounts(values: Sequence[str]) -> list[Decimal]:
    amounts: list[tuple[Decimal, int]] = []
    for value in values:
        for number, scale in _AMOUNT.findall(value):
            digits = _THOUSANDS.sub("", number).replace(",", ".")
            factor = _factor(scale.lower())
            try:
                amount = Decimal(digits) * factor
            except InvalidOperation:
                continue
            if 0 <= amount <= _MOST_AMOUNT:
                amounts.append((amount, factor))
    # "between 90 and 110k": what is said of the last holds for what would be tiny without it.
    last = amounts[-1][1] if amounts else 1
    return [amount * last if factor == 1 < last and amount < 1000 else amount for amount, factor in amounts]


def _factor(scale: str) -> int:
    if not scale:
        return 1
    return 1_000_000 if scale == "m" or scale.startswith("million") else 1000


def _amount(values: Sequence[str], today: date) -> float | None:
    amounts = _amounts(values)
    return float(amounts[0]) if len(amounts) == 1 else None


def _currency(values: Sequence[str], today: date) -> str | None:
    said = " ".join(values)
    if code := _CURRENCY.search(said):
        return code.group()
    return next((code for mark, code in _SIGNS.items() if mark in said.lower()), None)


def _compensation(values: Sequence[str], today: date) -> dict[str, Any] | None:
    amounts = sorted(_amounts(values))
    if not 1 <= len(amounts) <= 2:
        return None
    columns: dict[str, Any] = {"compensation_expectation_min": float(amounts[0])}
    if len(amounts) == 2:
        columns["compensation_expectation_max"] = float(amounts[1])
    if code := _currency(values, today):
        columns["compensation_currency"] = code
    return columns


def _phone(values: Sequence[str], today: date) -> str | None:
    return phone_number(" ".join(values), [])


def _email(values: Sequence[str], today: date) -> str | None:
    return email_address(" ".join(values), [])


def _address(values: Sequence[str], today: date) -> str | None:
    return web_address(values[0], "", [])


def _year(values: Sequence[str], today: date) -> int | None:
    return read_year(" ".join(values), today)


FIELDS: Mapping[Target, Mapping[str, Reader]] = {
    "profiles": {
        "first_name": _text(200),
        "last_name": _text(200),
        "email": _email,
        "phone": _phone,
        "location": _text(500),
        "professional_headline": _text(500),
        "linkedin_url": _address,
        "website": _address,
        "skills": _list(500, 200),
        "languages": _languages,
        "sectors": _list(200, 200),
        "availability_status": _one_of(_AVAILABILITY),
        "available_from": _date,
        "remote_work_preference": _one_of(_REMOTE),
        COMPENSATION: _compensation,
        "compensation_expectation_min": _amount,
        "compensation_expectation_max": _amount,
        "compensation_currency": _currency,
    },
    "work_experience": {
        "company": _text(500),
        "title": _text(500),
        "start_date": _date,
        "end_date": _end_date,
        "is_current": _flag,
        "key_achievements": _list(100, 4000),
        "company_size": _text(200),
        "location": _text(500),
    },
    "board_experience": {
        "organization": _text(500),
        "role": _text(500),
        "sector": _text(200),
        "start_date": _date,
        "end_date": _end_date,
        "is_current": _flag,
        "organization_size": _text(200),
        "key_contributions": _text(20000),
        "compensation_disclosed": _flag,
        "annual_fee": _amount,
    },
    "education": {
        "institution": _text(500),
        "degree": _text(500),
        "field_of_study": _text(500),
        "graduation_year": _year,
        "gpa": _text(64),
        "honors": _list(100, 500),
    },
}
"""What can be heard of each table, and how it is read."""

APPENDED = frozenset({"skills", "languages", "sectors", "key_achievements", "honors", "key_contributions"})
"""Fields to which an answer adds; it cannot contradict what is there."""
