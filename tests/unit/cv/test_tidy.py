"""What a model has read becomes a profile that fits the tables, without losing a role."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from headway.sandbox.answers.registry import reply
from support.cvs.expectation import shortfalls
from support.cvs.sample import SAMPLE
from support.cvs.shapes import CVS, Cv
from workers.cv.extraction import CvExtraction
from workers.cv.records import FullProfile
from workers.cv.tidy import Tidied, tidy

TODAY = date(2026, 11, 26)


def read(**found: Any) -> Tidied:
    document = {
        "is_cv": True,
        "languages": [],
        "work_experience": [],
        "board_experience": [],
        "education": [],
    }
    return tidy(CvExtraction.model_validate(document | found), TODAY)


@pytest.mark.parametrize("cv", CVS.values(), ids=lambda cv: cv.name)
def test_nothing_of_a_cv_is_lost_or_invented(cv: Cv) -> None:
    answer = reply(cv.text, CvExtraction.model_json_schema())
    found = tidy(CvExtraction.model_validate(answer), TODAY)
    assert shortfalls(found.profile, cv.person) == []


def test_there_are_enough_shapes() -> None:
    assert len({cv.person.name for cv in CVS.values()} | {SAMPLE.name}) >= 12


def test_a_role_without_a_date_is_a_role() -> None:
    tidied = read(work_experience=[{"company": "Acme", "title": "Clerk", "start_date": "a while ago"}])
    (job,) = tidied.profile.work_experience
    assert (job.title, job.start_date, job.end_date, job.is_current) == ("Clerk", None, None, False)
    assert tidied.notes == ["Clerk: 'a while ago' was not understood as a date"]


def test_the_current_role_and_company() -> None:
    tidied = read(
        work_experience=[
            {
                "company": "Old",
                "title": "Clerk",
                "start_date": "2012",
                "end_date": "2019",
                "is_current": True,
            },
            {"company": "Second", "title": "Teacher", "start_date": "2015", "end_date": "Present"},
            {"company": "First", "title": "Head", "start_date": "2019-03", "end_date": "heute"},
        ]
    )
    assert [job.is_current for job in tidied.profile.work_experience] == [False, True, True]
    role = tidied.profile.current_role
    assert role is not None
    assert (role.title, role.company) == ("Head", "First")
    assert tidied.profile.profile.professional_headline == "Head · First"


def test_the_last_job_without_an_end_is_the_current_one() -> None:
    jobs = [
        {"company": "New", "title": "Head", "start_date": "2019-06"},
        {"company": "Old", "title": "Clerk", "start_date": "2012", "end_date": "2019"},
    ]
    tidied = read(work_experience=jobs)
    assert [job.is_current for job in tidied.profile.work_experience] == [True, False]
    assert "taken as the current job" in tidied.notes[0]
    # Not when another one went on after it had begun.
    jobs[1]["end_date"] = "2024"
    assert not any(job.is_current for job in read(work_experience=jobs).profile.work_experience)


def test_board_seats_among_jobs_are_found_once() -> None:
    tidied = read(
        work_experience=[
            {"company": "Bank plc", "title": "Non-Executive Director", "start_date": "2020-03",
             "end_date": "Present", "description": "Audit"},
            {"company": "Acme", "title": "CEO and Board Member", "start_date": "2010", "end_date": "2020"},
        ],
        board_experience=[{"organization": "Bank", "role": "Non-executive Director", "start_date": "2020"}],
    )  # fmt: skip
    assert [job.title for job in tidied.profile.work_experience] == ["CEO and Board Member"]
    seats = [(b.organization, b.role, b.is_current) for b in tidied.profile.board_experience]
    assert seats == [("Bank", "Non-executive Director", True), ("Acme", "CEO and Board Member", False)]
    assert tidied.profile.board_experience[0].key_contributions == "Audit"
    assert tidied.profile.profile.current_board_roles == ["Non-executive Director, Bank"]


def test_contact_details_in_the_form_of_the_tables() -> None:
    tidied = read(
        email="<mailto:Ada@Example.com>", phone="0049 711 123456", linkedin_url="linkedin.com/in/ada",
        website="javascript:alert(1)",
    )  # fmt: skip
    person = tidied.profile.profile
    assert (person.email, person.phone) == ("Ada@example.com", "+49 711 123456")
    assert (person.linkedin_url, person.website) == ("https://linkedin.com/in/ada", None)
    assert tidied.notes == ["website: 'javascript:alert(1)' is no web address and was left out"]


def test_everything_fits_the_tables() -> None:
    long = "x" * 30_000
    tidied = read(
        first_name=long, email=long, phone=long, skills=[long] * 3 + [f"s{n}" for n in range(900)],
        work_experience=[
            {"company": long, "title": long, "description": long, "key_achievements": [long] * 200}
        ],
        education=[{"institution": long, "graduation_year": "2500"}],
        languages=[{"language": f"l{n}"} for n in range(300)],
    )  # fmt: skip
    person = tidied.profile.profile
    assert len(person.first_name or "") == 200
    assert (person.email, person.phone, len(person.skills), len(person.languages)) == (None, None, 500, 100)
    assert max(map(len, person.skills)) <= 200
    (job,) = tidied.profile.work_experience
    assert (len(job.company or ""), len(job.description or "")) == (500, 20000)
    assert tidied.profile.education[0].graduation_year is None
    FullProfile.model_validate_json(tidied.profile.model_dump_json())


def test_the_same_entry_twice_is_one() -> None:
    jobs = [
        {"company": "Acme", "title": "Clerk", "start_date": "2012"},
        {"company": " ACME", "title": "clerk", "start_date": "2012", "location": "Leeds"},
        {"company": "Acme", "title": "Clerk", "start_date": "2016"},
    ]
    found = read(work_experience=jobs).profile.work_experience
    assert [(job.start_date, job.location) for job in found] == [("2012", "Leeds"), ("2016", None)]


def test_a_lone_subject_is_kept_as_a_degree() -> None:
    (study,) = read(education=[{"field_of_study": "Law", "graduation_year": "1999"}]).profile.education
    assert (study.degree, study.field_of_study, study.graduation_year) == ("Law", None, 1999)
