"""The rule for ``CvExtraction``: what a CV says about its person, by the names of the profile's columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headway.sandbox.answers.cv.contact import find_contact, find_email, is_contact_line, strip_contact
from headway.sandbox.answers.cv.education import Study, read_education
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.lines import Line, read_lines
from headway.sandbox.answers.cv.lists import read_languages, read_sectors, read_skills
from headway.sandbox.answers.cv.names import bring_name_forward, find_headline, find_name
from headway.sandbox.answers.cv.roles import Role, read_roles
from headway.sandbox.answers.cv.sections import Cv, divide
from headway.sandbox.answers.cv.vocabulary import pattern
from headway.sandbox.answers.registry import document, task

__all__ = ["extract"]

_OTHER_PAPERS = pattern("other_papers")
_IBERIAN = re.compile(
    r"\b(?:experiencia (?:laboral|profesional|profissional)|formacion|formacao|educacion|idiomas|habilidades|"
    r"competencias|trayectoria|licenciatura)\b"
)
_MOST_CHARACTERS = 400_000


@task("CvExtraction")
def extract(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """What the document in a prompt says about its person.

    Args:
        text: The user's messages.
        schema: Of the answer.
    """
    lines = read_lines(document(text)[:_MOST_CHARACTERS])
    cv = divide(lines)
    bring_name_forward(cv, find_email(cv))
    contact = find_contact(cv)
    iberian = bool(_IBERIAN.search(fold(" ".join(line.text for line in lines))))
    near = [*cv.of("contact"), *cv.of("summary")[:2]]
    name = find_name(cv.head, near, contact.email, iberian=iberian)
    roles = [*read_roles(cv.of("work"), boards=False), *read_roles(cv.of("boards"), boards=True)]
    # Seats also stand under "Leadership", "Volunteering" and "Memberships".
    others = [role for lines in cv.each("other") for role in read_roles(lines, boards=False)]
    roles += [role for role in others if role.board and role.company]
    if not (cv.of("work") or cv.of("boards")):
        unmarked = [line for line in cv.head if not is_contact_line(line.text)]
        roles = [role for role in read_roles(unmarked, boards=False) if role.start or role.end]
    studies = read_education(cv.of("education"))
    if not _is_cv(cv, name is not None, roles, studies):
        return {"is_cv": False}
    jobs = [role for role in roles if not role.board]
    summary = _summary(cv, name[2] if name else None)
    headline = find_headline(cv.head, name[2] if name else None)
    if headline is not None and headline == summary:
        headline = None
    return {
        "is_cv": True,
        "first_name": name[0] or None if name else None,
        "last_name": name[1] or None if name else None,
        "email": contact.email,
        "phone": contact.phone,
        "location": contact.location,
        "linkedin_url": contact.linkedin_url,
        "website": contact.website,
        "professional_headline": headline or _current_title(roles),
        "summary": summary,
        "bio": summary,
        "skills": read_skills(cv.of("skills")),
        "languages": [
            {"language": language, "name": language, "level": level}
            for language, level in read_languages(cv.of("languages"))
        ],
        "sectors": read_sectors(cv.of("sectors"), f"{headline or ''}. {summary or ''}"),
        "has_board_experience": any(role.board for role in roles),
        "current_board_roles": sum(role.board and role.current for role in roles),
        "work_experience": [_job(role) for role in jobs],
        "board_experience": [_seat(role) for role in roles if role.board],
        "education": [_study(study) for study in studies],
    }


def _is_cv(cv: Cv, named: bool, roles: list[Role], studies: list[Study]) -> bool:
    if _OTHER_PAPERS.search(fold(" ".join(line.text for line in cv.head[:15]))) and not roles:
        return False
    about_a_career = bool({"work", "boards", "education"} & set(cv.sections)) and bool(roles or studies)
    dated = sum(1 for role in roles if role.start or role.end)
    return about_a_career or (named and dated >= 2)


def _summary(cv: Cv, name_line: str | None) -> str | None:
    told = [line.text for line in cv.of("summary")]
    if not told:
        told = [line.text for line in cv.head if line.text != name_line and _is_prose(line)]
    return " ".join(told) or None


def _is_prose(line: Line) -> bool:
    text = line.text
    if len(text.split()) < 7 or "|" in text or ":" in text[:25] or "：" in text[:25]:
        return False
    return not is_contact_line(text) and text == strip_contact(text)


def _current_title(roles: list[Role]) -> str | None:
    role = next((each for each in roles if each.current and each.title), None) or next(
        (each for each in roles if each.title), None
    )
    return role.title if role else None


def _job(role: Role) -> dict[str, Any]:
    return {
        "company": role.company,
        "title": role.title,
        "start_date": role.start,
        "end_date": role.end,
        "is_current": role.current,
        "description": role.description,
        "key_achievements": list(role.achievements),
        "company_size": role.size,
        "location": role.location,
    }


def _seat(role: Role) -> dict[str, Any]:
    told = [*([role.description] if role.description else []), *role.achievements]
    return {
        "organization": role.company,
        "role": role.title,
        "sector": None,
        "start_date": role.start,
        "end_date": role.end,
        "is_current": role.current,
        "organization_size": role.size,
        "key_contributions": "\n".join(told) or None,
    }


def _study(study: Study) -> dict[str, Any]:
    return {
        "institution": study.institution,
        "degree": study.degree,
        "field_of_study": study.field,
        "graduation_year": study.year,
        "gpa": study.gpa,
        "honors": list(study.honors),
        "description": study.description,
    }
