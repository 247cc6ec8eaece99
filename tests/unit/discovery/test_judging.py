"""Which businesses are one, how they are judged, and whom to write to."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.discovery.areas import Area, around, quarters
from workers.discovery.business import Business, domain_of, phone_of, website_of
from workers.discovery.contacts import Contact, address_of, best, confidence
from workers.discovery.duplicates import Seen
from workers.discovery.scoring import RULES, score


def business(place_id: str, **known: object) -> Business:
    return Business.model_validate({"place_id": place_id, "name": "Cafe Eins", **known})


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.cafe-eins.de/menu?x=1", "cafe-eins.de"), ("http://shop.cafe.de", "shop.cafe.de"),
        ("https://bäckerei.de/", "xn--bckerei-5wa.de"), ("https://www.facebook.com/cafe", None),
        ("https://cafe.business.site", None), ("https://127.0.0.1/", None), ("https://localhost/", None),
        ("https://a..b/", None), (None, None),
    ],
)  # fmt: skip
def test_only_a_domain_of_its_own_counts(website: str | None, domain: str | None) -> None:
    assert domain_of(website_of(website)) == domain


@pytest.mark.parametrize(
    "address",
    ["", "javascript:alert(1)", "https://a b", "https://u:p@host", "//x", "https://[::1", "x" * 2001],
)
def test_what_is_no_web_address_is_dropped(address: str) -> None:
    assert website_of(address) is None


def test_telephone_numbers_have_one_spelling() -> None:
    assert phone_of("030 123456", "DE") == phone_of("+49 (0)30 123456") == "+4930123456"
    assert phone_of("030 123456") is None
    assert phone_of("12", "DE") is None
    assert phone_of("call us!", "DE") is None


def test_one_business_under_several_entries_is_one_lead() -> None:
    seen = Seen()
    first = business("1", domain="cafe.de", phone="+4930123456", address="Hauptstr. 1, Berlin")
    assert seen.new([first]) == [first]
    others = [
        business("1", name="Same place"), business("2", name="Same domain", domain="cafe.de"),
        business("3", name="Same phone", phone="+4930123456"), business("4", name="CAFÉ EINS GmbH",
        address="Hauptstr. 1 - Berlin"),
    ]  # fmt: skip
    assert seen.new(others) == []
    assert seen.duplicates == 4
    another = business("5", address="Hauptstr. 2, Berlin")
    assert seen.new([another]) == [another]


def test_a_score_is_the_sum_of_its_reasons() -> None:
    good = business(
        "1",
        name="Praxis Dr. Sommer",
        category="Dentist",
        website="https://a.de",
        domain="a.de",
        rating=4.8,
        review_count=150,
        phone="+4930123456",
    )
    judged = score(good, "dentists")
    assert judged.total == sum(reason.points for reason in judged.reasons) >= 90
    assert sum(most for _, most, _ in RULES) == 100
    assert {reason.rule: reason.why for reason in judged.reasons}["rating"] == "It is rated 4.8 of 5."
    assert judged.qualifies(50)
    bare = score(business("2"), "dentists")
    assert bare.total == 0
    assert all(reason.why.endswith(".") for reason in bare.reasons)


def test_who_is_closed_is_no_lead() -> None:
    closed = score(business("1", operational=False, website="https://a.de", domain="a.de"), "cafe")
    assert (closed.total, closed.reasons[0].rule) == (0, "open")


@given(st.floats(0, 5), st.integers(0, 10**9), st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_scores_stay_on_the_scale(rating: float, reviews: int, category: str, wanted: str) -> None:
    judged = score(business("1", rating=rating, review_count=reviews, category=category), wanted)
    assert 0 <= judged.total <= 100


def contact(email: str, **known: object) -> Contact:
    return Contact.model_validate({"email": email, "confidence": 80, **known})


def test_people_who_decide_come_first() -> None:
    mailbox = contact("info@a.de", confidence=99)
    junior = contact("j@a.de", personal=True, seniority="junior", confidence=99)
    boss = contact("b@a.de", personal=True, seniority="executive", confidence=60)
    assert best([mailbox, junior, boss]) == [boss, junior, mailbox]


def test_the_verifiers_word_weighs() -> None:
    who = contact("b@a.de", confidence=90)
    assert confidence(who, "valid") == Decimal("90.00")
    assert confidence(who, "catchall") == Decimal("72.00")
    assert confidence(who, "invalid") == Decimal("0.00")
    assert confidence(None, "unverified") is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (" Info@Café.de ", "info@xn--caf-dma.de"), ("a.b+c@a.de", "a.b+c@a.de"), ("no", None), ("a@b", None),
        ("a@b@c.de", None), ("=cmd@x.de\n", "=cmd@x.de"), ("ü@a.de", None), ("a" * 70 + "@a.de", None),
    ],
)  # fmt: skip
def test_addresses_that_mail_can_be_sent_to(given: str, kept: str | None) -> None:
    assert address_of(given) == kept


def test_a_search_without_more_pages_is_asked_again_in_its_quarters() -> None:
    area = around(
        [business("1", latitude=52.4, longitude=13.2), business("2", latitude=52.6, longitude=13.6)]
    )
    assert area == Area(south=52.4, west=13.2, north=52.6, east=13.6)
    parts = list(quarters(area))
    assert (parts[0].south, parts[0].west, parts[3].north, parts[3].east) == (52.4, 13.2, 52.6, 13.6)
    assert around([business("1", latitude=1, longitude=1)]) is None
    assert (
        around([business("1", latitude=1, longitude=1), business("2", latitude=1.0005, longitude=1)]) is None
    )
