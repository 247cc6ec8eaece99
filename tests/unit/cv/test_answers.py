"""What models answer is understood, whatever they call our fields and however they say nothing."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import ValidationError

from workers.cv.answers import _BRACKET, _SEPARATOR, _parts
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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Python; SQL\nGo • Rust", ["Python", "SQL", "Go", "Rust"]),
        ("Python (Django, Flask), SQL , C", ["Python (Django, Flask)", "SQL", "C"]),
        ("Pay 1,200 a day, Berlin", ["Pay 1,200 a day", "Berlin"]),
        ("a, (b", ["a", "(b"]),
        ("a, b) c, (d, e), f", ["a, b) c", "(d, e)", "f"]),
        ("; ,  ;", []),
    ],
)
def test_one_text_for_a_list_is_divided(text: str, parts: list[str]) -> None:
    assert CvExtraction.model_validate({**EMPTY, "skills": text}).skills == parts


def test_dividing_a_text_looks_at_each_part_once() -> None:
    """Whatever a model answers: twice the text is twice the work."""

    def lines_run(text: str) -> int:
        count = 0

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal count
            count += event == "line"
            return trace if frame.f_code is _parts.__code__ else None

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            _parts(text)
        finally:
            sys.settrace(before)
        return count

    for piece in (", ", ", (", ", )", "(", ")", "; ", "  ", "a, b (c, d), "):
        once, twice = lines_run(piece * 500), lines_run(piece * 1000)
        assert twice <= 2 * once, piece
    # The two expressions look at a character and the one after it: no text makes them go back.
    assert (_SEPARATOR.pattern, _BRACKET.pattern) == ("[;\\n•]|,(?=\\s)", "[()]")
