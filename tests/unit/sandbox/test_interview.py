"""Answers are read out of transcripts: what was asked, what was said, what was declined, and when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from headway.sandbox.answers.interview import extract

QUESTIONS = {
    "profiles.availability_status": "Are you available for a new role, and if so, how soon and how openly?",
    "profiles.available_from": "From which date could you start?",
    "profiles.skills": "Which skills do people come to you for?",
    "profiles.remote_work_preference": "Would you rather work remotely, on site, or a mix of both?",
    "profiles.compensation_expectation": "What yearly pay do you have in mind, and in which currency?",
    "profiles.phone": "On which phone number can you be reached?",
    "profiles.languages": "Which languages do you speak, and how well?",
    "profiles.sectors": "In which sectors have you worked?",
    "profiles.linkedin_url": "What is the address of your LinkedIn profile?",
    "profiles.website": "Do you have a website of your own that should be on your profile?",
    "work_experience.w1.key_achievements": "What are you proudest of from your time as CFO at Acme?",
    "work_experience.w1.company_size": "Roughly how many people did Acme have while you were there?",
    "work_experience.w2.company_size": "Roughly how many people did Bolt Ltd have while you were there?",
    "board_experience.b1.compensation_disclosed": "May the fee for your role as Trustee at Museum be shown?",
    "board_experience.b1.annual_fee": "What is the yearly fee for your role as Trustee at Museum?",
    "education.e1.gpa": "What was your final grade for your BSc at Leeds?",
    "education.e1.honors": "Did you receive any honours or prizes for your BSc at Leeds?",
}  # fmt: skip


def heard(*turns: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """The answer to turns of an interview, each ``a: ...`` or ``u: ...``."""
    spoken = "\n".join(turn.replace("a: ", "assistant: ", 1).replace("u: ", "user: ", 1) for turn in turns)
    questions = "\n".join(f"[{key}] {text}" for key, text in QUESTIONS.items())
    return extract(
        f"Open questions:\n<questions>\n{questions}\n</questions>\nKnown facts:\n<known>\n"
        + "\n".join(known)
        + f"\n</known>\nThe new turns of the interview:\n<document>\n{spoken}\n</document>",
        {},
    )


def answers(*turns: str) -> dict[str, list[str]]:
    return {
        ".".join(filter(None, (fact["target"], fact["record"], fact["field"]))): fact["values"]
        for fact in heard(*turns)["facts"]
    }


@pytest.mark.parametrize(
    ("key", "said", "values"),
    [
        ("profiles.availability_status", "I'm open to the right opportunity.", ["open_to_offers"]),
        ("profiles.availability_status", "Yes, immediately.", ["available"]),
        ("profiles.availability_status", "I have three months' notice.", ["notice_period"]),
        ("profiles.availability_status", "No, I'm not looking at the moment.", ["not_available"]),
        ("profiles.available_from", "From March 2027 on.", ["March 2027"]),
        ("profiles.skills", "Well, treasury, IFRS and team building.", ["treasury", "IFRS", "team building"]),
        ("profiles.remote_work_preference", "A mix of both, really.", ["hybrid"]),
        (
            "profiles.compensation_expectation",
            "Something between 90 and 110k euros.",
            ["90000", "110000", "EUR"],
        ),
        ("profiles.compensation_expectation", "£120,000 to £140,000", ["120000", "140000", "GBP"]),
        ("profiles.phone", "It's +44 20 7946 0958.", ["+44 20 7946 0958"]),
        ("profiles.phone", "plus four four two zero seven nine double four", ["+44207944"]),
        ("profiles.languages", "German: native, and French at B2 level", ["German: native", "French: B2"]),
        ("profiles.linkedin_url", "linkedin dot com slash in slash ada-l", ["linkedin.com/in/ada-l"]),
        ("profiles.website", "Sure, www.ada.example.", ["www.ada.example"]),
        ("profiles.sectors", "Banking and insurance.", ["Banking", "insurance"]),
        (
            "work_experience.w1.key_achievements",
            "I cut costs by 20%. We also opened three offices.",
            ["I cut costs by 20%", "We also opened three offices"],
        ),
        ("work_experience.w1.company_size", "Oh, about 300 people.", ["about 300 people"]),
        ("board_experience.b1.compensation_disclosed", "Yes, that's fine.", ["true"]),
        ("board_experience.b1.compensation_disclosed", "I'd rather not.", ["false"]),
        ("board_experience.b1.annual_fee", "12 thousand pounds", ["12000"]),
        ("education.e1.gpa", "I think it was a 2:1.", ["2:1"]),
    ],
)
def test_an_answer_belongs_to_the_question_before_it(key: str, said: str, values: list[str]) -> None:
    assert answers(f"a: Thank you. {QUESTIONS[key]}", f"u: {said}") == {key: values}


def test_a_question_is_known_by_most_of_its_words() -> None:
    assert answers("a: And roughly how many people did Bolt have when you were there?", "u: 40") == {
        "work_experience.w2.company_size": ["40"]
    }
    assert answers("a: Could you give me a phone number?", "u: 0113 496 0000") == {
        "profiles.phone": ["0113 496 0000"]
    }


def test_a_later_answer_replaces_an_earlier_one() -> None:
    question = f"a: {QUESTIONS['work_experience.w1.company_size']}"
    assert answers(question, "u: 300", question, "u: No, sorry, 500") == {
        "work_experience.w1.company_size": ["500"]
    }


@pytest.mark.parametrize("said", ["I'd rather not say.", "Skip that one, please.", "I don't know."])
def test_a_refused_question_is_declined(said: str) -> None:
    heard_now = heard(f"a: {QUESTIONS['profiles.phone']}", f"u: {said}")
    assert heard_now["facts"] == []
    assert heard_now["declined"] == [{"target": "profiles", "record": None, "field": "phone"}]


def test_what_is_volunteered_is_heard_too() -> None:
    assert answers("u: By the way, I also speak Danish, and you find me at linkedin.com/in/ada") == {
        "profiles.languages": ["Danish"],
        "profiles.linkedin_url": ["linkedin.com/in/ada"],
    }


def test_a_date_that_comes_with_an_answer_is_heard_too() -> None:
    assert answers(
        f"a: {QUESTIONS['profiles.availability_status']}", "u: Open, and free from March 2027."
    ) == {
        "profiles.availability_status": ["open_to_offers"],
        "profiles.available_from": ["March 2027"],
    }


def test_what_is_known_can_be_asked_for_again() -> None:
    facts = heard(
        "a: What is your e-mail address these days?",
        "u: It is ada@lovelace.example now.",
        known=["[profiles.email] ada@example.com", "[profiles.location] London"],
    )["facts"]
    assert [(fact["field"], fact["values"]) for fact in facts] == [("email", ["ada@lovelace.example"])]


def test_the_interviewer_s_own_words_are_no_answers() -> None:
    assert heard("a: Is your number +44 20 7946 0958?", "a: Do you speak French at C1 level?")["facts"] == []


def test_the_end_is_heard() -> None:
    assert heard("u: I have to go now, let's stop here.")["wants_to_stop"] is True
    assert heard(f"a: {QUESTIONS['profiles.phone']}", "u: 0113 496 0000")["wants_to_stop"] is False


def test_quotes_are_the_person_s_own_words() -> None:
    fact = heard(f"a: {QUESTIONS['profiles.phone']}", "u: It's 0113 496 0000, thanks.")["facts"][0]
    assert fact["quote"] == "It's 0113 496 0000, thanks."
