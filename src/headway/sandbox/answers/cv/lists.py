"""Reads lists: skills, languages with their levels, sectors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from headway.sandbox.answers.cv.folding import fold, fold_level
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.vocabulary import phrases
from headway.sandbox.answers.cv.words import names_tongue

__all__ = ["read_languages", "read_sectors", "read_skills"]

_SEPARATOR = re.compile(
    # A stroke divides words, and not the parts of "S/4HANA", "231/2001" and "CI/CD".
    r"\s*(?:[,;|•·●▪、،]|\s/|/(?=\s)|(?<=[^\W\d_]{3})/(?=[^\W\d_]{3})|(?<=\bC)/(?=C\+\+)|\s[–—-]\s|\s{3,})\s*(?![^()]*\))"
)
_GROUP = re.compile(r"^[^\W\d_][^:：,;]{1,40}[:：]\s*")
_METER = re.compile(
    r"\s*(?:[★☆●○■□▮▯]+|\d{1,3}\s?%|(?<!\d)\d\s?/\s?\d{1,2}(?!\d)|\(\s*\d+\+?\s*(?:years?|yrs?|jahre?|ans|años)\s*\))\s*"
)
_WITH_LEVEL = (
    re.compile(r"^(?P<a>[^(\[:]+?)\s*[(\[](?P<b>[^)\]]*)[)\]]?"),
    re.compile(r"^(?P<a>[^:：]+?)\s*[:：]\s*(?P<b>.+)$"),
    re.compile(r"^(?P<a>.+?)\s+[–—-]\s+(?P<b>.+)$"),
)
_DASH = re.compile(r"\s[–—-]\s")
_GRADES = re.compile(r"\b[ABC][12]\+?(?!\w)")
_LONGEST_SKILL = 60
_MOST_SKILLS = 60


def read_skills(lines: Sequence[Line]) -> list[str]:
    """The skills of a section, one by one.

    Args:
        lines: Of the section.
    """
    return _unique(
        skill
        for line in lines
        for skill in _items(line.text)
        if (1 < len(skill) <= _LONGEST_SKILL and not skill.endswith(".")) or skill in ("C", "R")
    )[:_MOST_SKILLS]


def _items(text: str) -> list[str]:
    text = _GROUP.sub("", text)
    items = []
    for part in _SEPARATOR.split(text):
        item = _METER.sub(" ", part).strip(" .,;:–—-*")
        if item and not (" / " not in text and item.isdigit()):
            items.append(item)
    return items


def read_languages(lines: Sequence[Line]) -> list[tuple[str, str | None]]:
    """The languages of a section, with their levels as written.

    Args:
        lines: Of the section.
    """
    found: list[tuple[str, str | None]] = []
    pending: str | None = None
    for line in _whole(lines):
        # "English" in one line and "Native" in the next, as tables and LinkedIn have it.
        grades = _GRADES.findall(line.text)
        if pending is not None and not names_tongue(line.text) and (grades or len(line.text.split()) <= 5):
            found[-1] = (pending, grades[0] if len(grades) > 1 else _bare(line.text))
            pending = None
            continue
        pending = None
        for part in _language_parts(line.text):
            language, level = _language(part)
            if language:
                found.append((language, level))
        if found and len(_language_parts(line.text)) == 1 and found[-1][1] is None:
            pending = found[-1][0]
    unique: dict[str, tuple[str, str | None]] = {}
    for language, level in found:
        key = fold(language)
        if key not in unique or unique[key][1] is None:
            unique[key] = (language, level)
    return list(unique.values())


def _whole(lines: Sequence[Line]) -> Iterator[Line]:
    """Lines with those put together that a narrow column has torn: ``English (Full``, ``Professional)``."""
    torn: Line | None = None
    for line in lines:
        whole = line
        if torn is not None:
            if _is_open(torn.text) or not names_tongue(line.text):
                whole = Line(f"{torn.text} {line.text}", torn.bullet, torn.after_blank)
            else:
                yield torn
        torn = whole if _is_open(whole.text) or whole.text.endswith((":", " –", " —", " -")) else None
        if torn is None:
            yield whole
    if torn is not None:
        yield torn


def _is_open(text: str) -> bool:
    return text.count("(") > text.count(")")


def _bare(level: str) -> str:
    """A level without brackets around the whole of it."""
    level = level.strip()
    return level[1:-1].strip() if level.startswith("(") and level.endswith(")") else level


def _language_parts(text: str) -> list[str]:
    # "French: native — English: fluent": a language on each side of the dash.
    sides = [side.strip() for side in _DASH.split(text)]
    if len(sides) > 1 and all(names_tongue(side) for side in sides):
        return [part for side in sides for part in _language_parts(side)]
    # "Native: English, Welsh. Fluent: French": the level comes first and holds for several.
    if _GROUP.match(text) and not names_tongue(text.split(":")[0]):
        level, _, rest = text.replace("(s)", "").partition(":")
        return [f"{each.strip()} ({level.strip()})" for each in re.split(r"[,;/]", rest) if each.strip()]
    parts = [
        part.strip(" .")
        for part in re.split(r"\s*[,;|•·/،、]\s*(?![^()]*\))|\s{3,}", text)
        if part.strip(" .")
    ]
    joined: list[str] = []
    for part in parts:
        # A part without a language is the level of the one before.
        if joined and not names_tongue(part) and names_tongue(joined[-1]):
            joined[-1] = f"{joined[-1]} ({part})" if "(" not in joined[-1] else joined[-1]
        else:
            joined.append(part)
    if len(joined) == 1 and re.search(r"\b(?:and|und|et|y|e|en)\b", joined[0]) and "(" not in joined[0]:
        halves = [half.strip() for half in re.split(r"\b(?:and|und|et|y|e|en)\b", joined[0]) if half.strip()]
        if len(halves) > 1 and all(names_tongue(half) for half in halves):
            return halves
    return joined


def _language(part: str) -> tuple[str | None, str | None]:
    for pattern in _WITH_LEVEL:
        if match := pattern.match(part):
            first, second = match["a"].strip(), match["b"].strip()
            if names_tongue(second) and not names_tongue(first):
                first, second = second, first
            # "German – fluent (C1)": all behind the dash is the level.
            tongue, dash, more = _divided(first)
            if dash and names_tongue(tongue):
                first, second = tongue.strip(), f"{more} ({second})" if second else more
            if not names_tongue(first) and len(first.split()) + len(second.split()) > 5:
                return None, None  # "Declaration: ...", and whatever else a form goes on with
            # Of "LISTENING C1 READING C1 WRITING B2" the first.
            grades = _GRADES.findall(second)
            return (first or None), (grades[0] if len(grades) > 1 else second or None)
    words = part.split()
    for place, word in enumerate(words):
        if fold(word.strip(".,")) in phrases("tongues"):
            before, after = " ".join(words[:place]), " ".join(words[place + 1 :])
            level = (after or before).strip(" -–—.") or None
            return word.strip(".,"), level
    return (part, None) if len(words) <= 2 and part[:1].isupper() else (None, None)


def _divided(text: str) -> tuple[str, str, str]:
    """A text before its first dash, the dash, and the text behind it."""
    found = _DASH.search(text)
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")


def read_sectors(lines: Sequence[Line], told: str) -> list[str]:
    """The sectors that a CV names: those of a section of their own, and those that its summary speaks of.

    Args:
        lines: Of the section.
        told: The headline and the summary.
    """
    named = [item for line in lines for item in _items(line.text) if len(item) <= _LONGEST_SKILL]
    low = fold_level(told)
    spoken = []
    for sector in sorted(phrases("sectors"), key=len, reverse=True):
        if match := re.search(rf"(?<!\w){re.escape(sector)}(?!\w)", low):
            low = low[: match.start()] + "|" * len(match[0]) + low[match.end() :]
            spoken.append((match.start(), told[match.start() : match.end()]))
    return _unique([*named, *(sector.capitalize() for _, sector in sorted(spoken))])


def _unique(items: Iterable[str]) -> list[str]:
    found: dict[str, str] = {}
    for item in items:
        found.setdefault(fold(item), item)
    return list(found.values())
