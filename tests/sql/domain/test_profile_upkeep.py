"""What profiles keep by themselves, writing on top of what was read, and deciding contradictions."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.people import SERVICE, Person, Project, Refused

FULL: dict[str, Any] = {
    "first_name": "Ada", "last_name": "L", "email": "a@example.com", "professional_headline": "h", "bio": "b",
    "location": "l", "phone": "+44 1", "linkedin_url": "https://linkedin.com/in/a", "website": "https://a.example",
    "skills": ["a", "b", "c"], "languages": [{"language": "English"}], "sectors": ["s"],
    "availability_status": "available", "remote_work_preference": "remote", "compensation_expectation_min": 1,
}  # fmt: skip


def apply(project: Project, person: Person, document: object, since: str | None = None) -> Any:
    return project.ask(
        SERVICE,
        "select * from public.apply_profile(%s, %s::jsonb, %s)",
        person.id,
        json.dumps(document),
        since,
    )[0]


def completeness(project: Project, person: Person) -> int:
    return project.value(person, "select profile_completeness from public.profiles")


@pytest.fixture
def ada(project: Project) -> Person:
    return project.person("ada")


def test_completeness_is_0_for_nothing_and_100_for_everything(project: Project, ada: Person) -> None:
    apply(project, ada, {})
    assert completeness(project, ada) == 0
    row = apply(
        project,
        ada,
        {
            "profile": FULL,
            "work_experience": [{"title": "t", "key_achievements": ["k"]}],
            "education": [{"degree": "d"}],
        },
    )
    assert row.profile_completeness == completeness(project, ada) == 100


def test_completeness_follows_every_change_of_the_owners(project: Project, ada: Person) -> None:
    apply(project, ada, {"profile": {"first_name": "Ada"}})
    before = completeness(project, ada)
    project.ask(ada, "insert into public.work_experience (title) values ('t'), ('u')")
    with_jobs = completeness(project, ada)
    project.ask(ada, "update public.profiles set phone = '+44 1', profile_completeness = 99")
    with_phone = completeness(project, ada)
    assert before < with_jobs < with_phone < 99
    project.ask(ada, "delete from public.work_experience where title = 't'")
    assert completeness(project, ada) == with_phone
    project.ask(ada, "delete from public.work_experience")
    assert completeness(project, ada) == with_phone - (with_jobs - before)


def test_what_the_owner_types_is_the_owners_word(project: Project, ada: Person) -> None:
    apply(
        project,
        ada,
        {
            "profile": {"phone": "+44 1", "bio": "b", "data_sources": {"phone": "cv", "bio": "cv"}},
            "work_experience": [{"title": "t", "source": "cv"}, {"title": "u", "source": "cv"}],
        },
    )
    project.ask(ada, "update public.profiles set phone = '+44 2'")
    project.ask(ada, "update public.work_experience set company = 'c' where title = 't'")
    project.ask(ada, "update public.work_experience set position = 7 where title = 'u'")
    assert project.value(ada, "select data_sources from public.profiles") == {"phone": "manual", "bio": "cv"}
    rows = project.ask(ada, "select title, source from public.work_experience order by title")
    assert [tuple(row) for row in rows] == [("t", "manual"), ("u", "cv")]


def test_what_a_worker_writes_keeps_its_source(project: Project, ada: Person) -> None:
    apply(project, ada, {"profile": {"phone": "+44 1", "data_sources": {"phone": "cv"}}})
    row = apply(project, ada, {"profile": {"phone": "+44 2"}})
    assert row.data_sources == {"phone": "cv"}


def test_a_merge_into_what_has_changed_is_refused(project: Project, ada: Person) -> None:
    first = apply(project, ada, {"profile": {"skills": ["a"]}}, "-infinity")
    second = apply(project, ada, {"profile": {"skills": ["a", "b"]}}, first.updated_at)
    for stale in ("-infinity", first.updated_at):
        with pytest.raises(Refused) as refused:
            apply(project, ada, {"profile": {"skills": ["x"]}}, stale)
        assert (refused.value.code, refused.value.detail) == ("HW202", "unless_changed_since")
    # Whoever changes a job changes the profile.
    project.ask(ada, "insert into public.work_experience (title) values ('t')")
    with pytest.raises(Refused):
        apply(project, ada, {"profile": {"skills": ["x"]}}, second.updated_at)
    assert project.value(ada, "select skills from public.profiles") == ["a", "b"]


def test_of_two_who_found_no_profile_the_second_merges_again(project: Project, ada: Person) -> None:
    call = "select * from public.apply_profile(%s, %s::jsonb, '-infinity')"
    document = json.dumps({"profile": {"skills": ["a"]}})
    blocked = "select exists (select from pg_locks where pid = %s and not granted)"
    with project.another_connection() as other, ThreadPoolExecutor(1) as pool:
        with project.acting(SERVICE) as cursor:
            cursor.execute(call, (ada.id, document))

            def second() -> None:
                with project.acting(SERVICE, connection=other) as late:
                    late.execute(call, (ada.id, json.dumps({"profile": {"skills": ["b"]}})))

            asking = pool.submit(second)
            while not project.owner(blocked, other.get_backend_pid())[0][0]:
                assert not asking.done()
        with pytest.raises(Refused) as refused:
            asking.result()
    assert (refused.value.code, refused.value.detail) == ("HW202", "unless_changed_since")
    assert project.value(ada, "select skills from public.profiles") == ["a"]


# Contradictions -----------------------------------------------------------------------------------------


def conflict(project: Project, person: Person, **fields: Any) -> str:
    row = {
        "profile_id": person.id, "target": "profiles", "field": "location", "known_value": '"Leeds"',
        "known_source": "cv", "heard_value": '"Hull"', **fields,
    }  # fmt: skip
    names = ", ".join(row)
    places = ", ".join(["%s"] * len(row))
    ((made,),) = project.ask(
        SERVICE,
        f"insert into public.profile_conflicts ({names}) values ({places}) returning id",
        *row.values(),
    )
    return str(made)


def decide(project: Project, person: Person, which: str, resolution: str | None) -> Any:
    return project.ask(person, "select * from public.resolve_profile_conflict(%s, %s)", which, resolution)[0]


def test_the_owner_decides_for_what_was_heard(project: Project, ada: Person) -> None:
    apply(project, ada, {"profile": {"location": "Leeds", "data_sources": {"location": "cv"}}})
    open_one = conflict(project, ada)
    assert decide(project, ada, open_one, "heard").resolution == "heard"
    (row,) = project.ask(ada, "select location, data_sources from public.profiles")
    assert (row.location, row.data_sources) == ("Hull", {"location": "interview"})
    assert decide(project, ada, open_one, "heard").resolved_at is not None
    with pytest.raises(Refused) as refused:
        decide(project, ada, open_one, "known")
    assert refused.value.code == "HW202"


def test_the_owner_decides_about_an_entry(project: Project, ada: Person) -> None:
    job = str(uuid.uuid4())
    apply(project, ada, {"work_experience": [{"id": job, "title": "t", "end_date": "2019", "source": "cv"}]})
    open_one = conflict(
        project, ada, target="work_experience", record_id=job, field="end_date", known_value='"2019"',
        heard_value='"2021-03"',
    )  # fmt: skip
    decide(project, ada, open_one, "heard")
    assert project.value(ada, "select end_date from public.work_experience") == "2021-03"
    sources = project.value(ada, "select data_sources from public.profiles")
    assert sources == {f"work_experience.{job}.end_date": "interview"}


@pytest.mark.parametrize("resolution", ["known", "neither"])
def test_other_decisions_change_nothing_else(project: Project, ada: Person, resolution: str) -> None:
    apply(project, ada, {"profile": {"location": "Leeds"}})
    assert decide(project, ada, conflict(project, ada), resolution).resolution == resolution
    assert project.value(ada, "select location from public.profiles") == "Leeds"


def test_nobody_decides_for_somebody_else(project: Project, ada: Person) -> None:
    apply(project, ada, {"profile": {"location": "Leeds"}})
    open_one = conflict(project, ada)
    with pytest.raises(Refused) as refused:
        decide(project, project.person("eve"), open_one, "heard")
    assert refused.value.code == "HW301"
    with pytest.raises(Refused) as refused:
        decide(project, ada, open_one, None)
    assert (refused.value.code, refused.value.detail) == ("HW103", "resolution")


def test_what_is_current_again_loses_its_end(project: Project, ada: Person) -> None:
    job = str(uuid.uuid4())
    apply(project, ada, {"work_experience": [{"id": job, "title": "t", "end_date": "2019"}]})
    apply(project, ada, {"work_experience": [{"id": job, "is_current": True}]})
    (row,) = project.ask(ada, "select end_date, is_current from public.work_experience")
    assert tuple(row) == (None, True)
    # Until a day to come is an end, and current.
    apply(project, ada, {"work_experience": [{"id": job, "is_current": True, "end_date": "2031"}]})
    (row,) = project.ask(ada, "select end_date, is_current from public.work_experience")
    assert tuple(row) == ("2031", True)
