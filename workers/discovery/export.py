"""Leads as a table that a spreadsheet opens without running anything.

Source: RFC 4180; OWASP, "CSV Injection": a cell that begins with ``= + - @``, a tab or a line break is a
formula.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

import phonenumbers

__all__ = ["COLUMNS", "csv_of"]

COLUMNS = (
    "business_name", "business_type", "address", "phone", "website", "domain", "rating", "review_count",
    "contact_name", "contact_title", "contact_email", "verification", "confidence", "score", "score_reasons",
    "qualified", "degraded", "cost", "place_id",
)  # fmt: skip
_PARTED = re.compile("([;\t\r\n|] *)(?=[=+@＝＋－＠-])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_of(leads: Iterable[Mapping[str, Any]], *, sandbox: bool = False) -> bytes:
    """Leads as CSV in UTF-8 with a byte order mark, by which spreadsheets recognise it.

    Args:
        leads: Rows of ``leads``.
        sandbox: Whether providers were made up; every row then says so in a last column.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*COLUMNS, *(["sandbox"] if sandbox else [])])
    for lead in leads:
        writer.writerow(
            [_cell(column, lead.get(column)) for column in COLUMNS] + (["yes"] if sandbox else [])
        )
    return text.getvalue().encode("utf-8-sig")


def _cell(column: str, value: Any) -> str:
    match column, value:
        case _, None:
            return ""
        case "phone", str():
            return _safe(_dialled(value))
        case "score_reasons", list():
            return _safe("; ".join(f"{r['rule']} {r['points']}/{r['of']}: {r['why']}" for r in value))
        case _, list():
            return _safe(", ".join(map(str, value)))
        case _, bool():
            return "yes" if value else "no"
        case _:
            return _safe(str(value))


def _dialled(number: str) -> str:
    """A number as an address to dial (RFC 3966): its leading plus alone would make it a formula."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.RFC3966)


def _safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula; an apostrophe in front makes it mere text.

    Also in the middle: where the decimal point is a comma, spreadsheets part cells at semicolons.
    """
    text = _PARTED.sub(r"\1'", text)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
