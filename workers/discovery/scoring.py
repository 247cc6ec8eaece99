"""How promising a business is, with the reason for every point."""

from __future__ import annotations

import math
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from workers.discovery.business import Business

__all__ = ["RULES", "Reason", "Score", "score"]


class Reason(BaseModel):
    """What one rule gave."""

    model_config = ConfigDict(frozen=True)

    rule: str
    points: int = Field(ge=0)
    of: int = Field(gt=0)
    why: str


class Score(BaseModel):
    """0 to 100, and why."""

    model_config = ConfigDict(frozen=True)

    total: int = Field(ge=0, le=100)
    reasons: tuple[Reason, ...]

    def qualifies(self, threshold: int) -> bool:
        """Whether it is worth paying for its contacts."""
        return self.total >= threshold


def score(business: Business, wanted: str) -> Score:
    """Judge a business; the points are the sum of the reasons.

    Args:
        business: What is known of it.
        wanted: The kind of business that was asked for, in the words of whoever asked.
    """
    if not business.operational:
        closed = Reason(rule="open", points=0, of=100, why="It is closed, for now or for good.")
        return Score(total=0, reasons=(closed,))
    reasons = tuple(
        Reason(rule=name, points=round(most * share), of=most, why=why)
        for name, most, rule in RULES
        for share, why in [rule(business, wanted)]
    )
    return Score(total=sum(reason.points for reason in reasons), reasons=reasons)


def _website(business: Business, wanted: str) -> tuple[float, str]:
    if business.domain:
        return 1, f"It has a website of its own: {business.domain}."
    if business.website:
        return 0.4, "It has a page, but not on a domain of its own: its people cannot be looked up there."
    return 0, "It has no website: its people cannot be looked up."


def _rating(business: Business, wanted: str) -> tuple[float, str]:
    if business.rating is None:
        return 0, "Nobody has rated it."
    # 3.0 is where customers begin to stay away; what is better counts evenly up to 5.0.
    return min(max((business.rating - 3) / 2, 0), 1), f"It is rated {business.rating:.1f} of 5."


def _reviews(business: Business, wanted: str) -> tuple[float, str]:
    count = business.review_count or 0
    # Tenfold the reviews is twice the sign of life; 200 are as good as any number.
    return min(math.log1p(count) / math.log1p(200), 1), f"It has {count} review{'' if count == 1 else 's'}."


def _phone(business: Business, wanted: str) -> tuple[float, str]:
    return (1, "It can be called.") if business.phone else (0, "It has no valid telephone number.")


def _match(business: Business, wanted: str) -> tuple[float, str]:
    said = " ".join([business.name, business.category or "", *business.types]).replace("_", " ").casefold()
    words = [word for word in wanted.casefold().replace("-", " ").split() if len(word) > 2] or [
        wanted.casefold()
    ]
    found = [word for word in words if word in said or word.rstrip("s") in said]
    if not found:
        return 0, f"Neither its name nor its category mentions {wanted!r}."
    return len(found) / len(words), f"Its name or category mentions {', '.join(found)}."


RULES: tuple[tuple[str, int, Callable[[Business, str], tuple[float, str]]], ...] = (
    ("website", 30, _website),
    ("rating", 20, _rating),
    ("reviews", 20, _reviews),
    ("match", 20, _match),
    ("phone", 10, _phone),
)
"""Name, most points, and the rule: which share of them a business gets, and why."""
