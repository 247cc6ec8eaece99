"""Somebody's career, as a CV tells it and as a profile should hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["HEADINGS", "Degree", "Job", "Person", "Seat"]


@dataclass(frozen=True)
class Job:
    """A job: ``dates`` as the CV writes them, the rest as the table should hold it."""

    title: str
    company: str
    dates: str
    start: str | None = None
    end: str | None = None
    current: bool = False
    bullets: Sequence[str] = ()
    location: str | None = None


@dataclass(frozen=True)
class Seat:
    """A seat on a board."""

    role: str
    organization: str
    dates: str
    start: str | None = None
    end: str | None = None
    current: bool = False
    among_jobs: bool = False


@dataclass(frozen=True)
class Degree:
    """A degree."""

    degree: str
    institution: str
    year: int | None
    dates: str | None = None


@dataclass(frozen=True)
class Person:
    """A whole CV."""

    first: str
    last: str
    headline: str
    jobs: Sequence[Job]
    email: str | None = None
    phone: str | None = None
    location: str | None = None
    linkedin: str | None = None
    summary: str | None = None
    seats: Sequence[Seat] = ()
    degrees: Sequence[Degree] = ()
    skills: Sequence[str] = ()
    languages: Sequence[tuple[str, str]] = ()
    tongue: str = "en"
    extra: Sequence[str] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def contact(self) -> list[str]:
        return [part for part in (self.email, self.phone, self.location, self.linkedin) if part]

    def heading(self, section: str) -> str:
        return HEADINGS[self.tongue][section]


HEADINGS = {
    "en": {
        "summary": "Profile",
        "work": "Professional Experience",
        "boards": "Board Positions",
        "education": "Education",
        "skills": "Skills",
        "languages": "Languages",
    },
    "de": {
        "summary": "Profil",
        "work": "Berufserfahrung",
        "boards": "Mandate",
        "education": "Ausbildung",
        "skills": "Kenntnisse",
        "languages": "Sprachen",
    },
    "fr": {
        "summary": "Profil",
        "work": "Expérience professionnelle",
        "boards": "Mandats d'administrateur",
        "education": "Formation",
        "skills": "Compétences",
        "languages": "Langues",
    },
    "es": {
        "summary": "Perfil",
        "work": "Experiencia profesional",
        "boards": "Consejos de administración",
        "education": "Formación académica",
        "skills": "Competencias",
        "languages": "Idiomas",
    },
    "pl": {
        "summary": "Profil",
        "work": "Doświadczenie zawodowe",
        "boards": "Rady nadzorcze",
        "education": "Wykształcenie",
        "skills": "Umiejętności",
        "languages": "Języki",
    },
    "ar": {
        "summary": "نبذة",
        "work": "الخبرة المهنية",
        "boards": "مجالس الإدارة",
        "education": "التعليم",
        "skills": "المهارات",
        "languages": "اللغات",
    },
    "he": {
        "summary": "תמצית",
        "work": "ניסיון תעסוקתי",
        "boards": "דירקטוריונים",
        "education": "השכלה",
        "skills": "כישורים",
        "languages": "שפות",
    },
}
