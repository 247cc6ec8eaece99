"""Contact details in the one form that the tables admit, or a note on why they are left out."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

__all__ = ["email_address", "phone_number", "web_address"]

_AROUND = re.compile(r"[<>()\[\]\"'\s]|mailto:", re.IGNORECASE)


def email_address(text: str | None, notes: list[str]) -> str | None:
    """An e-mail address as it would be typed; ``None`` and a note when it is none.

    Args:
        text: What was read, perhaps with ``mailto:``, brackets or blanks.
        notes: Where to say what was left out.
    """
    if not text:
        return None
    candidate = _AROUND.sub("", text)
    try:
        return validate_email(candidate, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        notes.append(f"email: {text[:80]!r} is no e-mail address and was left out")
        return None


def phone_number(text: str | None, notes: list[str]) -> str | None:
    """A phone number: in international form when its country is certain, else as it was written.

    Args:
        text: What was read.
        notes: Where to say what was left out.
    """
    if not text:
        return None
    written = re.sub(r"\s+", " ", text).strip()
    if sum(c.isdigit() for c in written) < 5 or len(written) > 64:
        notes.append(f"phone: {text[:80]!r} is no phone number and was left out")
        return None
    try:
        number = phonenumbers.parse(re.sub(r"^00", "+", written), None)
    except phonenumbers.NumberParseException:
        return written
    if not phonenumbers.is_possible_number(number):
        return written
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def web_address(text: str | None, what: str, notes: list[str]) -> str | None:
    """A web address with its scheme; ``None`` and a note when it is none, or no public one.

    Args:
        text: What was read, perhaps without a scheme.
        what: The field, for the note.
        notes: Where to say what was left out.
    """
    if not text:
        return None
    candidate = text.strip().strip("<>()[]\"'.,;")
    if not re.match(r"^[a-z][a-z0-9+.-]*:", candidate, re.IGNORECASE):
        candidate = f"https://{candidate.removeprefix('//')}"
    try:
        parts = urlsplit(candidate)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    named = "." in host.strip(".") and re.fullmatch(r"[\w.-]+", host) is not None
    fits = len(candidate) <= 2000 and not re.search(r"\s", candidate) and "@" not in parts.netloc
    if parts.scheme.lower() not in ("http", "https") or not named or not fits:
        notes.append(f"{what}: {text[:80]!r} is no web address and was left out")
        return None
    return candidate
