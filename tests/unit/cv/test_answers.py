"""What models answer is understood, whatever they call our fields and however they say nothing."""

from __future__ import annotations

from typing import Any

import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import ValidationError

from workers.cv.extraction import CvBiography, CvExtraction
from workers.cv.interview.extraction import InterviewExtraction

EMPTY: dict[str, Any] = {
    "is_cv": True, "languages": [], "work_experience": [], "board_experience": [], "education": [],
}  # fmt: skip


def test_names_of_their_own() -> None:
    read = CvExtraction.model_validate(
        {
            **EMPTY,
            "firstName": "Ada",
            "familyName": "Lovelace",
            "Email Address": "ada@example.com",
            "workExperience": [
                {"employer": "Acme", "jobTitle": "Engineer", "startDate": "2019-03", "endDate": "Present",
                 "isCurrent": "yes", "highlights": "Built it; shipped it"},
            ],
            "boardRoles": [{"company": "Bank", "position": "Chair", "from": 2020, "to": None}],
            "education": [{"university": "Oxford", "major": "Maths", "graduationYear": 2001}],
            "skills": [{"name": "Python"}, "SQL"],
            "languages": ["German", {"name": "English", "proficiency": "C1"}],
        }
    )  # fmt: skip
    assert (read.first_name, read.last_name, read.email) == ("Ada", "Lovelace", "ada@example.com")
    (job,) = read.work_experience
    assert (job.company, job.title, job.start_date, job.is_current) == ("Acme", "Engineer", "2019-03", True)
    assert job.key_achievements == ["Built it", "shipped it"]
    (seat,) = read.board_experience
    assert (seat.organization, seat.role, seat.start_date, seat.end_date) == ("Bank", "Chair", "2020", None)
    (study,) = read.education
    assert (study.institution, study.field_of_study, study.graduation_year) == ("Oxford", "Maths", "2001")
    assert read.skills == ["Python", "SQL"]
    assert [(s.language, s.level) for s in read.languages] == [("German", None), ("English", "C1")]


@pytest.mark.parametrize("nothing", [None, "", "N/A", "null", "None", "not specified", " - "])
def test_ways_of_saying_nothing(nothing: Any) -> None:
    read = CvExtraction.model_validate({**EMPTY, "phone": nothing, "skills": nothing})
    assert (read.phone, read.skills) == (None, [])


def test_what_cannot_be_stored_is_left_out() -> None:
    assert CvExtraction.model_validate({**EMPTY, "first_name": "A\x00da\ud800"}).first_name == "Ada"


def test_the_name_asked_for_wins() -> None:
    job = {"employer": "Other", "company": "Acme", "title": "x"}
    (read,) = CvExtraction.model_validate({**EMPTY, "work_experience": [job]}).work_experience
    assert read.company == "Acme"


@pytest.mark.parametrize("missing", ["is_cv", "work_experience", "board_experience", "education"])
def test_a_left_out_list_is_no_statement(missing: str) -> None:
    document = {name: value for name, value in EMPTY.items() if name != missing}
    with pytest.raises(ValidationError):
        CvExtraction.model_validate(document)


@pytest.mark.parametrize("model", [CvExtraction, CvBiography, InterviewExtraction])
def test_the_schemas_are_what_structured_outputs_take(model: Any) -> None:
    schema = to_strict_json_schema(model)
    assert schema["title"] == model.__name__

    def check(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("type") == "object":
                assert part["additionalProperties"] is False
                assert sorted(part["required"]) == sorted(part["properties"])
                assert "startDate" not in part["properties"]
            for value in part.values():
                check(value)
        elif isinstance(part, list):
            for value in part:
                check(value)

    check(schema)
