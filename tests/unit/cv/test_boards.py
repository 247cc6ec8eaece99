"""Board seats are told from jobs by their titles, in the languages of CVs."""

from __future__ import annotations

import pytest

from workers.cv.boards import board_seat


@pytest.mark.parametrize(
    "title",
    [
        "Non-Executive Director", "NED", "Board Member", "Member of the Board", "Member, Board of Directors",
        "Chair", "Vice Chair", "Chair of the Audit Committee", "Trustee", "Advisory Board Member",
        "Senior Independent Director", "Chairwoman of the Supervisory Board", "Mitglied des Aufsichtsrats",
        "Aufsichtsratsvorsitzende", "Beirätin", "Verwaltungsrätin", "Administratrice indépendante",
        "Membre du conseil d'administration", "Consejera independiente", "Commissaris", "Styrelseledamot",
        "Członek rady nadzorczej", "عضو مجلس إدارة", "חבר דירקטוריון", "独立董事", "사외이사",
    ],
)  # fmt: skip
def test_a_seat(title: str) -> None:
    assert board_seat(title, "Acme") == "yes"


@pytest.mark.parametrize(
    "title",
    [
        "Managing Director", "Director", "Executive Chairman", "Board Secretary", "Assistant to the Board",
        "Product Manager, Job Board", "Vorstandsmitglied", "Member of the Executive Board",
        "Consejero Delegado",
        "Administrateur systèmes", "Dashboard Developer", "Onboarding Specialist", "Board Game Designer",
        "Chair of Department of Physics", "Chief Executive Officer", "Skateboard Instructor", "",
    ],
)  # fmt: skip
def test_a_job(title: str) -> None:
    assert board_seat(title, "Acme") == "no"


@pytest.mark.parametrize("title", ["CEO and Board Member", "Founder & Chair of the Board", "Chairman & CEO"])
def test_both(title: str) -> None:
    assert board_seat(title, "Acme") == "both"


def test_a_board_that_is_named_with_its_organisation() -> None:
    assert board_seat("Member", "Advisory Board, Acme") == "yes"
    assert board_seat("Analyst", "Advisory Board, Acme") == "no"
