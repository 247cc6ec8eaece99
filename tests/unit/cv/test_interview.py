"""Questions in order of worth, and answers that never overwrite what contradicts them."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from workers.cv.interview.asking import conflict_question
from workers.cv.interview.extraction import InterviewExtraction
from workers.cv.interview.hearing import PRESENT, Conflict, Heard, Place, hear
from workers.cv.interview.questions import COMPENSATION, missing, record_keys
from workers.cv.interview.spoken import FIELDS, understood
from workers.cv.interview.store import StoredQuestion
from workers.cv.interview.wording import as_known_facts, as_questions
from workers.cv.records import Board, Education, FullProfile, Language, Profile, Work

TODAY = date(2026, 11, 26)
JOB, OLD_JOB, SEAT, STUDY = (UUID(int=n) for n in range(1, 5))

FULL = FullProfile(
    profile=Profile(
        first_name="Ada", email="a@example.com", phone="+44 20 7946 0958", location="Leeds",
        linkedin_url="https://linkedin.com/in/ada", website="https://ada.example", skills=["a", "b", "c"],
        languages=[Language(language="English", level="native")], sectors=["Energy"],
        availability_status="available", remote_work_preference="hybrid", compensation_expectation_min=100,
        data_sources={
            "phone": "cv", "location": "cv", f"board_experience.{SEAT}.compensation_disclosed": "interview"
        },
    ),
    work_experience=[
        Work(id=JOB, company="Acme", title="CTO", start_date="2019", is_current=True, key_achievements=["k"],
             company_size="50"),
        Work(id=OLD_JOB, company="Old", title="Clerk", start_date="2010", end_date="2012",
             key_achievements=["k"], company_size="9"),
    ],
    board_experience=[Board(id=SEAT, organization="Bank", role="Chair", key_contributions="c")],
    education=[Education(id=STUDY, institution="Oxford", degree="BA", gpa="1.0", honors=["h"])],
)  # fmt: skip


def changed(**fields: Any) -> FullProfile:
    """The full profile with some fields of the person changed."""
    return FULL.model_copy(update={"profile": FULL.profile.model_copy(update=fields)})


def listen(*facts: tuple[str, str | None, str, list[str]], of: FullProfile = FULL, **more: Any) -> Heard:
    extraction = InterviewExtraction.model_validate(
        {
            "facts": [
                {"target": target, "record": record, "field": field, "values": values}
                for target, record, field, values in facts
            ],
            "declined": more.get("declined", []),
        }
    )
    return hear(extraction, of, record_keys(of), more.get("conflicts", {}), TODAY)


# Questions ----------------------------------------------------------------------------------------------


def test_nothing_is_asked_of_a_full_profile() -> None:
    assert missing(FULL) == []


def test_everything_that_is_missing_is_asked_for_in_order_of_worth() -> None:
    empty = FullProfile(
        work_experience=[Work(id=OLD_JOB, company="Old", title="Clerk", end_date="2012"),
                         Work(id=JOB, company="Acme", title="CTO", is_current=True)],
        board_experience=[Board(id=SEAT, organization="Bank", role="Chair", is_current=True)],
        education=[Education(id=STUDY, institution="Oxford", degree="BA")],
    )  # fmt: skip
    questions = missing(empty)
    worths = [question.worth for question in questions]
    assert worths == sorted(worths, reverse=True)
    assert {(q.target, q.field) for q in questions} == {
        *(("profiles", name) for name in (
            "availability_status", "skills", "remote_work_preference", COMPENSATION, "phone", "languages",
            "sectors", "linkedin_url", "website",
        )),
        ("work_experience", "key_achievements"), ("work_experience", "company_size"),
        ("board_experience", "key_contributions"), ("board_experience", "compensation_disclosed"),
        ("education", "honors"), ("education", "gpa"),
    }  # fmt: skip
    # The job of today before the one of long ago.
    jobs = [q.record_id for q in questions if q.field == "key_achievements"]
    assert jobs == [JOB, OLD_JOB]
    assert "CTO at Acme" in next(q.text for q in questions if q.record_id == JOB)


def test_one_answer_leads_to_the_next_question() -> None:
    assert [q.field for q in missing(changed(availability_status="notice_period"))] == ["available_from"]
    seat = FULL.board_experience[0].model_copy(update={"compensation_disclosed": True})
    assert [q.field for q in missing(FULL.model_copy(update={"board_experience": [seat]}))] == ["annual_fee"]


def test_a_contradiction_is_asked_about_without_leaning() -> None:
    text = conflict_question(Conflict(("work_experience", JOB, "end_date"), PRESENT, "cv", "2024"), FULL).text
    assert text == (
        "About the end date of your time as CTO at Acme: your CV says Present, and you said 2024. "
        "Which is right?"
    )


# Answers ------------------------------------------------------------------------------------------------


def test_what_was_empty_is_filled_and_says_where_it_comes_from() -> None:
    heard = listen(
        ("profiles", None, "website", ["ada.example.org"]),
        ("profiles", None, "remote_work_preference", ["a mix of both"]),
        ("profiles", None, COMPENSATION, ["90000", "110000", "EUR"]),
        of=changed(website=None, remote_work_preference=None, compensation_expectation_min=None),
    )
    fields = heard.document["profile"]
    assert fields.pop("data_sources") == dict.fromkeys(fields, "interview")
    assert fields == {
        "website": "https://ada.example.org", "remote_work_preference": "hybrid",
        "compensation_expectation_min": 90000.0, "compensation_expectation_max": 110000.0,
        "compensation_currency": "EUR",
    }  # fmt: skip
    assert heard.conflicts == []
    assert ("profiles", None, COMPENSATION) in heard.answered


def test_lists_grow() -> None:
    heard = listen(
        ("profiles", None, "skills", ["d", "A"]),
        ("profiles", None, "languages", ["German: C1"]),
        ("work_experience", "w1", "key_achievements", ["Built it"]),
        ("board_experience", "b1", "key_contributions", ["Audit"]),
        ("education", "e1", "honors", ["First class"]),
    )
    assert heard.document["profile"]["skills"] == ["a", "b", "c", "d"]
    assert [each["language"] for each in heard.document["profile"]["languages"]] == ["English", "German"]
    assert heard.document["work_experience"] == [{"id": str(JOB), "key_achievements": ["k", "Built it"]}]
    assert heard.document["board_experience"] == [{"id": str(SEAT), "key_contributions": "c\nAudit"}]
    assert heard.document["education"] == [{"id": str(STUDY), "honors": ["h", "First class"]}]
    assert heard.conflicts == []


def test_a_contradiction_overwrites_nothing() -> None:
    heard = listen(
        ("profiles", None, "phone", ["+49 711 123456"]), ("profiles", None, "email", ["b@example.com"])
    )
    assert heard.document == {}
    assert [(c.place[2], c.known_source, c.heard_value) for c in heard.conflicts] == [
        ("phone", "cv", "+49 711 123456"), ("email", "manual", "b@example.com"),
    ]  # fmt: skip


def test_the_same_in_other_words_is_no_contradiction() -> None:
    heard = listen(
        ("profiles", None, "phone", ["+44 (0)20 7946 0958".replace("(0)", "")]),
        ("profiles", None, "location", ["LEEDS"]),
        ("work_experience", "w1", "company", ["Acme Ltd"]),
    )
    assert heard.conflicts == []
    assert heard.document == {}
    assert len(heard.answered) == 3


def test_a_more_precise_date_is_no_contradiction_either() -> None:
    heard = listen(("work_experience", "w1", "start_date", ["March 2019"]))
    assert heard.document["work_experience"] == [{"id": str(JOB), "start_date": "2019-03"}]
    assert [c.heard_value for c in listen(("work_experience", "w1", "start_date", ["2018"])).conflicts] == [
        "2018"
    ]


def test_an_end_contradicts_what_goes_on_and_the_other_way_round() -> None:
    (ended,) = listen(("work_experience", "w1", "end_date", ["June 2024"])).conflicts
    assert (ended.known_value, ended.heard_value) == (PRESENT, "2024-06")
    (goes_on,) = listen(("work_experience", "w2", "is_current", ["true"])).conflicts
    assert (goes_on.known_value, goes_on.heard_value) == (False, True)


def test_who_corrects_what_they_said_is_believed() -> None:
    spoken = changed(phone="+44 1632 960000", data_sources={"phone": "interview"})
    heard = listen(("profiles", None, "phone", ["+44 1632 960111"]), of=spoken)
    assert heard.document["profile"]["phone"] == "+44 1632 960111"
    assert heard.conflicts == []


@pytest.mark.parametrize(
    ("answer", "verdict", "written"),
    [("Leeds", "known", None), ("Hull", "heard", "Hull"), ("York", "neither", "York")],
)
def test_the_answer_to_a_contradiction_decides_it(answer: str, verdict: str, written: str | None) -> None:
    place: Place = ("profiles", None, "location")
    conflicts = {place: Conflict(place, "Leeds", "cv", "Hull")}
    heard = listen(("profiles", None, "location", [answer]), conflicts=conflicts)
    assert heard.decided == {place: verdict}
    assert heard.document.get("profile", {}).get("location") == written
    assert heard.conflicts == []


def test_still_there_answers_the_question_when_it_ended() -> None:
    place: Place = ("work_experience", JOB, "end_date")
    conflicts = {place: Conflict(place, PRESENT, "cv", "2024")}
    assert listen(("work_experience", "w1", "is_current", ["yes"]), conflicts=conflicts).decided == {
        place: "known"
    }
    heard = listen(("work_experience", "w1", "end_date", ["2024"]), conflicts=conflicts)
    assert heard.document["work_experience"] == [{"id": str(JOB), "end_date": "2024", "is_current": False}]


def test_a_range_upside_down_is_a_contradiction() -> None:
    stored = changed(
        compensation_expectation_min=50, compensation_expectation_max=100,
        data_sources={"compensation_expectation_min": "interview", "compensation_expectation_max": "manual"},
    )  # fmt: skip
    heard = listen(("profiles", None, COMPENSATION, ["150", "200"]), of=stored)
    assert not {"compensation_expectation_min", "compensation_expectation_max"} & set(
        heard.document["profile"]
    )
    assert [c.place[2] for c in heard.conflicts] == [
        "compensation_expectation_max",
        "compensation_expectation_min",
    ]


def test_what_is_declined_or_unclear() -> None:
    heard = listen(
        ("profiles", None, "availability_status", ["purple"]),
        ("profiles", None, "shoe_size", ["44"]),
        ("work_experience", "w9", "company_size", ["12"]),
        declined=[{"target": "profiles", "record": None, "field": "website"}],
    )
    assert heard.unclear == {("profiles", None, "availability_status"), ("profiles", None, "shoe_size")}
    assert heard.declined == {("profiles", None, "website")}
    assert heard.document == {}


@pytest.mark.parametrize(
    ("target", "field", "values", "expected"),
    [
        ("profiles", "availability_status", ["I'm not looking"], "not_available"),
        ("profiles", "availability_status", ["three months notice"], "notice_period"),
        ("profiles", "available_from", ["immediately"], "2026-11-26"),
        ("profiles", "available_from", ["March 2027"], "2027-03"),
        ("board_experience", "compensation_disclosed", ["yes, sure"], True),
        ("board_experience", "compensation_disclosed", ["no"], False),
        ("board_experience", "compensation_disclosed", ["yes and no"], None),
        ("board_experience", "annual_fee", ["40k"], 40000.0),
        ("board_experience", "annual_fee", ["between 10 and 20k"], None),
        ("education", "graduation_year", ["in June 2011"], 2011),
        ("profiles", "phone", ["no idea"], None),
        ("profiles", "linkedin_url", ["linkedin.com/in/x"], "https://linkedin.com/in/x"),
    ],
)
def test_what_is_said_is_understood(target: Any, field: str, values: list[str], expected: Any) -> None:
    read = understood(target, field, values, TODAY)
    assert (read or {}).get(field) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["between 90 and 110k euros"], (90000, 110000, "EUR")),
        (["90.000 bis 110.000 €"], (90000, 110000, "EUR")),
        (["£120,000"], (120000, None, "GBP")),
        (["1.5 million"], (1500000, None, None)),
        (["a lot"], None),
    ],
)
def test_pay(said: list[str], expected: tuple[int, int | None, str | None] | None) -> None:
    read = understood("profiles", COMPENSATION, said, TODAY)
    if expected is None:
        assert read is None
        return
    assert read is not None
    assert (
        read["compensation_expectation_min"],
        read.get("compensation_expectation_max"),
        read.get("compensation_currency"),
    ) == expected


def test_lines_of_the_prompt_name_what_answers_are_filed_under() -> None:
    question = StoredQuestion(
        id=uuid4(), target="work_experience", record_id=OLD_JOB, field="company_size", question="How many?",
        worth=1, status="open",
    )  # fmt: skip
    assert [line.key for line in as_questions([question], FULL)] == ["work_experience.w2.company_size"]
    known = {line.key: line.text for line in as_known_facts(FULL)}
    assert known["profiles.languages"] == "English: native"
    assert known["work_experience.w1.company"] == "Acme"
    names = {key.rpartition(".")[2] for key in known}
    assert names <= {name for fields in FIELDS.values() for name in fields}
