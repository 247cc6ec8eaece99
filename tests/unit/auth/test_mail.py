"""Templates, and the inbox's bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import ConfigError
from headway.local.auth.mail.gotemplate import TemplateFault, render
from headway.local.auth.mail.inbox import Inbox, Letter
from headway.local.auth.mail.templates import MailTemplates
from headway.local.config import AuthEmailTemplateConfig

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = {"Email": "a<b@x.test", "Data": {"name": "Ada", "vip": True, "n": 0}, "Empty": ""}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{ .Email }}", "a&lt;b@x.test"),
        ("{{.Email}}", "a&lt;b@x.test"),
        ("{{ .Data.name }}/{{ .Data.vip }}/{{ .Data.n }}", "Ada/true/0"),
        ("{{ .Unknown }}{{ .Data.unknown.deeper }}{{ .Email.x }}", ""),
        ("{{ if .Data.name }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if .Empty }}yes{{ else }}no{{ end }}", "no"),
        ("{{ if .Empty }}{{ if .Email }}x{{ end }}{{ end }}-", "-"),
        ("{{ if .Email }}{{ if .Empty }}a{{ else }}b{{ end }}{{ end }}", "b"),
        ("a  {{- .Data.name -}}  b", "aAdab"),
        ("{{/* a comment */}}x", "x"),
    ],
)
def test_gos_templates(template: str, expected: str) -> None:
    assert render(template, VALUES) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ range .Data }}{{ end }}",
        "{{ if .Email }}",
        "{{ end }}",
        "{{ else }}",
        "{{ eq .A 1 }}",
        "{{ .Data }}{{ . }}",
    ],
)
def test_what_is_not_understood_is_said(template: str) -> None:
    with pytest.raises(TemplateFault):
        render(template, VALUES)


@given(st.text(alphabet="{} .-ifelsnd/*DataEmail\n", max_size=60))
def test_any_template_is_rendered_or_refused(template: str) -> None:
    try:
        assert "a<b" not in render(template, VALUES)
    except TemplateFault:
        pass


def test_default_letters_carry_link_and_code_escaped() -> None:
    letter = MailTemplates({}).letter(
        "confirmation", "ada@x.test", {"Token": "123456", "ConfirmationURL": "http://a.test/?a=1&b=<2>"}
    )
    assert "http://a.test/?a=1&b=<2>" in letter.text
    assert 'href="http://a.test/?a=1&amp;b=&lt;2&gt;"' in letter.html
    assert "123456" in letter.text
    assert "123456" in letter.html


def test_a_subject_cannot_break_the_header(tmp_path: Path) -> None:
    templates = MailTemplates({"recovery": AuthEmailTemplateConfig(subject="Hi {{ .Data.name }}")})
    letter = templates.letter("recovery", "a@b.test", {"Token": "1", "Data": {"name": "x\r\nBcc: y"}})
    assert letter.subject == "Hi x Bcc: y"


def test_a_template_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"auth\.email\.template\.invite"):
        MailTemplates({"invite": AuthEmailTemplateConfig(content_path=str(tmp_path / "none.html"))})


def letter(to: str = "a@b.test", text: str = "") -> Letter:
    return Letter(to, "Subject", text, "")


def test_the_inbox_keeps_the_newest() -> None:
    inbox = Inbox()
    for index in range(510):
        inbox.deliver(letter(f"u{index}@b.test"), NOW)
    assert len(inbox) == 500
    assert inbox.mails()[0].letter.to == "u509@b.test"
    assert inbox.mails("to:u5@b.test") == []


def test_the_inbox_is_bounded_in_bytes() -> None:
    inbox = Inbox()
    for _ in range(20):
        inbox.deliver(letter(text="x" * (1 << 20)), NOW)
    assert len(inbox) == 15
    inbox.delete()
    for _ in range(20):
        inbox.deliver(letter(text="x" * (1 << 20)), NOW)
    assert len(inbox) == 15


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 2),
        ("to:ada@b.test", 1),
        ("TO:ADA", 1),
        ('subject:"subject"', 2),
        ("hello", 1),
        ("to:ada hello", 0),
        ("from:headway", 2),
    ],
)
def test_searching(query: str, count: int) -> None:
    inbox = Inbox()
    inbox.deliver(letter("ada@b.test"), NOW)
    inbox.deliver(letter("bob@b.test", "Hello there"), NOW)
    assert len(inbox.mails(query)) == count
