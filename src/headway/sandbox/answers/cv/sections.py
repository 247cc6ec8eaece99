"""Divides a CV into its head and its sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.headings import heading_of
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.vocabulary import phrases
from headway.sandbox.answers.cv.words import names_tongue

__all__ = ["Cv", "divide"]

_LONGEST_HEADING_WORDS = 7


@dataclass(slots=True)
class Cv:
    """A CV by its sections.

    Attributes:
        head: What stands before the first heading.
        sections: The lines of each kind, of all its sections one after the other.
        begins: Where in the lines of a kind its sections begin.
    """

    head: list[Line] = field(default_factory=list)
    sections: dict[str, list[Line]] = field(default_factory=dict)
    begins: dict[str, list[int]] = field(default_factory=dict)

    def of(self, kind: str) -> Sequence[Line]:
        """The lines of a kind of section; none without."""
        return self.sections.get(kind, ())

    def each(self, kind: str) -> Iterator[Sequence[Line]]:
        """The sections of a kind, one by one.

        Args:
            kind: Of section.
        """
        lines = self.of(kind)
        bounds = [*self.begins.get(kind, []), len(lines)]
        yield from (lines[begin:end] for begin, end in pairwise(bounds))

    @property
    def lines(self) -> list[Line]:
        """All lines but headings."""
        return [*self.head, *(line for lines in self.sections.values() for line in lines)]


def divide(lines: Sequence[Line]) -> Cv:
    """Divide the lines of a CV.

    Args:
        lines: In reading order.
    """
    cv = Cv()
    current = cv.head
    kind: str | None = None
    for place, line in enumerate(lines):
        found = None if line.bullet else heading_of(line.text)
        if found is not None and _begins(found[0], found[1], kind, lines, place):
            begun = cv.sections.setdefault(found[0], [])
            cv.begins.setdefault(found[0], []).append(len(begun))
            if found[1]:
                begun.append(Line(found[1], after_blank=True))
            # "Languages: English" among skills is one line of its own, and the list goes on below it.
            if not (found[1] and kind in ("skills", "other")):
                kind, current = found[0], begun
        else:
            current.append(line)
    return cv


def _begins(found: str, rest: str, kind: str | None, lines: Sequence[Line], place: int) -> bool:
    text = lines[place].text
    if len(text.split()) > _LONGEST_HEADING_WORDS and not rest:
        return False
    if rest:
        if found == "languages" and not names_tongue(rest):
            return False  # those of programmers
        # "Languages: English" among skills begins a section; "Education: ..." in a job's text does not.
        inline = found in ("skills", "languages", "summary", "sectors", "contact")
        return inline and kind not in ("work", "boards")
    # Within a list of skills, "Languages" may be a skill's group, and "Training" a skill.
    if kind == "skills" and found == "other" and not lines[place].after_blank:
        return text.isupper() or fold(text).strip(" :") in phrases("endings")
    inside = kind in ("work", "boards", "education") and not lines[place].after_blank
    return not (inside and text[:1].islower())
