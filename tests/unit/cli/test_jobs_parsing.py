"""What the commands about jobs refuse before anything is sent, and with which exit status."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headway.cli import main
from headway.cli.exits import exit_status_of
from headway.cli.jobs.inputs import WrongArgument, read_decimal, read_files, read_moment, read_payload
from headway.errors import (
    ConfigError,
    Denied,
    HeadwayError,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    NotFound,
    TimedOut,
    TransportError,
)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["headway", *arguments])
    with pytest.raises(SystemExit) as raised:
        main.run()
    assert isinstance(raised.value.code, int)
    return raised.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        ["watch"],
        ["watch", "--all", "x"],
        ["watch", "a", "b", "--after-seq", "1"],
        ["list", "--active", "--status", "failed"],
        ["list", "--status", "done"],
        ["list", "--limit", "0"],
        ["submit"],
        ["submit", "k", "--priority", "10"],
        ["submit", "k", "--organization-id", "acme"],
        ["cancel"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    assert run(monkeypatch, *arguments) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["submit", "k", "{'a': 1}"], "HW100"),
        (["submit", "k", "[1]", "--set", "a=1"], "HW100"),
        (["submit", "k", "--set", "a"], "HW100"),
        (["submit", "k", "--file", "cv"], "HW100"),
        (["submit", "k", "--file", "cv=a", "--file", "cv=b"], "HW100"),
        (["submit", "k", "@missing.json"], "system"),
        (["submit", "k", "--cost-budget", "much"], "HW100"),
        (["submit", "k", "--run-at", "soon"], "HW100"),
        (["list", "--since", "yesterday"], "HW100"),
        (["signal", "j", "s", "{"], "HW100"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_an_argument_that_makes_no_sense(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    status = 1 if code == "system" else 2
    assert run(monkeypatch, *arguments, "--json") == status
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == code
    assert error["hint"] or code == "system"
    assert run(monkeypatch, *arguments) == status
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HeadwayError(), 1),
        (InvalidRequest(), 1),
        (WrongArgument(), 2),
        (ConfigError(code="not_signed_in"), 5),
        (Denied(), 5),
        (NotFound(), 6),
        (TransportError(), 7),
        (TimedOut(), 7),
        (JobFailed(), 10),
        (JobCancelled(), 11),
        (TimedOut(code="result_timeout"), 12),
    ],
)
def test_the_status_tells_the_kind_of_error(error: HeadwayError, status: int) -> None:
    assert exit_status_of(error) == status


class TestInputs:
    @pytest.mark.parametrize(
        ("text", "assignments", "payload"),
        [
            (None, [], {}),
            (
                '{"a": 1}',
                ["b=x", "c=2", 'd=["y"]', "e=a=b"],
                {"a": 1, "b": "x", "c": 2, "d": ["y"], "e": "a=b"},
            ),
            ("[1]", [], [1]),
            ("null", [], None),
        ],
    )
    def test_payloads(self, text: str | None, assignments: list[str], payload: Any) -> None:
        assert read_payload(text, assignments) == payload

    def test_payloads_from_elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "p.json").write_text('{"ü": 1}', "utf-8")
        assert read_payload(f"@{tmp_path / 'p.json'}") == {"ü": 1}
        monkeypatch.setattr(sys, "stdin", io.StringIO("[2]"))
        assert read_payload("-") == [2]

    def test_a_payload_that_is_no_text(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "cv.pdf").write_bytes(b"%PDF-1.7\xf6\xff")
        with pytest.raises(WrongArgument, match=r"cv\.pdf is no text in UTF-8"):
            read_payload(f"@{tmp_path / 'cv.pdf'}")
        stdin = io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), "utf-8")
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(WrongArgument, match="standard input is no text in UTF-8"):
            read_payload("-")

    def test_moments(self) -> None:
        assert read_moment(None, "--since") is None
        assert read_moment("2026-11-26T09:00+01:00", "--since") == datetime(2026, 11, 26, 8, tzinfo=UTC)
        ago = read_moment("6h", "--since")
        assert ago is not None
        assert timedelta(hours=6) <= datetime.now(UTC) - ago < timedelta(hours=7)
        naive = read_moment("2026-11-26", "--since")
        assert naive is not None
        assert naive.tzinfo is not None

    def test_amounts_and_files(self) -> None:
        assert read_decimal("0.25", "--cost-budget") == Decimal("0.25")
        for wrong in ("nan", "inf", "x"):
            with pytest.raises(InvalidRequest):
                read_decimal(wrong, "--cost-budget")
        assert read_files(["cv=a=b.pdf"]) == {"cv": Path("a=b.pdf")}
