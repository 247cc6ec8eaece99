"""The table of leads opens as a table, whatever businesses call themselves."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.discovery.export import COLUMNS, csv_of


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_lead_word_for_word() -> None:
    lead = {
        "business_name": "Müller, \"Söhne\"", "phone": "+4930123456", "rating": 4.5,
        "qualified": True, "cost": Decimal("0.0575"),
        "degraded": ["verification"], "contact_name": None,
        "score_reasons": [{"rule": "rating", "points": 15, "of": 20, "why": "It is rated 4.5 of 5."}],
    }  # fmt: skip
    (row,) = read(csv_of([lead]))
    assert row["business_name"] == 'Müller, "Söhne"'
    assert row["phone"] == "tel:+49-30-123456"
    assert (row["rating"], row["qualified"], row["cost"], row["degraded"]) == (
        "4.5",
        "yes",
        "0.0575",
        "verification",
    )
    assert row["score_reasons"] == "rating 15/20: It is rated 4.5 of 5."
    assert row["contact_name"] == ""


def test_made_up_leads_say_so() -> None:
    (row,) = read(csv_of([{"business_name": "x"}], sandbox=True))
    assert row["sandbox"] == "yes"


@pytest.mark.parametrize("name", ["=cmd|'/c calc'!A1", "+1", "-1", "@SUM(1)", "\tx", "\r=1", "  =1", "＝1"])
def test_no_cell_is_a_formula(name: str) -> None:
    (row,) = read(csv_of([{"business_name": name}]))
    assert row["business_name"].startswith("'")
    assert row["business_name"].replace("'", "") == name.replace("'", "")


@pytest.mark.parametrize("name", ["Bäcker;=cmd|'/c calc'!A1", "a; @SUM(1)", "a\n-1", "a\t=1", "a|+1"])
def test_no_cell_becomes_a_formula_where_cells_part_at_semicolons(name: str) -> None:
    text = csv_of([{"business_name": name}]).decode("utf-8-sig")
    for part in re.split(r"[;\t\r\n|]", text.split("\r\n", 1)[1]):
        assert not part.lstrip(' "').startswith(("=", "+", "-", "@"))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), max_size=3))
def test_every_table_can_be_read_back(names: list[str]) -> None:
    rows = read(csv_of([{"business_name": name, "address": name} for name in names]))
    assert [row["address"].replace("'", "") for row in rows] == [name.replace("'", "") for name in names]
    assert all(tuple(row) == COLUMNS for row in rows)
