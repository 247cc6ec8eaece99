"""A person's profile as the four tables hold it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_serializer

__all__ = [
    "AVAILABILITY",
    "REMOTE",
    "Board",
    "Education",
    "Entry",
    "FullProfile",
    "Language",
    "Profile",
    "Source",
    "Work",
]

Source: TypeAlias = Literal["cv", "interview", "linkedin", "manual"]
AVAILABILITY = ("available", "notice_period", "open_to_offers", "not_available")
REMOTE = ("remote", "hybrid", "onsite", "flexible")


class _Row(BaseModel):
    # Columns that a later migration adds are none of ours.
    model_config = ConfigDict(extra="ignore")


class Language(_Row):
    """A language in ``profiles.languages``."""

    language: str
    level: str | None = None


class Profile(_Row):
    """A row of ``profiles``, without the columns that the database keeps itself."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    professional_headline: str | None = None
    bio: str | None = None
    location: str | None = None
    phone: str | None = None
    linkedin_url: str | None = None
    website: str | None = None
    avatar_url: str | None = None
    skills: list[str] = Field(default_factory=list)
    languages: list[Language] = Field(default_factory=list)
    sectors: list[str] = Field(default_factory=list)
    has_board_experience: bool = False
    current_board_roles: list[str] = Field(default_factory=list)
    availability_status: str | None = None
    available_from: str | None = None
    remote_work_preference: str | None = None
    compensation_expectation_min: Decimal | None = None
    compensation_expectation_max: Decimal | None = None
    compensation_currency: str | None = None
    profile_completeness: int = 0
    onboarding_completed: bool = False
    data_sources: dict[str, Source] = Field(default_factory=dict)
    sandbox: bool = False

    @field_serializer("compensation_expectation_min", "compensation_expectation_max", when_used="json")
    def _exact(self, amount: Decimal | None) -> Any:
        return None if amount is None else float(amount)

    @property
    def name(self) -> str:
        """Both names, or what there is of them."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)


class Entry(_Row):
    """What the three lists of a profile have in common."""

    id: UUID | None = None
    source: Source = "cv"
    position: int = 0


class Work(Entry):
    """A row of ``work_experience``."""

    company: str | None = None
    title: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    is_current: bool = False
    description: str | None = None
    key_achievements: list[str] = Field(default_factory=list)
    company_size: str | None = None
    location: str | None = None


class Board(Entry):
    """A row of ``board_experience``."""

    organization: str | None = None
    role: str | None = None
    sector: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    is_current: bool = False
    organization_size: str | None = None
    key_contributions: str | None = None
    compensation_disclosed: bool = False
    annual_fee: Decimal | None = None

    @field_serializer("annual_fee", when_used="json")
    def _exact(self, amount: Decimal | None) -> Any:
        return None if amount is None else float(amount)


class Education(Entry):
    """A row of ``education``."""

    institution: str | None = None
    degree: str | None = None
    field_of_study: str | None = None
    graduation_year: int | None = None
    gpa: str | None = None
    honors: list[str] = Field(default_factory=list)
    description: str | None = None

    @property
    def named(self) -> list[str]:
        """Degree and subject; the degree alone when it names its subject."""
        parts = [part for part in (self.degree, self.field_of_study) if part]
        return parts[:1] if len(parts) == 2 and parts[1].casefold() in parts[0].casefold() else parts


class FullProfile(BaseModel):
    """A profile with everything that belongs to it."""

    profile: Profile = Field(default_factory=Profile)
    work_experience: list[Work] = Field(default_factory=list)
    board_experience: list[Board] = Field(default_factory=list)
    education: list[Education] = Field(default_factory=list)

    @property
    def current_role(self) -> Work | None:
        """The job of today: of several, the one that began last; of equals, the one listed first."""
        current = [work for work in self.work_experience if work.is_current]
        # max keeps the first of equals, and the lists are in the order of their source.
        return max(current, key=lambda work: work.start_date or "", default=None)
