"""What the sandbox's models say to slides: the slides' own words as sentences, cut to the length asked for.

The prompt is that of ``workers/talk_track/prompts``: the slides as JSON in the document, and before it what
was said so far.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from headway.sandbox.answers.registry import document, task

__all__: list[str] = []

LABEL = "Headway sandbox, no model has written this."
_WORDS = re.compile(r"^Words per slide: (\d+)$", re.MULTILINE)
_BEFORE = re.compile(r"^Heard so far: (.*)$", re.MULTILINE)
_LAST = re.compile(r"^After these: nothing", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")
_WORDS_OF_THE_SUMMARY = 120


@task("TalkTrackChunk")
def talk_track(text: str, schema: Mapping[str, Any]) -> Any:
    """One text a slide, and a summary that grows by the slides' titles."""
    slides = _slides(text)
    before = text.partition("<document>")[0]
    words = int(found[1]) if (found := _WORDS.search(before)) else 90
    heard = found[1] if (found := _BEFORE.search(before)) else ""
    begins = heard.startswith("nothing")
    spoken: list[dict[str, Any]] = [
        {"position": slide.get("position"), "text": _cut(_spoken(slide, begins and not number), words)}
        for number, slide in enumerate(slides)
    ]
    if spoken:
        spoken[0]["text"] = f"({LABEL}) {spoken[0]['text']}"
        if _LAST.search(before):
            spoken[-1]["text"] += " Thank you for listening."
    titles = "; ".join(_name(slide) for slide in slides)
    said = " ".join(f"{'' if begins else heard} {titles}.".split()[-_WORDS_OF_THE_SUMMARY:])
    return {"slides": spoken, "summary": said or LABEL}


def _slides(text: str) -> list[dict[str, Any]]:
    try:
        read = json.loads(document(text))
    except ValueError:
        return []
    return [slide for slide in read if isinstance(slide, dict)] if isinstance(read, list) else []


def _name(slide: Mapping[str, Any]) -> str:
    return str(slide.get("title") or f"slide {slide.get('position')}")


def _spoken(slide: Mapping[str, Any], first: bool) -> str:
    title = str(slide.get("title") or "")
    opening = f"{title}." if title else "Let's look at this."
    if first and title:
        opening = f"Welcome. We begin with {title}."
    lines = [_BULLET.sub("", line).strip() for line in str(slide.get("body") or "").splitlines()]
    hints = str(slide.get("hints") or "").strip()
    return " ".join([opening, *(_sentence(line) for line in (*lines, hints) if line)])


def _sentence(line: str) -> str:
    return line if line[-1] in ".!?…。！？" else f"{line}."


def _cut(text: str, words: int) -> str:
    said = text.split()
    return " ".join(said[:words]) + ("…" if len(said) > words else "")
