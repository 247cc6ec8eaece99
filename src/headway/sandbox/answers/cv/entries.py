"""Divides a section of jobs or studies into its entries, by dates, empty lines and the shape of lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from headway.sandbox.answers.cv.dates import Span, find_span, is_duration
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.words import company_score, is_place, title_score

__all__ = ["Entry", "divide_entries"]

_MOST_ABOVE = 3
_MOST_HEADER_WORDS = 16
_SENTENCE = re.compile(r"[.!?。؟]$|[^\W\d_]{3}[.!?]\s+[A-ZÀ-Ý]")
_LABEL = re.compile(r"^([^\W\d][^:：|]{1,30})\s*[:：]\s+(\S.*)$")


@dataclass(slots=True)
class Entry:
    """One job, seat or degree, as lines.

    Attributes:
        header: Its first lines without dates: who and what.
        span: When.
        body: What is told of it; bullets marked.
        group: The organisation that it is listed under, when several entries share one.
    """

    header: list[str] = field(default_factory=list)
    span: Span | None = None
    body: list[Line] = field(default_factory=list)
    group: str | None = None


@dataclass(slots=True)
class _Seen:
    """A line with what it looks like."""

    line: Line
    span: Span | None
    rest: str

    @property
    def header_like(self) -> bool:
        text = self.rest if self.span else self.line.text
        if self.line.bullet and not self.span:
            return False
        if not text or len(text.split()) > _MOST_HEADER_WORDS:
            return False
        if text[:1].islower() and not (self.span and _is_range(self.span)):
            return False
        if _LABEL.match(text):
            return False  # "Thesis: ...", "Tools: ..." are told of what stands above
        return not (_SENTENCE.search(text) and not company_score(text)) or len(text.split()) <= 3


Begins: TypeAlias = Callable[[str], bool]
Completes: TypeAlias = Callable[[Sequence[str], str], bool]


def divide_entries(lines: Sequence[Line], begins: Begins, completes: Completes) -> list[Entry]:
    """The entries of a section, in its order.

    Args:
        lines: Of the section.
        begins: Whether a line without a date can begin an entry all the same.
        completes: Whether a line says what a header does not say yet, such as the employer below the title.
    """
    seen = _look(lines)
    anchors = [place for place, each in enumerate(seen) if each.span is not None]
    if not anchors:
        return _undated(seen, begins, completes)
    above = _lines_above(seen, anchors)
    starts = _starts(seen, anchors, above, begins, completes)
    entries: list[Entry] = []
    leading = seen[: starts[0]]
    entries += _undated(leading, begins, completes)
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(seen)
        entries += _entries_in(seen[start:end], begins, completes, dated_above=above > 0)
    _share_groups(entries)
    return entries


def _look(lines: Sequence[Line]) -> list[_Seen]:
    seen: list[_Seen] = []
    for line in lines:
        span = find_span(line.text)
        if span is not None and (
            (line.bullet and len(span.rest.split()) > 8)
            or len(span.rest.split()) > _MOST_HEADER_WORDS
            or (span.rest[:1].islower() and not line.after_blank and not _is_range(span))
        ):
            span = None  # a date within what is told, not the date of an entry
        if span is not None and span.end is None and span.start is not None and _is_told(line, span):
            span = None
        seen.append(_Seen(line, span, span.rest if span else ""))
    return _without_told_spans(seen)


def _without_told_spans(seen: Sequence[_Seen]) -> list[_Seen]:
    """Without the dates of deeds, ``Cut costs (2019–2020)``, where entries begin with their own."""
    spans = [each.span for each in seen if each.span is not None]
    first = sum(1 for span in spans if not span.before.strip(" ([–—-"))
    if first < 2 or first * 2 <= len(spans):
        return list(seen)
    return [
        _Seen(each.line, None, "")
        if each.span is not None
        and re.search(r"\w.*\($", each.span.before)
        and not (company_score(each.rest) or title_score(each.rest))
        else each
        for each in seen
    ]


def _is_range(span: Span) -> bool:
    return span.start is not None and span.end is not None and len(span.rest.split()) <= 8


def _is_told(line: Line, span: Span) -> bool:
    """Whether a single date stands in a sentence or a list of deeds: ``Award for safety (2019)``."""
    return line.bullet or (line.text.endswith((".", "!", "?")) and len(line.text.split()) > 6)


def _lines_above(seen: Sequence[_Seen], anchors: Sequence[int]) -> int:
    """How many header lines stand above an entry's date in this section, by its first entry."""
    first = anchors[0]
    heads = [each for each in seen[:first] if each.header_like and not is_duration(each.line.text)]
    if not heads:
        return 0
    count = 0
    for place in range(first - 1, -1, -1):
        if not seen[place].header_like or count == _MOST_ABOVE:
            break
        count += 1
        if seen[place].line.after_blank and place < first:
            break
    # A date with a title in its own line: what stands above is the organisation, or an undated entry before.
    return count


def _starts(
    seen: Sequence[_Seen], anchors: Sequence[int], above: int, begins: Begins, completes: Completes
) -> list[int]:
    starts: list[int] = []
    for number, anchor in enumerate(anchors):
        floor = anchors[number - 1] + 1 if number else 0
        start = anchor
        taken = 0
        most = max(above, 1) if _stands_alone(seen, anchor) else above
        rest = seen[anchor].rest
        while start > floor and taken < most:
            before = seen[start - 1]
            if not before.header_like or (seen[start].line.after_blank and seen[start].rest and taken == 0):
                break
            text = before.line.text
            if rest and begins(rest) and begins(text) and not completes([rest], text):
                break  # each of the two lines says all by itself
            if number and start - 1 == floor and not _stands_apart(seen, start - 1):
                # The line right below the former date: its organisation, unless that stood above as well.
                alone_before = not seen[anchors[number - 1]].rest
                had_above = starts[-1] < anchors[number - 1]
                if alone_before and not had_above:
                    break
            start -= 1
            taken += 1
            if seen[start].line.after_blank:
                break
        starts.append(start)
    return starts


def _stands_alone(seen: Sequence[_Seen], anchor: int) -> bool:
    """Whether a date has no title beside or below it, so that it must belong to the line above."""
    if seen[anchor].rest:
        return False
    below = seen[anchor + 1] if anchor + 1 < len(seen) else None
    return below is None or below.span is not None or not below.header_like


def _stands_apart(seen: Sequence[_Seen], place: int) -> bool:
    return seen[place].line.after_blank


def _entries_in(
    part: Sequence[_Seen], begins: Begins, completes: Completes, *, dated_above: bool
) -> list[Entry]:
    """The dated entry of a part, and undated ones that follow within it."""
    entry = Entry()
    rest: list[_Seen] = []
    anchor = next(place for place, each in enumerate(part) if each.span is not None)
    for each in part[: anchor + 1]:
        text = each.rest if each.span is not None else each.line.text
        if each.span is not None:
            entry.span = each.span
        if text and not is_duration(text):
            entry.header.append(text)
        elif text:
            entry.group = entry.group or (entry.header[0] if entry.header else None)
    place = anchor + 1
    while place < len(part) and _continues_header(entry, part[place], completes):
        entry.header.append(part[place].line.text)
        place += 1
    rest = list(part[place:])
    entries = [entry]
    for each in rest:
        current = entries[-1]
        if (
            each.line.after_blank is False
            and _is_header(current)
            and completes(current.header, each.line.text)
        ):
            current.header.append(each.line.text)
        elif (
            not dated_above
            and not each.line.bullet
            and each.header_like
            and begins(each.line.text)
            and (each.line.after_blank or not current.body or current.body[-1].bullet or _is_header(current))
        ):
            entries.append(Entry(header=[each.line.text]))
        else:
            current.body.append(each.line)
    return entries


def _is_header(entry: Entry) -> bool:
    return entry.span is None and not entry.body


def _continues_header(entry: Entry, each: _Seen, completes: Completes) -> bool:
    """Whether a line below the date still says who and what."""
    text = each.line.text
    if not each.header_like or each.line.after_blank or len(entry.header) >= 3 or is_duration(text):
        return False
    if not entry.header:
        return True
    return is_place(text) or (len(text.split()) <= 10 and completes(entry.header, text))


def _divided(header: str) -> bool:
    return bool(
        re.search(r"[,|@·•]|\s[–—-]\s|\s{2,}|\bat\b|\bbei\b|\bchez\b|\bpresso\b|\bbij\b|\ben\b", header)
    )


def _undated(seen: Sequence[_Seen], begins: Begins, completes: Completes) -> list[Entry]:
    """The entries of a part without any date."""
    entries: list[Entry] = []
    for each in seen:
        text = each.line.text
        former = entries[-1] if entries else None
        plain = each.header_like and not each.line.bullet
        joins = plain and former is not None and not former.body and not each.line.after_blank
        if joins and former is not None and len(former.header) < 3 and completes(former.header, text):
            former.header.append(text)
        elif plain and begins(text):
            entries.append(Entry(header=[text]))
        elif former is not None:
            former.body.append(each.line)
    return entries


def _share_groups(entries: Sequence[Entry]) -> None:
    """Several titles under one organisation, named once above the first of them."""
    group: str | None = None
    for entry in entries:
        if entry.group is not None:
            group = entry.group
            continue
        if len(entry.header) == 1 and not _divided(entry.header[0]) and group is not None:
            entry.group = group
        else:
            group = None
