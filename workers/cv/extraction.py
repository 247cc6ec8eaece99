"""What a model is asked to read out of a CV, as the schema of its structured answer.

Every field is required and may be null or empty, as OpenAI's structured outputs want it
(https://platform.openai.com/docs/guides/structured-outputs). Dates are text: a model that must fill in a day
invents one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from workers.cv.answers import Answer, Flag, Text, TextList

__all__ = ["BoardRole", "CvBiography", "CvExtraction", "SpokenLanguage", "Study", "WorkRole"]

_DATE = "As precise as the document says and no more: 2019, 2019-03 or 2019-03-15. Null when it is not given."
_END = _DATE + " 'Present' while it goes on."
_DATES = {
    "from": "start_date", "start": "start_date", "started": "start_date", "date_from": "start_date",
    "to": "end_date", "end": "end_date", "until": "end_date", "ended": "end_date", "date_to": "end_date",
    "current": "is_current", "currently_working": "is_current", "is_present": "is_current",
}  # fmt: skip


class SpokenLanguage(Answer):
    """A language and how well it is spoken."""

    other_names: ClassVar[Mapping[str, str]] = {
        "name": "language",
        "proficiency": "level",
        "fluency": "level",
    }

    language: Text = Field(description="The language's name, as the document writes it.")
    level: Text = Field(description="How well, in the document's words: native, fluent, C1, ...")


class WorkRole(Answer):
    """One job: a person with three titles at one company has three of them."""

    other_names: ClassVar[Mapping[str, str]] = {
        **_DATES, "company_name": "company", "employer": "company", "organization": "company",
        "organisation": "company", "position": "title", "job_title": "title", "role": "title",
        "achievements": "key_achievements", "highlights": "key_achievements", "summary": "description",
        "responsibilities": "description",
    }  # fmt: skip

    company: Text = Field(description="The employer.")
    title: Text = Field(description="The job title.")
    start_date: Text = Field(description=_DATE)
    end_date: Text = Field(description=_END)
    is_current: Flag = Field(description="Whether the person still has this job.")
    description: Text = Field(description="What the job was about, in the document's words.")
    key_achievements: TextList = Field(description="Results that the document tells, one per entry.")
    company_size: Text = Field(description="How large the employer is, only when the document says so.")
    location: Text = Field(description="Where the job was.")


class BoardRole(Answer):
    """One seat on a board, supervisory board, advisory board, committee or board of trustees."""

    other_names: ClassVar[Mapping[str, str]] = {
        **_DATES, "company": "organization", "organisation": "organization", "company_name": "organization",
        "title": "role", "position": "role", "contributions": "key_contributions",
        "description": "key_contributions", "industry": "sector", "company_size": "organization_size",
        "fee": "annual_fee",
    }  # fmt: skip

    organization: Text = Field(description="Whose board it is.")
    role: Text = Field(
        description="Such as Non-Executive Director, Chair, Trustee, Mitglied des Aufsichtsrats."
    )
    sector: Text = Field(description="The organisation's sector, when it is told.")
    start_date: Text = Field(description=_DATE)
    end_date: Text = Field(description=_END)
    is_current: Flag = Field(description="Whether the person still has this seat.")
    organization_size: Text = Field(description="How large it is, only when the document says so.")
    key_contributions: Text = Field(description="What the person did there, in the document's words.")


class Study(Answer):
    """One degree, course or school."""

    other_names: ClassVar[Mapping[str, str]] = {
        "school": "institution", "university": "institution", "college": "institution",
        "major": "field_of_study", "field": "field_of_study", "qualification": "degree",
        "year": "graduation_year", "end_date": "graduation_year", "graduation_date": "graduation_year",
        "grade": "gpa", "awards": "honors", "honours": "honors",
    }  # fmt: skip

    institution: Text = Field(description="The school or university.")
    degree: Text = Field(description="The degree or certificate.")
    field_of_study: Text = Field(description="The subject.")
    graduation_year: Text = Field(description="The year of the degree, four digits; null when not given.")
    gpa: Text = Field(description="The grade, as the document writes it.")
    honors: TextList = Field(description="Distinctions and prizes.")
    description: Text = Field(description="Anything else that is told of it, such as the thesis.")


class CvExtraction(Answer):
    """Everything that a CV says about its person."""

    other_names: ClassVar[Mapping[str, str]] = {
        "given_name": "first_name", "family_name": "last_name", "surname": "last_name",
        "email_address": "email", "phone_number": "phone", "headline": "professional_headline",
        "title": "professional_headline", "linkedin": "linkedin_url", "url": "website",
        "homepage": "website", "profile": "summary", "about": "summary",
        "experience": "work_experience", "work": "work_experience", "employment": "work_experience",
        "boards": "board_experience", "board_roles": "board_experience", "studies": "education",
        "industries": "sectors",
    }  # fmt: skip

    is_cv: bool = Field(description="Whether this is a CV or résumé of a person at all.")
    first_name: Text = Field(description="Given names, in the script of the document.")
    last_name: Text = Field(description="Family names, in the script of the document.")
    email: Text = Field(description="The person's e-mail address.")
    phone: Text = Field(description="The person's phone number, as written.")
    location: Text = Field(description="Where the person lives.")
    professional_headline: Text = Field(
        description="What the person is, in one line; the current role if none."
    )
    linkedin_url: Text = Field(description="The address of the LinkedIn profile.")
    website: Text = Field(description="The person's own website.")
    summary: Text = Field(description="The document's own summary of the person, unchanged.")
    skills: TextList = Field(description="Skills that the document names, one per entry.")
    languages: list[SpokenLanguage] = Field(description="Languages that the person speaks.")
    sectors: TextList = Field(description="Sectors the person has worked in, by what the document says.")
    work_experience: list[WorkRole] = Field(
        description="Every job, also without dates, in the document's order."
    )
    board_experience: list[BoardRole] = Field(
        description="Every board or advisory role, wherever the document lists it, and none among the jobs."
    )
    education: list[Study] = Field(description="Every degree, course and school, in the document's order.")

    @field_validator("languages", mode="before")
    @classmethod
    def _languages_by_name(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [{"language": item, "level": None} if isinstance(item, str) else item for item in value]
        return value


class CvBiography(Answer):
    """A short biography, written from the facts of a CV and nothing else."""

    other_names: ClassVar[Mapping[str, str]] = {"bio": "biography", "text": "biography"}

    biography: str = Field(
        description="Three to five sentences in the third person, in the CV's language.", min_length=1
    )
