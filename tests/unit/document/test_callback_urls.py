"""Addresses for callbacks: what is signed cannot be changed, and not be used for anything else."""

from __future__ import annotations

import uuid
from urllib.parse import parse_qsl, urlsplit

import pytest

from headway import Denied
from workers.document.callback_urls import CallbackTicket, signal_name

SECRET = "whsec_c2VjcmV0"
OTHER = "whsec_b3RoZXI="
JOB = uuid.UUID("0193a0de-0000-7000-8000-000000000001")
TICKET = CallbackTicket(JOB, 2, 1_000)


def opened(path: str, *secrets: str, now: float = 900.0) -> CallbackTicket:
    parts = urlsplit(path)
    return CallbackTicket.read(parts.path.rsplit("/", 1)[1], dict(parse_qsl(parts.query)), secrets, now=now)


def test_a_ticket_comes_back_as_it_was_given() -> None:
    assert opened(TICKET.path(SECRET), SECRET) == TICKET
    assert signal_name(TICKET.number) == "system.document_2"


def test_while_a_secret_is_replaced_both_open() -> None:
    assert opened(TICKET.path(OTHER), SECRET, OTHER) == TICKET


@pytest.mark.parametrize(
    "path",
    [
        TICKET.path(OTHER),
        TICKET.path(SECRET).replace("call=2", "call=1"),
        TICKET.path(SECRET).replace("expires=1000", "expires=9999999999"),
        TICKET.path(SECRET).replace(str(JOB), str(uuid.UUID(int=JOB.int + 1))),
        TICKET.path(SECRET).replace(str(JOB), "x"),
        TICKET.path(SECRET)[:-1],
        TICKET.path(SECRET) + "A",
        TICKET.path(SECRET).replace("call=2", "call=-2"),
        TICKET.path(SECRET).replace("call=2", "call=2e0"),
        TICKET.path(SECRET).replace("call=2", "call=%D9%A2"),
        TICKET.path(SECRET).partition("?")[0] + "?call=2&expires=1000",
        TICKET.path(SECRET).partition("&signature")[0] + "&signature=%C3%BC",
        TICKET.path(SECRET).partition("?")[0],
    ],
)
def test_what_was_changed_is_forged(path: str) -> None:
    with pytest.raises(Denied) as denied:
        opened(path, SECRET)
    assert denied.value.code == "callback_forged"


def test_its_time_ends() -> None:
    assert opened(TICKET.path(SECRET), SECRET, now=1_000.0)
    with pytest.raises(Denied) as denied:
        opened(TICKET.path(SECRET), SECRET, now=1_001.0)
    assert denied.value.code == "callback_expired"


def test_a_forgery_is_not_told_that_it_is_late() -> None:
    with pytest.raises(Denied) as denied:
        opened(TICKET.path(OTHER), SECRET, now=1_001.0)
    assert denied.value.code == "callback_forged"
