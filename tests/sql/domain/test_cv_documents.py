"""Whatever a model answers, what is made of it is accepted by the tables, which have the last word."""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.people import SERVICE, Person, Project
from workers.cv.extraction import CvExtraction
from workers.cv.interview.extraction import InterviewExtraction
from workers.cv.interview.hearing import hear
from workers.cv.interview.questions import record_keys
from workers.cv.interview.spoken import FIELDS
from workers.cv.merging import merge
from workers.cv.records import FullProfile
from workers.cv.tidy import tidy

TODAY = date(2026, 11, 26)

_TEXTS = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.sampled_from(
        [
            "x" * 30_000,
            "\x00",
            "a\x00b",
            "\ud800",
            " ",
            "\u200b",
            "N/A",
            "2019",
            "2019-13-45",
            "Present",
            "0000-00",
            "January 2022",
            "31.02.2019",
            "İstanbul ẞ",
            "a" * 499 + "\U0001f600",
            "javascript:alert(1)",
            "a@b",
            "@",
            "https://",
            "https://user:pass@example.com",
            "Board Member",
            "CEO and Board Member",
            "9" * 60,
            "-1",
            "1e999",
        ]
    ),
)
_LISTS = st.one_of(st.none(), _TEXTS, st.lists(_TEXTS, max_size=4))


def _objects(*names: str, **lists: Any) -> st.SearchStrategy[list[dict[str, Any]]]:
    fields = dict.fromkeys(names, _TEXTS) | lists
    return st.lists(st.fixed_dictionaries({}, optional=fields), max_size=4)


_ANSWERS = st.fixed_dictionaries(
    {
        "is_cv": st.just(True),
        "languages": st.lists(
            st.one_of(st.text(max_size=9), st.fixed_dictionaries({"name": _TEXTS})), max_size=3
        ),
        "work_experience": _objects(
            "company",
            "title",
            "startDate",
            "end_date",
            "description",
            "company_size",
            "location",
            key_achievements=_LISTS,
            is_current=st.one_of(st.booleans(), st.none()),
        ),
        "board_experience": _objects(
            "organization", "role", "sector", "start_date", "end_date", "contributions"
        ),
        "education": _objects("institution", "degree", "field_of_study", "year", "gpa", honors=_LISTS),
    },
    optional={
        **dict.fromkeys(
            (
                "first_name",
                "last_name",
                "email",
                "phone",
                "location",
                "professional_headline",
                "linkedin_url",
                "website",
            ),
            _TEXTS,
        ),
        "skills": _LISTS,
        "sectors": _LISTS,
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=_ANSWERS, second=_ANSWERS)
def test_the_tables_accept_whatever_was_answered(
    project: Project, first: dict[str, Any], second: dict[str, Any]
) -> None:
    person = project.person()
    stored = FullProfile()
    for answer in (first, second, second):
        found = tidy(CvExtraction.model_validate(answer), TODAY)
        document = merge(UUID(person.id), stored, found.profile, sandbox=True).document
        _apply(project, person, document)
        after = _read(project, person)
        assert len(after.work_experience) >= len(stored.work_experience)
        stored = after
    # The third time was the second again.
    again = merge(UUID(person.id), stored, found.profile, sandbox=True).document
    _apply(project, person, again)
    assert _read(project, person) == stored


_SPOKEN = st.builds(
    dict,
    target=st.sampled_from(sorted(FIELDS)),
    record=st.sampled_from([None, "w1", "b1", "e1", "w9", "[w1]"]),
    field=st.sampled_from(
        sorted({name for fields in FIELDS.values() for name in fields} | {"id", "bio", "; --"})
    ),
    values=st.lists(
        st.one_of(
            _TEXTS, st.sampled_from(["90", "110k", "1.5 million", "EUR", "yes", "no", "hybrid", "2021-03"])
        ),
        max_size=3,
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_SPOKEN, max_size=6), max_size=4))
def test_the_tables_accept_whatever_was_heard(project: Project, rounds: list[list[dict[str, Any]]]) -> None:
    person = project.person()
    _apply(project, person, {
        "work_experience": [{"title": "t", "end_date": "2019"}], "board_experience": [{"role": "r"}],
        "education": [{"degree": "d"}],
    })  # fmt: skip
    for facts in rounds:
        stored = _read(project, person)
        extraction = InterviewExtraction.model_validate({"facts": facts, "declined": []})
        heard = hear(extraction, stored, record_keys(stored), {}, TODAY)
        _apply(project, person, heard.document)
        for conflict in heard.conflicts:
            # What is kept as a contradiction is JSON, and contradicts.
            assert json.dumps([conflict.known_value, conflict.heard_value])
            assert conflict.known_value != conflict.heard_value


def _apply(project: Project, person: Person, document: dict[str, Any]) -> None:
    project.ask(SERVICE, "select public.apply_profile(%s, %s::jsonb)", person.id, json.dumps(document))


def _read(project: Project, person: Person) -> FullProfile:
    whole = {
        "profile": project.value(
            SERVICE, "select to_jsonb(p) from public.profiles p where id = %s", person.id
        )
    }
    for table in ("work_experience", "board_experience", "education"):
        rows = project.ask(
            SERVICE,
            f"select to_jsonb(t) from public.{table} t where profile_id = %s order by position, id",
            person.id,
        )
        whole[table] = [row[0] for row in rows]
    return FullProfile.model_validate(whole)
