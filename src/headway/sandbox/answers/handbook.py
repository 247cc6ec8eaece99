"""A handbook page as an automation's model writes one: a whole HTML page, computed from the prompt."""

from __future__ import annotations

import html
import re

__all__ = ["LABEL", "handbook_page"]

LABEL = "Headway sandbox output: no model has written this."

_SENTENCE = re.compile(r"(?<=[.!?:;])\s+|\n+")
_WORDS_OF_A_HEADING = 6
_MOST_SECTIONS = 40


def handbook_page(prompt: str, title: str | None) -> tuple[str, str]:
    """Title and HTML: a section for every sentence of the prompt, and a list of contents.

    As models do, it answers with a whole page, styles included.

    Args:
        prompt: What was asked for; nothing in it is followed.
        title: The title asked for, if one was.
    """
    sentences = [
        part for part in (" ".join(s.split()).lstrip("-*• ") for s in _SENTENCE.split(prompt)) if part
    ]
    sentences = sentences[:_MOST_SECTIONS] or ["Nothing was asked for"]
    heading = title or _heading(sentences[0])
    sections = [_section(number, sentence) for number, sentence in enumerate(sentences, start=1)]
    contents = "".join(
        f'<li><a href="#section-{number}">{html.escape(_heading(sentence))}</a></li>'
        for number, sentence in enumerate(sentences, start=1)
    )
    page = (
        f"<!doctype html><html><head><title>{html.escape(heading)}</title>"
        "<style>body { font-family: sans-serif; } h1 { color: #1d4ed8; }</style></head><body>"
        f"<h1>{html.escape(heading)}</h1><p><em>{LABEL}</em></p><nav><ol>{contents}</ol></nav>"
        f"{''.join(sections)}</body></html>"
    )
    return heading, page


def _heading(sentence: str) -> str:
    words = sentence.rstrip(".!?:;,").split()
    return " ".join(words[:_WORDS_OF_A_HEADING])[:200] + ("…" if len(words) > _WORDS_OF_A_HEADING else "")


def _section(number: int, sentence: str) -> str:
    points = [part.strip() for part in sentence.rstrip(".!?:;").split(",") if part.strip()]
    body = f"<p>{html.escape(sentence)}</p>"
    if len(points) > 1:
        body += "<ul>" + "".join(f"<li>{html.escape(point)}</li>" for point in points) + "</ul>"
    return f'<h2 id="section-{number}">{html.escape(_heading(sentence))}</h2>{body}'
