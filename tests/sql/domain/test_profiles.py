"""Profiles: partial dates as given, applying a CV twice, sharing by links, interviews."""

from __future__ import annotations

import calendar
import hashlib
import json
import random
import uuid
from typing import Any

import pytest

from support.people import NOBODY, SERVICE, Person, Project, Refused

DOCUMENT: dict[str, Any] = {
    "profile": {
        "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "phone": "+44 1",
        "skills": ["mathematics"], "languages": [{"language": "English", "level": "native"}],
        "compensation_expectation_min": 10, "compensation_expectation_max": 20.5,
        "data_sources": {"first_name": "cv", "skills": "cv"},
    },
    "work_experience": [
        {"company": "Analytical Engines", "title": "Programmer", "start_date": "1842", "is_current": True},
        {"title": "Translator", "start_date": "1842-10", "end_date": "1843-07-15",
         "key_achievements": ["Notes"]},
        {"company": "No Dates Ltd"},
    ],
    "board_experience": [{"organization": "Royal Society", "role": "Patron", "annual_fee": "12.50"}],
    "education": [{"institution": "Home", "degree": "Mathematics", "graduation_year": 1835 + 100}],
}  # fmt: skip


def apply(project: Project, person: Person, document: object, profile: str | None = None) -> Any:
    return project.ask(
        person,
        "select * from public.apply_profile(%s, %s::jsonb)",
        profile or person.id,
        json.dumps(document),
    )[0]


@pytest.fixture
def ada(project: Project) -> Person:
    person = project.person("ada")
    apply(project, person, DOCUMENT)
    return person


# Partial dates ------------------------------------------------------------------------------------------


def test_partial_dates_keep_their_precision(project: Project, ada: Person) -> None:
    rows = project.ask(
        ada,
        "select start_date, end_date, is_current from public.work_experience order by position",
    )
    assert [tuple(row) for row in rows] == [
        ("1842", None, True), ("1842-10", "1843-07-15", False), (None, None, False),
    ]  # fmt: skip


def test_partial_dates_are_the_calendars(project: Project) -> None:
    chance = random.Random(7)
    given: dict[str, bool] = {}
    for _ in range(3000):
        year, month, day = chance.randint(1000, 2999), chance.randint(0, 13), chance.randint(0, 32)
        there = 1 <= month <= 12
        given[f"{year:04}"] = True
        given[f"{year:04}-{month:02}"] = there
        given[f"{year:04}-{month:02}-{day:02}"] = there and 1 <= day <= calendar.monthrange(year, month)[1]
    for odd in ("", "22", "2022-1", "2022-01-1", "2022/01", "Present", "January 2022", "2022-01-01T00:00",
                " 2022", "2022\n", "0999", "3000", "２０２２"):  # fmt: skip
        given[odd] = False
    rows = project.owner("select d, public.is_partial_date(d) as ok from unnest(%s::text[]) d", list(given))
    assert {row.d: row.ok for row in rows} == given


# Applying -----------------------------------------------------------------------------------------------


def test_applying_twice_changes_nothing(project: Project, ada: Person) -> None:
    def everything() -> list[Any]:
        query = "select to_jsonb(t) - 'updated_at' as row from public.{} t order by t.id"
        return [
            project.ask(ada, query.format(table))
            for table in ("profiles", "work_experience", "board_experience", "education")
        ]

    before = everything()
    apply(project, ada, DOCUMENT)
    assert everything() == before
    assert [len(rows) for rows in before] == [1, 3, 1, 1]


def test_applying_merges(project: Project, ada: Person) -> None:
    (fee,) = project.ask(ada, "select id from public.board_experience")
    row = apply(
        project, ada,
        {
            "profile": {"bio": "Wrote the first program.", "phone": None,
                        "data_sources": {"bio": "interview"}},
            "work_experience": [
                {"company": " analytical engines", "title": "PROGRAMMER", "start_date": "1842",
                 "end_date": "1852", "is_current": False, "location": None},
                {"company": "New", "title": "Role"},
                {"company": "New", "title": "Role", "location": "London"},
            ],
            "board_experience": [{"id": str(fee.id), "role": "Fellow", "key_contributions": "Papers"}],
        },
    )  # fmt: skip
    assert (row.bio, row.phone, row.skills) == ("Wrote the first program.", "+44 1", ["mathematics"])
    assert row.data_sources.items() >= {"first_name": "cv", "skills": "cv", "bio": "interview"}.items()
    work = project.ask(ada, "select * from public.work_experience where company is not null order by company")
    assert [(w.company, w.end_date, w.is_current, w.location) for w in work] == [
        ("Analytical Engines", "1852", False, None),
        ("New", None, False, "London"),
        ("No Dates Ltd", None, False, None),
    ]
    (board,) = project.ask(ada, "select * from public.board_experience")
    assert (board.id, board.role, str(board.annual_fee)) == (fee.id, "Fellow", "12.50")


def test_applying_is_all_or_nothing(project: Project) -> None:
    person = project.person()
    with pytest.raises(Refused) as refused:
        apply(project, person, DOCUMENT | {"education": [{"institution": "X", "graduation_year": 3000}]})
    assert refused.value.code == "23514"
    assert project.ask(person, "select 1 from public.profiles") == []
    assert project.ask(person, "select 1 from public.work_experience") == []


@pytest.mark.parametrize(
    ("document", "code", "detail"),
    [
        (None, "HW100", "document"),
        ([], "HW100", "document"),
        ({"jobs": []}, "HW101", "document.jobs"),
        ({"profile": []}, "HW100", "document.profile"),
        ({"work_experience": {}}, "HW100", "document.work_experience"),
        ({"work_experience": [1]}, "HW100", "document.work_experience"),
        ({"profile": {"firstName": "A"}}, "HW101", "document.profile.firstName"),
        ({"work_experience": [{"startDate": "2022"}]}, "HW101", "document.work_experience.startDate"),
        ({"work_experience": [{"title": "x", "start_date": "January 2022"}]}, "23514", None),
        ({"work_experience": [{"description": "nothing else"}]}, "23514", None),
        ({"work_experience": [{"title": "x", "is_current": "Present"}]}, "22P02", None),
        ({"board_experience": [{"role": "x", "annual_fee": -1}]}, "23514", None),
        ({"profile": {"website": "javascript:alert(1)"}}, "23514", None),
        ({"profile": {"skills": ["a", ""]}}, "23514", None),
        ({"profile": {"skills": [["a"]]}}, "23514", None),
        ({"profile": {"languages": ["English"]}}, "23514", None),
        ({"profile": {"languages": [[{"language": "English"}]]}}, "23514", None),
        ({"profile": {"languages": [{"language": ["English"]}]}}, "23514", None),
        ({"profile": {"languages": [{"level": "C1"}]}}, "23514", None),
        ({"profile": {"data_sources": {"bio": "guess"}}}, "23514", None),
        ({"profile": {"data_sources": {"bio": ["cv"]}}}, "23514", None),
        ({"profile": {"compensation_expectation_min": 5, "compensation_expectation_max": 4}}, "23514", None),
        ({"profile": {"availability_status": "maybe"}}, "23514", None),
    ],
)
def test_refuses_malformed_answers(project: Project, document: object, code: str, detail: str | None) -> None:
    person = project.person()
    with pytest.raises(Refused) as refused:
        apply(project, person, document)
    assert refused.value.code == code, refused.value
    if detail:
        assert refused.value.detail == detail
    assert project.ask(person, "select 1 from public.profiles") == []


def test_nobody_applies_to_somebody_else(project: Project, ada: Person) -> None:
    stranger = project.person()
    with pytest.raises(Refused) as refused:
        apply(project, stranger, {"profile": {"bio": "gotcha"}}, profile=ada.id)
    assert refused.value.code == "42501"
    apply(project, SERVICE, {"profile": {"bio": "by a worker"}}, profile=ada.id)
    (row,) = project.ask(ada, "select bio from public.profiles")
    assert row.bio == "by a worker"
    # Naming the id of somebody else's entry does not move it.
    (entry,) = project.ask(ada, "select id from public.education")
    apply(project, stranger, {})
    with pytest.raises(Refused):
        apply(project, stranger, {"education": [{"id": str(entry.id), "institution": "Mine now"}]})
    assert project.ask(ada, "select institution from public.education")[0].institution == "Home"


# Sharing ------------------------------------------------------------------------------------------------


def share(project: Project, person: Person, **options: Any) -> Any:
    (link,) = project.ask(
        person, "select * from public.create_profile_share_link(%s, %s, %s)",
        options.get("seconds", 3600), options.get("label"), options.get("contact", False),
    )  # fmt: skip
    return link


def shown(project: Project, person: Person, token: str | None) -> Any:
    return project.value(person, "select public.shared_profile(%s)", token)


def test_a_link_shows_the_profile_without_pay_and_contact(project: Project, ada: Person) -> None:
    link = share(project, ada)
    assert len(link.token) == 64
    for viewer in (NOBODY, project.person(), SERVICE):
        page = shown(project, viewer, link.token)
        assert page["profile"]["first_name"] == "Ada"
        assert len(page["work_experience"]) == 3
        text = json.dumps(page)
        for secret in (
            "ada@example.com",
            "+44 1",
            "compensation",
            "annual_fee",
            "data_sources",
            "12.5",
            "20.5",
        ):
            assert secret not in text
    with_contact = shown(project, NOBODY, share(project, ada, contact=True).token)
    assert (with_contact["profile"]["email"], with_contact["profile"]["phone"]) == (
        "ada@example.com",
        "+44 1",
    )


def test_the_token_is_nowhere_stored(project: Project, ada: Person) -> None:
    link = share(project, ada)
    (row,) = project.owner("select * from public.profile_share_links where id = %s", link.id)
    assert row.token_hash == hashlib.sha256(link.token.encode()).hexdigest()
    assert link.token not in str(row)
    with pytest.raises(Refused) as refused:
        project.ask(ada, "select token_hash from public.profile_share_links")
    assert refused.value.code == "42501"


def test_views_are_counted_but_not_ones_own(project: Project, ada: Person) -> None:
    link = share(project, ada)
    shown(project, ada, link.token)
    for _ in range(3):
        shown(project, NOBODY, link.token)
    (row,) = project.ask(
        ada,
        "select view_count, last_viewed_at from public.profile_share_links where id = %s",
        link.id,
    )
    assert row.view_count == 3
    assert row.last_viewed_at
    (day,) = project.ask(ada, "select views from public.profile_views where share_link_id = %s", link.id)
    assert day.views == 3
    assert project.ask(project.person(), "select 1 from public.profile_views") == []
    assert project.ask(project.person(), "select id from public.profile_share_links") == []


def test_dead_links_are_told_apart_by_nobody(project: Project, ada: Person) -> None:
    revoked, expired = share(project, ada), share(project, ada)
    assert project.value(project.person(), "select public.revoke_profile_share_link(%s)", revoked.id) is False
    assert project.value(ada, "select public.revoke_profile_share_link(%s)", revoked.id) is True
    assert project.value(ada, "select public.revoke_profile_share_link(%s)", revoked.id) is True
    project.owner(
        "update public.profile_share_links set created_at = now() - interval '2 days',"
        " expires_at = now() - interval '1 day' where id = %s",
        expired.id,
    )
    answers = set()
    for token in (revoked.token, expired.token, "0" * 64, "", None, revoked.token.upper()):
        with pytest.raises(Refused) as refused:
            shown(project, NOBODY, token)
        answers.add(str(refused.value))
    assert len(answers) == 1
    assert answers.pop().startswith("HW301")


@pytest.mark.parametrize("seconds", [0, 59, 31536001, -5, None])
def test_links_live_for_a_while(project: Project, ada: Person, seconds: int | None) -> None:
    with pytest.raises(Refused) as refused:
        share(project, ada, seconds=seconds)
    assert (refused.value.code, refused.value.detail) == ("HW103", "expires_in_seconds")


def test_who_has_no_profile_shares_none(project: Project) -> None:
    with pytest.raises(Refused) as refused:
        share(project, project.person())
    assert refused.value.code == "HW301"


def test_a_hundred_links_are_enough(project: Project, ada: Person) -> None:
    project.owner(
        "insert into public.profile_share_links (profile_id, token_hash, expires_at)"
        " select %s, encode(sha256(random()::text::bytea), 'hex'), now() + interval '1 day'"
        " from generate_series(1, 100)",
        ada.id,
    )
    with pytest.raises(Refused) as refused:
        share(project, ada)
    assert refused.value.code == "HW202"


# Interviews ---------------------------------------------------------------------------------------------


def test_an_interview(project: Project, ada: Person) -> None:
    (session,) = project.ask(ada, "insert into public.interview_sessions default values returning *")
    assert (str(session.profile_id), session.status) == (ada.id, "active")
    turn = (
        "insert into public.interview_turns (session_id, seq, speaker, content)"
        " values (%s, %s, 'user', 'hello')"
    )
    project.ask(ada, turn, session.id, 0)
    with pytest.raises(Refused) as refused:
        project.ask(ada, turn, session.id, 0)
    assert refused.value.code == "23505"
    with pytest.raises(Refused) as refused:
        project.ask(project.person(), turn, session.id, 1)
    assert refused.value.code == "42501"

    question = (
        "insert into public.interview_questions (session_id, field, question, worth)"
        " values (%s, 'phone', 'Phone?', 5)"
    )
    with pytest.raises(Refused):
        project.ask(ada, question, session.id)
    project.ask(SERVICE, question, session.id)
    with pytest.raises(Refused):
        project.ask(SERVICE, question, session.id)  # asked once per session
    assert project.ask(
        ada, "update public.interview_questions set status = 'skipped' where true returning status"
    )
    with pytest.raises(Refused):
        project.ask(ada, "update public.interview_questions set answer = '1' where true")

    project.ask(
        SERVICE,
        "insert into public.profile_conflicts"
        " (profile_id, session_id, field, known_value, known_source, heard_value)"
        " values (%s, %s, 'phone', '\"+44 1\"', 'cv', '\"+44 2\"')",
        ada.id,
        session.id,
    )
    resolve = (
        "update public.profile_conflicts set resolution = 'heard', resolved_at = now() where true returning 1"
    )
    assert project.ask(project.person(), resolve) == []
    assert project.ask(ada, resolve)

    project.ask(ada, "update public.interview_sessions set status = 'completed', ended_at = now() where true")
    with pytest.raises(Refused) as refused:
        project.ask(ada, turn, session.id, 1)
    assert refused.value.code == "42501"


def test_client_secrets_are_their_owners_and_expire(project: Project, ada: Person) -> None:
    (session,) = project.ask(ada, "insert into public.interview_sessions default values returning id")
    project.ask(
        SERVICE,
        "insert into public.interview_client_secrets (session_id, secret, model, expires_at)"
        " values (%s, 'ek_test', 'gpt-realtime', now() + interval '1 minute')",
        session.id,
    )
    assert project.ask(ada, "select secret from public.interview_client_secrets")[0].secret == "ek_test"
    assert project.ask(project.person(), "select secret from public.interview_client_secrets") == []
    project.owner(
        "update public.interview_client_secrets set expires_at = now() where session_id = %s", session.id
    )
    assert project.ask(ada, "select secret from public.interview_client_secrets") == []


def test_deleting_an_account_takes_the_profile_along(project: Project, ada: Person) -> None:
    share(project, ada)
    project.ask(ada, "insert into public.interview_sessions default values")
    project.owner("delete from auth.users where id = %s", ada.id)
    for table in ("profiles", "work_experience", "profile_share_links", "interview_sessions"):
        column = "id" if table == "profiles" else "profile_id"
        assert project.owner(f"select 1 from public.{table} where {column} = %s", ada.id) == []
    assert uuid.UUID(ada.id)
