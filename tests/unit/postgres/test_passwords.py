"""Verifiers are those that Postgres itself makes."""

from __future__ import annotations

import base64

import pytest

from headway.local.postgres.passwords import matches, scram_verifier


def test_the_exchange_of_rfc_7677_has_this_verifier() -> None:
    # Section 3's example: user "user", password "pencil"; the keys are those that its proofs imply.
    verifier = scram_verifier("pencil", salt=base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert verifier == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_a_verifier_matches_its_password_alone() -> None:
    verifier = scram_verifier("open sesame")
    assert matches(verifier, "open sesame")
    assert not matches(verifier, "open sesamE")
    assert verifier != scram_verifier("open sesame")


@pytest.mark.parametrize("stored", [None, "", "md5abc", "SCRAM-SHA-256$", "SCRAM-SHA-256$1:AAAA$x"])
def test_what_is_no_verifier_matches_nothing(stored: str | None) -> None:
    assert not matches(stored, "")
