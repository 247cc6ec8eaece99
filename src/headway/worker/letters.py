"""What e-mails say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from headway.errors import ConfigError

__all__ = ["Letter", "Letters"]

_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail's words.

    Attributes:
        subject: One line.
        text: For programs that show no HTML.
        html: The same in HTML, if there is a template for it.
    """

    subject: str
    text: str
    html: str | None


class Letters:
    """Writes letters by templates: your own, else those that come with the package.

    For each part (``subject.txt``, ``txt``, ``html``) the first of these files counts: ``<kind>.<event>``,
    ``<event>``, ``message``, such as ``cv.parse.job.failed.txt``, ``job.failed.txt``, ``message.txt``. A
    template sees ``event``, ``kind``, ``data`` (docs/sql.md, Notifications) and the whole ``payload``.

    Args:
        own: A directory with templates that go first.

    Raises:
        ConfigError: there is no such directory, or a template in it is none.
    """

    def __init__(self, own: Path | None = None) -> None:
        loaders: list[jinja2.BaseLoader] = [jinja2.PackageLoader("headway.worker", "templates")]
        if own is not None:
            if not own.is_dir():
                raise ConfigError(
                    f"HEADWAY_MAIL_TEMPLATES: {own} is not a directory",
                    hint="Unset it for the templates of the package.",
                    code="mail_templates_missing",
                )
            loaders.insert(0, jinja2.FileSystemLoader(own))
        self._templates = jinja2.Environment(
            loader=jinja2.ChoiceLoader(loaders),
            autoescape=jinja2.select_autoescape(["html"]),
            undefined=jinja2.ChainableUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for name in self._templates.list_templates() if own is not None else ():
            self._check(name)

    def write(self, event: str, payload: Mapping[str, Any]) -> Letter:
        """The letter about an event.

        Args:
            event: ``job.completed``, ``job.failed``, ``job.cancelled`` or ``ping``.
            payload: The message's body, as webhooks get it.
        """
        data = payload.get("data")
        data = data if isinstance(data, dict) else {}
        kind = str(data.get("kind", ""))
        facts = {"event": event, "kind": kind, "data": data, "payload": payload}
        stems = [f"{kind}.{event}", event, "message"]
        subject = self._templates.select_template([f"{stem}.subject.txt" for stem in stems]).render(facts)
        try:
            html = self._templates.select_template([f"{stem}.html" for stem in stems]).render(facts)
        except jinja2.TemplatesNotFound:
            html = None
        return Letter(
            # One line whatever a job's message holds: a header's end must not be somebody's choice, nor which
            # way it is read.
            subject=" ".join("".join(c if c.isprintable() else " " for c in subject).split())[
                :_LONGEST_SUBJECT
            ],
            text=self._templates.select_template([f"{stem}.txt" for stem in stems]).render(facts),
            html=html,
        )

    def _check(self, name: str) -> None:
        try:
            self._templates.get_template(name)
        except (jinja2.TemplateSyntaxError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"HEADWAY_MAIL_TEMPLATES: {name} is not a template: {error}",
                hint="Correct it; https://jinja.palletsprojects.com/templates says how they are written.",
                code="mail_template_invalid",
            ) from None
