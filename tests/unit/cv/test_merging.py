"""A CV merged into a profile: completed, brought up to date, nobody overruled, and twice is like once."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.cv.merging import Merge, merge
from workers.cv.records import Board, Education, FullProfile, Language, Profile, Work

OWNER = UUID("00000000-0000-4000-8000-000000000001")


def apply(stored: FullProfile, document: dict[str, Any]) -> FullProfile:
    """What ``public.apply_profile`` makes of it."""
    after = stored.model_dump(mode="json")
    fields = dict(document["profile"])
    sources = after["profile"]["data_sources"] | fields.pop("data_sources", {})
    after["profile"] |= fields | {"data_sources": sources}
    for table in ("work_experience", "board_experience", "education"):
        rows = {row["id"]: row for row in after[table]}
        for row in document[table]:
            rows[row["id"]] = rows.get(row["id"], {}) | row
        after[table] = list(rows.values())
    return FullProfile.model_validate(after)


def run(stored: FullProfile, found: FullProfile) -> Merge:
    return merge(OWNER, stored, found, sandbox=False)


def a_profile(**fields: Any) -> FullProfile:
    return FullProfile(
        profile=Profile(**fields),
        work_experience=[Work(company="Acme Ltd", title="Clerk", start_date="2019", description="d")],
        board_experience=[Board(organization="Bank", role="Chair", is_current=True)],
        education=[Education(institution="Oxford", degree="BA", graduation_year=2001)],
    )


def test_an_empty_profile_becomes_what_the_cv_says() -> None:
    found = a_profile(first_name="Ada", phone="+44 1", skills=["a"], languages=[Language(language="English")])
    after = apply(FullProfile(), run(FullProfile(), found).document)
    assert (after.profile.first_name, after.profile.phone, after.profile.skills) == ("Ada", "+44 1", ["a"])
    assert after.profile.data_sources == {
        "first_name": "cv",
        "phone": "cv",
        "skills": "cv",
        "languages": "cv",
    }
    assert after.profile.current_board_roles == ["Chair, Bank"]
    assert after.profile.has_board_experience
    assert [job.company for job in after.work_experience] == ["Acme Ltd"]


def test_the_same_again_changes_nothing() -> None:
    found = a_profile(first_name="Ada", skills=["a", "b"])
    once = apply(FullProfile(), run(FullProfile(), found).document)
    again = run(once, found)
    assert apply(once, again.document) == once
    assert again.document["work_experience"] == []
    assert again.notes == []


def test_a_newer_cv_takes_over_what_a_cv_said_and_not_what_the_person_said() -> None:
    stored = a_profile(
        location="Leeds", phone="+44 1", email="old@example.com",
        data_sources={"location": "cv", "phone": "interview"},
    )  # fmt: skip
    found = a_profile(location="Hull", phone="+44 2", email="new@example.com")
    result = run(stored, found)
    after = apply(stored, result.document)
    assert (after.profile.location, after.profile.phone) == ("Hull", "+44 1")
    # Nobody knows where the address is from: then it is the person's.
    assert after.profile.email == "old@example.com"
    assert sorted(note.split(":")[0] for note in result.notes) == ["email", "phone"]


def test_lists_grow_and_levels_are_filled() -> None:
    stored = FullProfile(profile=Profile(skills=["Python", "sql"], languages=[Language(language="German")]))
    found = FullProfile(
        profile=Profile(
            skills=["SQL", "Go"],
            languages=[Language(language="german", level="C1"), Language(language="Danish")],
        )
    )
    after = apply(stored, run(stored, found).document)
    assert after.profile.skills == ["Python", "sql", "Go"]
    assert [(s.language, s.level) for s in after.profile.languages] == [("German", "C1"), ("Danish", None)]


def test_a_more_precise_date_wins_and_a_less_precise_one_does_not() -> None:
    stored = apply(FullProfile(), run(FullProfile(), a_profile()).document)
    finer = a_profile()
    finer.work_experience[0].start_date = "2019-03"
    finer.work_experience[0].company = "ACME"
    after = apply(stored, run(stored, finer).document)
    (job,) = after.work_experience
    # The entry is found again although its date has changed, and keeps its spelling.
    assert (job.id, job.company, job.start_date) == (stored.work_experience[0].id, "Acme Ltd", "2019-03")
    coarser = run(after, a_profile())
    assert apply(after, coarser.document) == after


def test_a_job_that_has_ended_meanwhile() -> None:
    found = a_profile()
    found.work_experience[0].is_current = True
    stored = apply(FullProfile(), run(FullProfile(), found).document)
    ended = a_profile()
    ended.work_experience[0].end_date = "2024-06"
    (job,) = apply(stored, run(stored, ended).document).work_experience
    assert (job.end_date, job.is_current) == ("2024-06", False)


def test_a_corrected_entry_is_not_brought_back_in_its_old_spelling() -> None:
    stored = apply(FullProfile(), run(FullProfile(), a_profile()).document)
    job = stored.work_experience[0]
    job.title, job.source = "Chief Clerk", "manual"
    after = apply(stored, run(stored, a_profile()).document)
    assert [(j.id, j.title) for j in after.work_experience] == [(job.id, "Chief Clerk")]


def test_what_the_person_has_written_of_a_job_stays() -> None:
    stored = apply(FullProfile(), run(FullProfile(), a_profile()).document)
    stored.work_experience[0].description = "in my words"
    stored.work_experience[0].source = "manual"
    newer = a_profile()
    newer.work_experience[0].description = "in the CV's words"
    newer.work_experience[0].location = "Leeds"
    (job,) = apply(stored, run(stored, newer).document).work_experience
    assert (job.description, job.location) == ("in my words", "Leeds")


def test_two_stints_at_one_company_are_two() -> None:
    found = FullProfile(
        work_experience=[
            Work(company="Acme", title="Clerk", start_date="2010", end_date="2012"),
            Work(company="Acme", title="Clerk", start_date="2016", end_date="2018"),
        ]
    )
    once = apply(FullProfile(), run(FullProfile(), found).document)
    assert len(once.work_experience) == 2
    assert apply(once, run(once, found).document) == once


def test_an_entry_of_ones_own_is_completed_and_not_doubled() -> None:
    own = Work(id=uuid4(), company="acme", title="clerk", source="manual")
    stored = FullProfile(work_experience=[own])
    (job,) = apply(stored, run(stored, a_profile()).document).work_experience
    assert (job.id, job.company, job.start_date, job.description) == (own.id, "acme", "2019", "d")


@pytest.mark.parametrize("sandbox", [True, False])
def test_what_came_from_the_sandbox_is_labelled(sandbox: bool) -> None:
    document = merge(OWNER, FullProfile(), a_profile(), sandbox=sandbox).document
    assert document["profile"]["sandbox"] is sandbox


_WORK = st.builds(
    Work,
    company=st.sampled_from(["Acme", "acme ltd", "Bank", None]),
    title=st.sampled_from(["Clerk", "Head"]),
    start_date=st.sampled_from([None, "2019", "2019-03", "2019-03-15", "2021"]),
    end_date=st.sampled_from([None, "2022", "2022-05"]),
    is_current=st.booleans(),
    location=st.sampled_from([None, "Leeds"]),
)


@settings(max_examples=150)
@given(st.lists(_WORK, max_size=5), st.lists(_WORK, max_size=5))
def test_merging_twice_is_merging_once(first: list[Work], second: list[Work]) -> None:
    def distinct(jobs: list[Work]) -> FullProfile:
        # As tidying leaves them: no two with the same key.
        kept = {((j.company or "").lower(), j.title, j.start_date): j for j in jobs}
        return FullProfile(work_experience=list(kept.values()))

    one, other = distinct(first), distinct(second)
    stored = apply(FullProfile(), run(FullProfile(), one).document)
    assert len(stored.work_experience) == len(one.work_experience)
    after = apply(stored, run(stored, other).document)
    assert len(after.work_experience) >= len(stored.work_experience)
    assert apply(after, run(after, other).document) == after
