"""What the sandbox's models make of a video: what its subtitles say, cut, retold and marked, never invented.

The prompts are those of ``workers/video/prompts``; a video itself arrives as the lines that
``headway.sandbox.gemini.generate`` writes of what is said and shown in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headway.sandbox.answers.registry import document, task

__all__: list[str] = []

_PASSAGE = re.compile(r"^([\d.]+) ([\d.]+) (said|shown): (.*)$", re.MULTILINE)
_LINE = re.compile(r"^\[(\d+)\] (?:[\d:.]+ )?(.*)$", re.MULTILINE)
_LABEL = "*Written by the Headway sandbox, not by a model.*"
_MOST_CHAPTERS = 6
_COMMON = {
    "de": "der die das und ist nicht ein eine wir sie mit auf für",
    "fr": "le la les et est une des nous vous avec pour dans",
    "es": "el los las y es una con para por usted nosotros",
    "it": "il gli che e una con per sono questo della",
    "en": "the and is a to of you with for this that when",
}


@task("TranscriptWindow")
def transcript(text: str, schema: Mapping[str, Any]) -> Any:
    """The subtitles as they are; of a silent video, what it shows."""
    passages = [(float(a), float(b), kind, words) for a, b, kind, words in _PASSAGE.findall(text)]
    shown = [p for p in passages if p[2] == "shown"]
    said = [p for p in passages if p[2] == "said"]
    segments = [
        {
            "start": _clock(start),
            "end": _clock(end),
            "spoken": words if kind == "said" else "",
            "visual": words if kind == "shown" else _seen_at(start, shown),
        }
        for start, end, kind, words in said or shown
    ]
    return {"language": _language(" ".join(p[3] for p in said)), "segments": segments}


@task("ChapterOutline")
def outline(text: str, schema: Mapping[str, Any]) -> Any:
    """Passages in order, a few to a chapter; each is named by its first words."""
    passages = _LINE.findall(document(text)) or [("0", document(text))]
    size = max(2, -(-len(passages) // _MOST_CHAPTERS))
    chapters = []
    for begin in range(0, len(passages), size):
        part = passages[begin : begin + size]
        chapters.append(
            {
                "title": _first_words(part[0][1]),
                "summary": " ".join(_first_sentence(words) for _, words in part),
                "first_segment": int(part[0][0]),
                "last_segment": int(part[-1][0]),
                "sections": [
                    {"title": _first_words(words), "summary": _first_sentence(words)} for _, words in part
                ],
            }
        )
    return {"chapters": chapters}


@task("ChapterArticle")
def article(text: str, schema: Mapping[str, Any]) -> Any:
    """A section for each passage, in its own words, and at the end who wrote it."""
    title = re.search(r"^Chapter: (.+)$", text, re.MULTILINE)
    parts = []
    for _, words in _LINE.findall(document(text)):
        said, _, shown = words.partition("(shown: ")
        # Of a silent passage, what it shows.
        silent = not said.strip()
        heading, told = (shown.removesuffix(")"),) * 2 if silent else (said, words)
        parts.append(f"## {_first_words(heading)}\n\n{told}")
    return {"title": title[1] if title else "", "markdown": "\n\n".join([*parts, _LABEL])}


@task("TranslatedLines")
def lines(text: str, schema: Mapping[str, Any]) -> Any:
    """Every line, marked with the language it would be in."""
    mark = _mark(text)
    return {"lines": [{"n": int(n), "text": f"{mark} {words}"} for n, words in _LINE.findall(document(text))]}


@task("TranslatedArticle")
def translated_article(text: str, schema: Mapping[str, Any]) -> Any:
    """The same article; every text in it is marked, its form and its code stay."""
    mark = _mark(text)
    title = re.search(r"^Title: (.+)$", text, re.MULTILINE)
    written, in_code = [], False
    for line in document(text).split("\n"):
        in_code ^= line.lstrip().startswith("```")
        form = re.match(r"\s*(?:#{1,6} |[-*] |\d+\. |> )*", line)
        lead = form[0] if form else ""
        words = line[len(lead) :]
        plain = not in_code and words.strip() and not words.startswith(("```", "|", "---"))
        written.append(f"{lead}{mark} {words}" if plain else line)
    return {"title": f"{mark} {title[1]}" if title else mark, "markdown": "\n".join(written)}


def _mark(text: str) -> str:
    language = re.search(r"^Target language: .*\(([A-Za-z0-9-]+)\)$", text, re.MULTILINE)
    return f"[{language[1] if language else '??'}]"


def _seen_at(moment: float, shown: list[tuple[float, float, str, str]]) -> str:
    return next((words for start, end, _, words in shown if start <= moment < end), "")


def _first_sentence(words: str) -> str:
    return re.split(r"(?<=[.!?。؟])\s+", words.strip(), maxsplit=1)[0]


def _first_words(words: str, most: int = 6) -> str:
    short = _first_sentence(words).rstrip(".!?。؟").split()
    return " ".join(short[:most]) + (" …" if len(short) > most else "") or "Untitled"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{seconds % 60:06.3f}"


def _language(words: str) -> str:
    heard = re.findall(r"[^\W\d_]+", words.casefold())
    counts = {tag: sum(heard.count(word) for word in known.split()) for tag, known in _COMMON.items()}
    best = max(counts, key=lambda tag: counts[tag])
    return best if counts[best] else "en"
