"""What the mails say: plain words by default, the project's own templates where config.toml names them.

Source for the template names and variables: the documentation page "Email Templates".
"""

from __future__ import annotations

import html
import logging
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

from headway.errors import ConfigError
from headway.local.auth.mail.gotemplate import TemplateFault, render
from headway.local.auth.mail.inbox import Letter
from headway.local.config import AuthEmailTemplateConfig

__all__ = ["MailKind", "MailTemplates"]

_log = logging.getLogger("headway.auth.mail")

MailKind = Literal["confirmation", "invite", "magic_link", "recovery", "email_change", "reauthentication"]

_WORDS: dict[MailKind, tuple[str, str, str]] = {
    "confirmation": (
        "Confirm your email address",
        "Somebody, hopefully you, signed up with this address.",
        "Confirm the address",
    ),
    "invite": (
        "You have been invited",
        "You have been invited to create an account.",
        "Accept the invitation",
    ),
    "magic_link": ("Your sign-in link", "Here is the link that you asked for. It works once.", "Sign in"),
    "recovery": (
        "Reset your password",
        "Somebody, hopefully you, asked for a new password. If it was not you, do nothing.",
        "Choose a new password",
    ),
    "email_change": (
        "Confirm your new email address",
        "The address of your account is to be changed. If you did not ask for it, do nothing.",
        "Confirm the change",
    ),
    "reauthentication": ("Your verification code", "Enter this code to go on.", ""),
}
_STYLE = "font-family:system-ui,sans-serif;line-height:1.5;max-width:36rem;margin:2rem auto;padding:0 1rem"


class MailTemplates:
    """Writes the letters.

    Args:
        custom: ``auth.email.template`` of config.toml.

    Raises:
        ConfigError: a template's file cannot be read.
    """

    def __init__(self, custom: Mapping[str, AuthEmailTemplateConfig]) -> None:
        self._subjects = {name: entry.subject for name, entry in custom.items() if entry.subject}
        self._bodies = {
            name: _read(name, entry.content_path) for name, entry in custom.items() if entry.content_path
        }

    def letter(self, kind: MailKind, to: str, values: Mapping[str, Any]) -> Letter:
        """A letter.

        Args:
            kind: What it is about.
            to: Whom it is for.
            values: The variables: ``ConfirmationURL``, ``Token``, ``TokenHash``, ``SiteURL``, ``RedirectTo``,
                ``Email``, ``NewEmail`` and ``Data``.
        """
        subject, sentence, action = _WORDS[kind]
        url, code = str(values.get("ConfirmationURL") or ""), str(values["Token"])
        if kind == "email_change" and values.get("NewEmail"):
            sentence = f"{sentence} The new address is {values['NewEmail']}."
        text = "\n\n".join(
            part
            for part in (sentence, f"{action}:\n{url}" if url else "", f"Or enter this code: {code}")
            if part
        )
        link = f'<p><a href="{html.escape(url)}">{html.escape(action)}</a></p>' if url else ""
        body = (
            f'<div style="{_STYLE}"><h2>{html.escape(subject)}</h2><p>{html.escape(sentence)}</p>{link}'
            f"<p>Or enter this code: <strong>{html.escape(code)}</strong></p></div>"
        )
        try:
            if (own_subject := self._subjects.get(kind)) is not None:
                subject = render(own_subject, values, escape=False)
            if (own_body := self._bodies.get(kind)) is not None:
                body = render(own_body, values)
                text = _plain(body)
        except TemplateFault as fault:
            _log.warning("auth.email.template.%s: %s; the default text is sent", kind, fault)
        return Letter(to, " ".join(subject.split()), text, body)


def _read(name: str, path: str | None) -> str:
    try:
        return Path(path or "").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"auth.email.template.{name}.content_path: {path} cannot be read ({type(error).__name__})",
            hint="Create the file, or remove the template from config.toml.",
            code="config_invalid",
        ) from error


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._href = ""
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "script", "head"):
            self._hidden += 1
        elif tag == "a":
            self._href = dict(attrs).get("href") or ""
        elif tag in ("p", "div", "br", "h1", "h2", "h3", "li", "tr"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "head"):
            self._hidden = max(0, self._hidden - 1)
        elif tag == "a" and self._href:
            self.parts.append(f" ({self._href})")
            self._href = ""

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(" ".join(data.split()))


def _plain(body: str) -> str:
    parser = _Plain()
    parser.feed(body)
    parser.close()
    lines = (line.strip() for line in "".join(parser.parts).splitlines())
    return "\n".join(line for line in lines if line)
