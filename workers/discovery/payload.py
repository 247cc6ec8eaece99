"""What a campaign is asked for, and what it answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from workers.languages import normalized

__all__ = ["DiscoveryPayload", "DiscoveryResult"]


def _exact(value: object) -> object:
    """A JSON number is taken as it is written, not as the nearest binary fraction."""
    return str(value) if isinstance(value, float) else value


class DiscoveryPayload(BaseModel):
    """A search for businesses, and for people who can be reached there."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    business_type: str = Field(
        min_length=1, max_length=200, description="What is looked for, such as dentists."
    )
    location: str = Field(min_length=1, max_length=500, description="Where, such as Hamburg.")
    max_results: int = Field(default=20, ge=1, le=500, description="The most businesses that are found.")
    budget: Annotated[Decimal, BeforeValidator(_exact)] = Field(
        default=Decimal(5),
        ge=0,
        le=100_000,
        description="The most that all paid calls may cost, in US dollars.",
    )
    min_score: int = Field(
        default=50,
        ge=0,
        le=100,
        description="From which score on a business is worth paying for its contacts.",
    )
    region: str | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="The country, such as DE: for results and for telephone numbers without a country code.",
    )
    language: str | None = Field(
        default=None, max_length=35, description="In which language places are named."
    )
    campaign_id: UUID | None = Field(
        default=None, description="The campaign's row, if there is one already; made when omitted."
    )

    @field_validator("region")
    @classmethod
    def _country(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isalpha()):
            raise ValueError("must be a country's two letters, such as DE")
        return value.upper() if value else None

    @field_validator("language")
    @classmethod
    def _language(cls, value: str | None) -> str | None:
        return normalized(value) if value else None


class DiscoveryResult(BaseModel):
    """What a campaign brought; the leads themselves are rows of ``leads``."""

    campaign_id: UUID
    businesses_found: int
    duplicates: int
    qualified_leads: int
    leads_enriched: int
    average_confidence: Decimal | None
    total_cost: Decimal
    cost_per_lead: Decimal | None
    stopped_by_budget: bool
    degraded: list[str]
    export_path: str | None
    sandbox: bool
