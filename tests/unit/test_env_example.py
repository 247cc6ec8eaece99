"""``.env.example`` names and explains every variable that Headway and its pipelines read, and no other."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from headway import settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / ".env.example"


def _classes(module: ModuleType) -> list[type[BaseSettings]]:
    return [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, BaseSettings) and name in module.__all__
    ]


PIPELINES = sorted(path.parent.name for path in ROOT.glob("workers/*/settings.py"))
CLASSES = _classes(settings) + [
    each for name in PIPELINES for each in _classes(importlib.import_module(f"workers.{name}.settings"))
]
_ASSIGNMENT = re.compile(r"(?:# )?([A-Z][A-Z0-9_]*)=(\S*)")
_HEADING = re.compile(r"# --- (\w+): (.+)")


def _documented() -> dict[str, dict[str, tuple[str, str]]]:
    """By class: each variable with the comment above it and its example."""
    sections: dict[str, dict[str, tuple[str, str]]] = {}
    section: dict[str, tuple[str, str]] = {}
    comment: list[str] = []
    for line in FILE.read_text("utf-8").splitlines():
        if heading := _HEADING.fullmatch(line):
            section = sections.setdefault(heading[1], {})
        elif assignment := _ASSIGNMENT.fullmatch(line):
            assert assignment[1] not in section, f"{assignment[1]} is there twice"
            section[assignment[1]] = (" ".join(comment), assignment[2])
        elif line.startswith("# "):
            comment.append(line.removeprefix("# "))
        else:
            assert line == "", f"neither a comment nor a variable: {line!r}"
            comment = []
    return sections


def _read(of: type[BaseSettings]) -> dict[str, str]:
    """Each variable that a class reads, with its description."""
    variables = {}
    for name, field in of.model_fields.items():
        alias = field.validation_alias
        names = (
            [str(choice) for choice in alias.choices]
            if isinstance(alias, AliasChoices)
            else [(of.model_config["env_prefix"] + name).upper()]
        )
        variables |= dict.fromkeys(names, field.description or "")
    return variables


def test_every_settings_class_has_its_section() -> None:
    assert list(_documented()) == [each.__name__ for each in CLASSES]


@pytest.mark.parametrize("of", CLASSES, ids=lambda of: of.__name__)
def test_every_variable_is_there_with_its_description(of: type[BaseSettings]) -> None:
    documented = {name: comment for name, (comment, _) in _documented()[of.__name__].items()}
    assert documented == _read(of)


@pytest.mark.parametrize("of", CLASSES, ids=lambda of: of.__name__)
def test_every_example_is_a_value_that_is_accepted(
    of: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (_, example) in _documented()[of.__name__].items():
        monkeypatch.setenv(name, example)
    of()


def test_the_headings_say_what_the_classes_say() -> None:
    headings = dict(_HEADING.findall(FILE.read_text("utf-8")))
    assert headings == {each.__name__: (each.__doc__ or "").strip().splitlines()[0] for each in CLASSES}
