"""What was found out of one lead."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from workers.discovery.contacts import Contact, Verification

__all__ = ["LeadOutcome", "People"]

# Verdicts on addresses that are not worth writing to.
_UNREACHABLE = ("invalid", "disposable")


class People(BaseModel):
    """Who can be reached at a business, as a step keeps it.

    Attributes:
        contacts: The most promising first.
        cost: Of finding them, in US dollars.
        sandbox: Whether they were made up.
    """

    contacts: list[Contact] = []
    cost: Decimal = Decimal(0)
    sandbox: bool = False


class LeadOutcome(BaseModel):
    """As a step keeps it.

    Attributes:
        contact: Whom to write to, if anybody was found.
        verification: What the verifier says of the address.
        confidence: 0 to 100, how likely the contact can be reached.
        degraded: Fields that stayed empty because a provider was down.
        cost: Of the calls for this lead, in US dollars.
        sandbox: Whether any of it was made up.
    """

    contact: Contact | None = None
    verification: Verification = "unverified"
    confidence: Decimal | None = None
    degraded: list[str] = []
    cost: Decimal = Decimal(0)
    sandbox: bool = False

    @property
    def reachable(self) -> bool:
        """Whether there is somebody who can be written to; an address that bounces is nobody's."""
        return self.contact is not None and self.verification not in _UNREACHABLE
