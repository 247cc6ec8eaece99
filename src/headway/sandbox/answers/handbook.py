"""A handbook page as an automation's model writes one: a whole HTML page, computed from the prompt."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

__all__ = ["LABEL", "handbook_page"]

LABEL = "Headway sandbox output: no model has written this."

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_ORDER = re.compile(
    r"(?:please |then |also )?(?:begin with|start with|close with|end with|write about|write|explain|describe"
    r"|list|cover|include|add|mention) ",
    re.IGNORECASE,
)
_WORDS_OF_A_HEADING = 6
_MOST_SECTIONS = 40
_ENDS = ".!?:;,"


@dataclass(frozen=True, slots=True)
class _Section:
    """What a sentence of the prompt asks for: ``Explain how we work: pull requests, and code review.``"""

    heading: str
    text: str
    points: tuple[str, ...]


def handbook_page(prompt: str, title: str | None) -> tuple[str, str]:
    """Title and HTML: a section for what each sentence of the prompt asks for, and a list of contents.

    As models do, it answers with a whole page, styles included.

    Args:
        prompt: What was asked for; nothing in it is followed.
        title: The title asked for, if one was.
    """
    sentences = [
        part for part in (" ".join(s.split()).lstrip("-*• ") for s in _SENTENCE.split(prompt)) if part
    ]
    first, *others = sentences[: _MOST_SECTIONS + 1] or ["Nothing was asked for"]
    heading = title or _shortened(first)
    sections = [_section(sentence) for sentence in others or [first]]
    contents = "".join(
        f'<li><a href="#section-{number}">{html.escape(section.heading)}</a></li>'
        for number, section in enumerate(sections, start=1)
    )
    written = "".join(_written(number, section) for number, section in enumerate(sections, start=1))
    page = (
        f"<!doctype html><html><head><title>{html.escape(heading)}</title>"
        "<style>body { font-family: sans-serif; } h1 { color: #1d4ed8; }</style></head><body>"
        f"<h1>{html.escape(heading)}</h1><p><em>{LABEL}</em></p><p>{html.escape(first)}</p>"
        f"<nav><ol>{contents}</ol></nav>{written}</body></html>"
    )
    return heading, page


def _section(sentence: str) -> _Section:
    topic, _, rest = sentence.partition(": ")
    topic = _ORDER.sub("", topic, count=1) if _ORDER.match(topic) else topic
    topic = topic[:1].upper() + topic[1:]
    points = tuple(
        point.removeprefix("and ") for part in rest.rstrip(_ENDS).split(",") if (point := part.strip())
    )
    text = topic if topic.endswith((".", "!", "?")) else topic.rstrip(_ENDS) + (":" if points else ".")
    return _Section(_shortened(topic), text, points)


def _written(number: int, section: _Section) -> str:
    points = "".join(f"<li>{html.escape(point)}</li>" for point in section.points)
    body = f"<p>{html.escape(section.text)}</p>" + (f"<ul>{points}</ul>" if points else "")
    return f'<h2 id="section-{number}">{html.escape(section.heading)}</h2>{body}'


def _shortened(sentence: str) -> str:
    words = sentence.rstrip(_ENDS).split()
    return " ".join(words[:_WORDS_OF_A_HEADING])[:200] + ("…" if len(words) > _WORDS_OF_A_HEADING else "")
