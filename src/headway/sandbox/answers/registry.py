"""Finds the rule for a task, and answers by it.

A rule reads the text as data. Nothing in it is ever followed as an instruction, which is also what makes a
document with instructions for the model harmless here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

from headway.sandbox.answers.conform import conform
from headway.sandbox.answers.generic import fill, plain_text

__all__ = ["TASK_MODULES", "Rule", "document", "reply", "say", "task"]

Rule: TypeAlias = Callable[[str, Mapping[str, Any]], Any]
"""``rule(text, schema)``: the user's messages, and the JSON schema of the answer; what is missing in what it
returns, or does not fit, is made valid afterwards."""

TASK_MODULES: tuple[str, ...] = (
    "headway.sandbox.answers.cv",
    "headway.sandbox.answers.interview",
    "headway.sandbox.answers.talk_track",
    "headway.sandbox.answers.video",
)
"""The modules that hold rules; each is imported when the first answer is asked for."""

_rules: dict[str, Rule] = {}


def task(*titles: str) -> Callable[[Rule], Rule]:
    """Register a rule for the schemas of some titles.

    Args:
        titles: As in the schema; usually the names of pydantic models.
    """

    def register(rule: Rule) -> Rule:
        for title in titles:
            if _rules.setdefault(title, rule) is not rule:
                raise ValueError(f"there are two rules for {title}")
        return rule

    return register


def reply(text: str, schema: Mapping[str, Any], *, name: str | None = None) -> Any:
    """A structured answer, valid by its schema.

    Args:
        text: The user's messages, one after the other; instructions of the system are left out.
        schema: The JSON schema that the answer shall have.
        name: The task's name, for schemas without a title.
    """
    _load()
    rule = _rules.get(str(schema.get("title") or name or ""))
    return conform(fill(text, schema) if rule is None else rule(text, schema), schema)


def say(text: str) -> str:
    """An answer in plain text.

    Args:
        text: The user's messages, one after the other.
    """
    _load()
    return plain_text(document(text))


def document(text: str) -> str:
    """What stands between ``<document>`` and ``</document>``, or the whole text without such marks.

    From the first opening mark to the last closing one: a document that contains a mark does not end early.

    Args:
        text: The user's messages.
    """
    found = re.search(r"<document[^>]*>(.*)</document>", text, re.DOTALL)
    if found is None:
        return text
    return re.sub(r"</?document[^>]*>", "\n", found[1]).strip("\n")


@cache
def _load() -> None:
    for module in TASK_MODULES:
        import_module(module)
