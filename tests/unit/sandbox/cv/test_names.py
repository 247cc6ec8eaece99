"""Names are taken apart as their owners would."""

from __future__ import annotations

import pytest

from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.names import find_name, split_name


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Jonathan Whitfield", "Jonathan", "Whitfield"),
        ("MARGARET OSEI-BONSU", "Margaret", "Osei-Bonsu"),
        ("Pieter van der Berg", "Pieter", "van der Berg"),
        ("Ana de la Cruz", "Ana", "de la Cruz"),
        ("Kowalczyk, Agnieszka", "Agnieszka", "Kowalczyk"),
        ("DUPONT Marie-Claire", "Marie-Claire", "Dupont"),
        ("Marie DUPONT", "Marie", "Dupont"),
        ("María José Núñez Ibáñez", "María José", "Núñez Ibáñez"),
        ("Michael T. O'CONNOR", "Michael T.", "O'Connor"),
        ("ליאת בן-ארי", "ליאת", "בן-ארי"),
        ("王伟", "伟", "王"),
        ("Иванова Ольга", "Ольга", "Иванова"),
        ("Sukarno", "Sukarno", ""),
    ],
)
def test_given_and_family_names(name: str, first: str, last: str) -> None:
    assert split_name(name) == (first, last)


@pytest.mark.parametrize(
    ("head", "email", "first", "last"),
    [
        (["Curriculum Vitae", "Dr. Hannah Feldmann, PhD"], None, "Hannah", "Feldmann"),
        (["Curriculum Vitae of Fiona McAllister"], None, "Fiona", "McAllister"),
        (["Name: Marta Horvat | Zagreb"], None, "Marta", "Horvat"),
        (["Vorname: Jürgen", "Nachname: Groß"], None, "Jürgen", "Groß"),
        (["Senior Engineer", "Ada Byron"], "ada.byron@example.com", "Ada", "Byron"),
        (["jonas meier"], "jonas@example.dev", "Jonas", "Meier"),
        (["LATOYA BROOKS, RN, BSN"], None, "Latoya", "Brooks"),
        (["Dr Adaeze Okonkwo MBBS MRCP(UK)"], None, "Adaeze", "Okonkwo"),
        (["Dr.-Ing. Jörg Großkopf"], None, "Jörg", "Großkopf"),
        (["RESUME", "WEI ZHANG (Wayne)"], None, "Wei", "Zhang"),
        (["Personal Resume of", "Taro Yamada"], None, "Taro", "Yamada"),
        (
            ["Emma", "Watson-Briggs", "emma.watson@example.com"],
            "emma.watson@example.com",
            "Emma",
            "Watson-Briggs",
        ),
        (["Geboren am 14.08.1984 in Ulm", "Siobhán Ní Bhriain"], None, "Siobhán", "Ní Bhriain"),
        (["ELEANOR J. VANCE"], None, "Eleanor J.", "Vance"),
    ],
)
def test_the_name_is_found_in_the_head(head: list[str], email: str | None, first: str, last: str) -> None:
    found = find_name([Line(text) for text in head], [], email)
    assert found is not None
    assert found[:2] == (first, last)
