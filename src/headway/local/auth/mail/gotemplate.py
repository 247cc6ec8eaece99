"""The part of Go's template language that mail templates of Supabase projects use.

``{{ .Name }}``, ``{{ .Data.key }}`` and ``{{ if .Name }} … {{ else }} … {{ end }}``; white space is trimmed
at ``{{-`` and ``-}}``.
Source: pkg.go.dev/text/template and the documentation page "Email Templates".
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["TemplateFault", "render"]

_ACTION = re.compile(r"\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}", re.DOTALL)
_VARIABLE = re.compile(r"\.[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


class TemplateFault(ValueError):
    """A template uses something that is not understood here.

    Args:
        action: The text between the braces.
    """

    def __init__(self, action: str) -> None:
        super().__init__(f"{{{{ {action} }}}} is not understood")


def render(template: str, values: Mapping[str, Any], *, escape: bool = True) -> str:
    """The template with its variables filled in.

    Args:
        template: Go template text.
        values: The variables by name; an unknown one is empty.
        escape: Whether values are escaped for HTML.

    Raises:
        TemplateFault: it uses another action, or its blocks are not closed.
    """
    out: list[str] = []
    # One entry per open block: whether its current branch is written, and whether "else" was seen.
    blocks: list[tuple[bool, bool]] = []
    position = 0
    for match in _ACTION.finditer(template):
        text = template[position : match.start()]
        position = match.end()
        if match[1]:
            text = text.rstrip()
        if match[3]:
            position += len(template[position:]) - len(template[position:].lstrip())
        writing = all(shown for shown, _ in blocks)
        if writing:
            out.append(text)
        action = match[2]
        if _VARIABLE.fullmatch(action):
            if writing:
                value = _text(_lookup(action, values))
                out.append(html.escape(value) if escape else value)
        elif action.startswith("if ") and _VARIABLE.fullmatch(condition := action[3:].strip()):
            blocks.append((bool(_lookup(condition, values)), False))
        elif action == "else" and blocks and not blocks[-1][1]:
            blocks.append((not blocks.pop()[0], True))
        elif action == "end" and blocks:
            blocks.pop()
        elif not (action.startswith("/*") and action.endswith("*/")):
            raise TemplateFault(action)
    if blocks:
        raise TemplateFault("if without end")
    return "".join([*out, template[position:]])


def _lookup(variable: str, values: Mapping[str, Any]) -> object:
    value: object = values
    for name in variable[1:].split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
