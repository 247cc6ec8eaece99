"""Who to write to at a business, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, TypeAlias

from email_validator import EmailNotValidError, validate_email
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Contact", "Verification", "address_of", "best", "confidence"]

Verification: TypeAlias = Literal["unverified", "valid", "invalid", "disposable", "catchall", "unknown"]

# How much of the finder's confidence is left after the verifier's word.
_LEFT: dict[str, Decimal] = {
    "valid": Decimal("1"),
    "catchall": Decimal("0.8"),
    "unknown": Decimal("0.7"),
    "unverified": Decimal("0.6"),
    "disposable": Decimal("0.1"),
    "invalid": Decimal("0"),
}
_SENIORITY = {"executive": 3, "senior": 2, "junior": 1}


class Contact(BaseModel):
    """A person, or a shared mailbox, at a business."""

    model_config = ConfigDict(frozen=True)

    email: str
    name: str | None = None
    title: str | None = None
    seniority: str | None = None
    personal: bool = False
    confidence: int = Field(ge=0, le=100)


def address_of(value: str) -> str | None:
    """An e-mail address in its one spelling, if it is one that mail can be sent to, else ``None``.

    Only its form is looked at: whether somebody reads it is the verifier's to say.
    """
    try:
        checked = validate_email(value.strip(), check_deliverability=False, strict=True)
    except EmailNotValidError:
        return None
    return checked.ascii_email


def best(contacts: Iterable[Contact]) -> list[Contact]:
    """The most promising first: people before mailboxes, deciders before others, then the surest."""
    return sorted(
        contacts,
        key=lambda c: (c.personal, _SENIORITY.get(c.seniority or "", 0), c.confidence, c.email),
        reverse=True,
    )


def confidence(contact: Contact | None, verification: Verification) -> Decimal | None:
    """How likely the contact can be reached, from 0 to 100; ``None`` without a contact."""
    if contact is None:
        return None
    return (contact.confidence * _LEFT[verification]).quantize(Decimal("0.01"))
