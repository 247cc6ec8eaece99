"""Holds a profile against the person whose CV it was read from."""

from __future__ import annotations

import re

from support.cvs.person import Person
from workers.cv.records import Education, FullProfile

__all__ = ["shortfalls"]


def shortfalls(found: FullProfile, person: Person) -> list[str]:
    """In what a profile falls short of what the CV says; empty when nothing was lost or invented."""
    profile = found.profile
    faults = [
        f"{name}: {actual!r} instead of {expected!r}"
        for name, actual, expected in (
            ("first_name", profile.first_name, person.first),
            ("last_name", profile.last_name, person.last),
            ("email", profile.email, person.email),
            ("phone", _digits(profile.phone), _digits(person.phone)),
        )
        if actual != expected
    ]
    jobs = {(w.title, w.company, w.start_date, w.end_date, w.is_current) for w in found.work_experience}
    seats = {(b.role, b.organization, b.start_date, b.end_date, b.is_current) for b in found.board_experience}
    expected_jobs = {(j.title, j.company, j.start, j.end, j.current) for j in person.jobs}
    expected_seats = {(s.role, s.organization, s.start, s.end, s.current) for s in person.seats}
    for what, actual_set, expected_set in (("job", jobs, expected_jobs), ("seat", seats, expected_seats)):
        faults += [f"{what} lost: {entry}" for entry in sorted(expected_set - actual_set, key=str)]
        faults += [f"{what} invented: {entry}" for entry in sorted(actual_set - expected_set, key=str)]
    for degree in person.degrees:
        if not any(_has(study, degree.degree, degree.institution, degree.year) for study in found.education):
            faults.append(f"degree lost: {degree} among {found.education}")
    skills = {skill.casefold() for skill in profile.skills}
    faults += [f"skill lost: {skill}" for skill in person.skills if skill.casefold() not in skills]
    languages = {spoken.language.casefold() for spoken in profile.languages}
    faults += [f"language lost: {name}" for name, _ in person.languages if name.casefold() not in languages]
    current = next((job for job in person.jobs if job.current), None)
    role = found.current_role
    if (role.title if role else None) != (current.title if current else None):
        faults.append(f"current role: {role.title if role else None}")
    return faults


def _has(study: Education, degree: str, institution: str, year: int | None) -> bool:
    # A degree may be told in one field or in two.
    told = " ".join(part for part in (study.degree, study.field_of_study) if part)
    return (
        set(re.findall(r"\w+", told)) >= set(re.findall(r"\w+", degree)) - {"in", "en", "of"}
        and study.institution == institution
        and study.graduation_year == year
    )


def _digits(text: str | None) -> str:
    return "".join(c for c in text or "" if c.isdigit())
