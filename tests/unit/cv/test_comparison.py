"""Two profiles beside each other."""

from __future__ import annotations

from datetime import date

import pytest

from workers.cv.comparison import compare, months_worked
from workers.cv.records import Board, Education, FullProfile, Language, Profile, Work

TODAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("jobs", "months"),
    [
        ([], 0),
        ([Work(title="t", start_date="2020-01", end_date="2020-12")], 12),
        ([Work(title="t", start_date="2020", end_date="2021")], 24),
        ([Work(title="t", start_date="2026-10", is_current=True)], 2),
        # Two at once count once.
        (
            [
                Work(title="t", start_date="2020-01", end_date="2020-06"),
                Work(title="u", start_date="2020-04", end_date="2020-09"),
            ],
            9,
        ),
        # What has no beginning, or no end, counts nothing; the future has not been worked.
        ([Work(title="t", end_date="2020"), Work(title="u", start_date="2019")], 0),
        ([Work(title="t", start_date="2026-11", end_date="2030", is_current=True)], 1),
    ],
)
def test_months_worked(jobs: list[Work], months: int) -> None:
    assert months_worked(jobs, TODAY) == months


def test_what_both_have_and_what_only_one_has() -> None:
    left = FullProfile(
        profile=Profile(
            first_name="Ada",
            location="Leeds",
            skills=["Python", "SQL"],
            languages=[Language(language="Français")],
        ),
        work_experience=[
            Work(company="Acme Ltd", title="Clerk", start_date="2019", is_current=True),
            Work(company="Old", title="Trainee"),
        ],
        education=[Education(institution="Oxford", degree="BA")],
    )
    right = FullProfile(
        profile=Profile(
            first_name="Ben",
            location="Leeds",
            skills=["sql", "Go"],
            languages=[Language(language="francais")],
        ),
        work_experience=[Work(company="ACME", title="clerk", start_date="2019-03", end_date="2020-02")],
        board_experience=[Board(organization="Bank", role="Chair", is_current=True)],
    )
    found = compare(left, right, TODAY)
    assert [(each.field, each.left, each.right) for each in found.differences] == [
        ("first_name", "Ada", "Ben")
    ]
    assert (found.skills.both, found.skills.only_left, found.skills.only_right) == (
        ["SQL"],
        ["Python"],
        ["Go"],
    )
    assert found.languages.both == ["Français"]
    assert (found.work_experience.both, found.work_experience.only_left) == (
        ["Clerk · Acme Ltd"],
        ["Trainee · Old"],
    )
    assert found.board_experience.only_right == ["Chair · Bank"]
    assert found.education.only_left == ["BA · Oxford"]
    assert (found.left.current_role, found.right.current_role) == ("Clerk · Acme Ltd", None)
    assert (found.left.months_worked, found.right.months_worked) == (95, 12)
    mirrored = compare(right, left, TODAY)
    assert (mirrored.skills.only_left, mirrored.skills.only_right) == (["Go"], ["Python"])
