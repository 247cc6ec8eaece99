"""Prompts are reviewed files: ``<name>.system.md.j2`` and ``<name>.user.md.j2`` beside the code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound

__all__ = ["Prompt", "Prompts", "as_document", "one_line"]

_MARK = re.compile(r"<(?=\s*/?\s*(?:document|questions|known|instructions|system)\b)", re.IGNORECASE)
# Neither can be stored, and both are ways to hide text from people but not from a model.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is told.

    Attributes:
        user: The task's data.
        system: What the model is and the rules that it follows; empty without.
    """

    user: str
    system: str = ""


class Prompts:
    """The prompts of a folder, as Jinja templates; an undefined name is an error.

    Filters: ``as_document`` for text of strangers between ``<document>`` and ``</document>``; ``one_line``.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        # Not HTML: escaping would change the text that the model is to read.
        self._environment = Environment(  # noqa: S701
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
        )
        self._environment.filters.update(as_document=as_document, one_line=one_line)

    def render(self, name: str, /, **values: Any) -> Prompt:
        """A prompt with its values.

        Args:
            name: Of the two files; the one for the system may be missing.
            values: By the names in the files.
        """
        try:
            system = self._environment.get_template(f"{name}.system.md.j2").render(**values)
        except TemplateNotFound:
            system = ""
        user = self._environment.get_template(f"{name}.user.md.j2").render(**values)
        return Prompt(user=user.strip(), system=system.strip())


def as_document(text: str) -> str:
    """A stranger's text that can neither close the marks around it nor hide anything from a reader.

    Args:
        text: To stand between ``<document>`` and ``</document>``.
    """
    return _MARK.sub("‹", _INVISIBLE.sub("", text))


def one_line(text: str) -> str:
    """A text without line breaks, for lists of one thing a line.

    Args:
        text: Any text.
    """
    return " ".join(text.split())
