"""What e-mails say, and what cannot be smuggled into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headway import ConfigError
from headway.worker.letters import Letters


def payload(status: str = "failed", **data: Any) -> dict[str, Any]:
    facts = {
        "job_id": "j-1", "kind": "cv.parse", "status": status, "message": None, "attempt": 3, "tags": [],
        "created_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:01:00Z",
        "error": {"code": "file_encrypted", "message": "The file is encrypted.", "hint": "Remove it."},
    }  # fmt: skip
    return {"type": f"job.{status}", "timestamp": "t", "data": facts | data}


def test_a_failure_is_told_with_reason_and_remedy() -> None:
    letter = Letters().write("job.failed", payload(tags=["a", "b"]))
    assert letter.subject == "cv.parse failed: The file is encrypted."
    for part in (letter.text, letter.html or ""):
        for words in ("j-1", "failed", "The file is encrypted.", "file_encrypted", "Remove it.", "a, b"):
            assert words in part


@pytest.mark.parametrize(
    ("event", "status"), [("job.completed", "completed"), ("job.cancelled", "cancelled")]
)
def test_other_ends(event: str, status: str) -> None:
    letter = Letters().write(event, payload(status, error=None, message="12 pages"))
    assert letter.subject == f"cv.parse {status}"
    assert "What went wrong" not in letter.text
    assert "12 pages" in letter.text


def test_a_ping_is_a_test_message() -> None:
    letter = Letters().write("ping", {"type": "ping", "data": {}})
    assert letter.subject == "Test message"
    assert "test message" in letter.text


@pytest.mark.parametrize("payload_", [{}, {"data": None}, {"data": []}, {"data": {"error": "text"}}])
def test_an_odd_payload_makes_a_letter_all_the_same(payload_: dict[str, Any]) -> None:
    assert Letters().write("job.failed", payload_).text


def test_markup_and_line_ends_in_a_jobs_words_stay_words() -> None:
    evil = "<script>alert(1)</script>\r\nBcc: everybody@example.com\n{{ 7 * 7 }}"
    letter = Letters().write("job.failed", payload(error={"message": evil, "code": None}, tags=["<b>"]))
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject
    assert "<script>" not in (letter.html or "")
    assert "<b>" not in (letter.html or "")
    assert "49" not in letter.text
    assert len(Letters().write("job.failed", payload(error={"message": "x" * 9999})).subject) == 200


def test_own_templates_go_first_by_kind_then_event(tmp_path: Path) -> None:
    (tmp_path / "job.failed.txt").write_text("ours: {{ data.error.message }}")
    (tmp_path / "cv.parse.job.failed.subject.txt").write_text("Your CV\n")
    letter = Letters(tmp_path).write("job.failed", payload())
    assert letter.subject == "Your CV"
    assert letter.text == "ours: The file is encrypted."
    assert letter.html is not None
    assert Letters(tmp_path).write("job.failed", payload(kind="a.b")).subject.startswith("a.b failed")


def test_templates_that_are_none_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        Letters(tmp_path / "missing")
    assert refused.value.code == "mail_templates_missing"
    (tmp_path / "job.failed.txt").write_text("{% if %}")
    with pytest.raises(ConfigError) as refused:
        Letters(tmp_path)
    assert "job.failed.txt" in refused.value.message


def test_a_subject_commands_no_terminal_and_is_read_in_one_direction() -> None:
    letter = Letters().write("job.failed", payload(error={"message": "a\x1b[31mb\u202ec\x00d"}))
    assert letter.subject.isprintable()
