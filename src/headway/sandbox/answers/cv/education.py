"""Reads degrees, courses and schools out of a section about education."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headway.sandbox.answers.cv.dates import years_in
from headway.sandbox.answers.cv.entries import Entry, divide_entries
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.vocabulary import pattern
from headway.sandbox.answers.cv.words import is_place

__all__ = ["Study", "read_education"]

_INSTITUTION = pattern("schools")
_DEGREE = pattern("degrees")
_FIELD = re.compile(
    r"(?:\b(?:in|of|en|di|im|em|w zakresie|fach|mention|specialisation|majoring in|major:?|schwerpunkt:?|"
    r"option|field of study:?)\s+|[:–—-]\s+)(?P<field>[^,;(|]+)",
    re.IGNORECASE,
)
_SHORT_DEGREE = re.compile(
    r"^(?:[BM]\.?\s?(?:A|Sc|Eng|Ed|Com|Tech|Phil|Res)\.?|LL\.?[BM]\.?|Ph\.?D\.?|D\.?Phil\.?|E?MBA|Bachelor|Master|"
    r"Magister|Diplom(?:-Ingenieur(?:in)?|-\w+)?|Licence|Laurea|Magistrale|Licenciatura|Dipl\.-Ing\.|Doctorate|"
    r"Doctorat|بكالوريوس|ماجستير|دكتوراه)(?:\s*\(?(?:Hons|Honours)\.?\)?)?\s+(?P<field>[^\W\d_][^,;(|]{2,})$"
)
_GRADE = re.compile(
    r"\b(?:c?gpa|grade|note|abschlussnote|gesamtnote|moyenne|nota(?: media)?|voto|media|cijfer|srednia|ocena|"
    r"mark|score|final grade|average|المعدل|ממוצע)\s*[:：=]?\s*"
    r"(?P<value>\d+(?:[.,]\d+)?(?:\s*(?:/|out of|von|sur|su|de)\s*\d+(?:[.,]\d+)?)?(?:\s*%)?(?:\s*e lode)?)",
    re.IGNORECASE,
)
# Italian marks need no word before them.
_ITALIAN_GRADE = re.compile(
    r"(?<![\d/])(?P<value>\d{2,3}/(?:110|100)(?:\s*(?:e|con) lode)?)(?![\d/])", re.IGNORECASE
)
_HONORS = pattern("honors")
_GRADE_BEFORE = re.compile(r"\b(?P<value>\d(?:[.,]\d+)?(?:\s*/\s*\d+)?)\s*C?GPA\b")
_BRACKETED = re.compile(r"\((?P<field>[^\W\d_][^()]{5,})\)$")
_YEAR_BEFORE = re.compile(r"^(?:19|20)\d\d\s+(?=[^\W\d_])")
# The end of a sentence, and not of "Dr.-Ing.".
_STOP = re.compile(r"(?:(?<=\w{4})|(?<=%))\.$")
# "from Leeds College in 2012 with 72%"
_IN_PROSE = re.compile(r"(?:\s+in\s+(?:19|20)\d\d)?(?:\s+with(?:\s+\d{1,3}(?:\.\d+)?\s?%)?)?$")
# "University of Edinburgh. Thesis: ..." goes on with what is told of the study.
_TOLD_AFTER = re.compile(r"\.\s+(?=[^\W\d_][^.:]{2,25}:\s)")
_FACULTIES = frozenset({"science", "arts", "philosophy", "engineering", "laws"})
_STRONG = re.compile(r"\s*(?:\||·|•|\s[–—]\s|\s-\s|\s{2,}|;)\s*")
_SPLIT = re.compile(r"\s*[,،]\s+(?![^()]*\))|\s+(?:at|an der|an|à l'|from)\s+(?=[A-ZÀ-Ý])")


@dataclass(frozen=True, slots=True)
class Study:
    """A degree, a course or a school, as it is told."""

    institution: str | None
    degree: str | None
    field: str | None
    year: str | None
    gpa: str | None
    honors: tuple[str, ...]
    description: str | None


def read_education(lines: Sequence[Line]) -> list[Study]:
    """The studies of a section.

    Args:
        lines: Of the section.
    """
    plain = [
        Line(_STOP.sub("", line.text), after_blank=line.after_blank) if _names_study(line.text) else line
        for line in lines
    ]
    studies = [_study(entry) for entry in divide_entries(plain, _names_study, _completes)]
    return [study for study in studies if study.institution or study.degree]


def _names_study(text: str) -> bool:
    low = fold(text)
    return len(text.split()) <= 20 and bool(_INSTITUTION.search(low) or _DEGREE.search(low))


def _study(entry: Entry) -> Study:
    header, body = [], list(entry.body)
    for line in entry.header:
        head, *told_after = _TOLD_AFTER.split(line, maxsplit=1)
        header.append(head)
        body[:0] = [Line(text) for text in told_after]
    # The school may stand below the date, and the degree below the school.
    while body and not body[0].bullet and len(header) < 3 and _completes(header, body[0].text):
        header.append(body.pop(0).text)
    told = [line.text for line in body]
    whole = " ".join([*header, *told])
    gpa = _GRADE.search(whole) or _GRADE_BEFORE.search(whole) or _ITALIAN_GRADE.search(whole)
    honors = tuple(dict.fromkeys(_written(whole, match) for match in _HONORS.finditer(fold(whole))))
    parts = [part for line in header for part in _parts(line)]
    schools = [part for part in parts if _INSTITUTION.search(fold(part)) and not _is_degree_first(part)]
    degrees = [part for part in parts if part not in schools and _DEGREE.search(fold(part))]
    others = [part for part in parts if part not in schools and part not in degrees]
    institution = ", ".join(schools) or None
    degree = degrees[0] if degrees else None
    if institution is None and others:
        institution = others.pop() if degree or len(others) > 1 else others.pop(0)
    if degree is None and others:
        degree = others.pop(0)
    subject = _subject(degree)
    if degree and others and (subject is None or fold(subject) in _FACULTIES):
        # "Baccalauréat, Lycée Voltaire, Lille": what stands behind the school is where it is.
        place = schools and parts.index(degree) < parts.index(schools[-1]) < parts.index(others[0])
        subject = subject if place else others[0]
    if len(degrees) > 1:
        told = [*(each for each in degrees[1:] if len(each) > 5), *told]
    mentioned = years_in(whole)
    year = mentioned[-1] if entry.span is None and mentioned else None
    if entry.span is not None and not entry.span.current:
        spanned = years_in(entry.span.end or "") or years_in(entry.span.start or "")
        year = spanned[-1] if spanned else None
    rest = [text for text in told if not (_GRADE.fullmatch(text.strip()) or _HONORS.fullmatch(fold(text)))]
    return Study(
        institution,
        degree,
        subject,
        year,
        gpa["value"].strip() if gpa else None,
        honors,
        " ".join(rest) or None,
    )


def _parts(line: str) -> list[str]:
    """The parts of a header line, without places, grades and distinctions."""
    parts: list[str] = []
    for piece in _STRONG.split(_YEAR_BEFORE.sub("", line)):
        whole = _without_marks(piece)
        if not is_place(whole):
            parts += [_without_marks(part) for part in _SPLIT.split(whole)]
    return [
        part
        for part in parts
        if part and not (is_place(part) or part.isdigit() or _HONORS.fullmatch(fold(part)))
    ]


def _written(text: str, match: re.Match[str]) -> str:
    """What a match in the folded text is in the text, where folding has kept its length."""
    same = len(fold(text)) == len(text)
    return (text[match.start() : match.end()] if same else match[0]).strip()


def _completes(header: Sequence[str], text: str) -> bool:
    known = fold(" ".join(header))
    low = fold(text)
    if len(text.split()) > 12 or (years_in(known) and years_in(low)):
        return False
    if not _INSTITUTION.search(known) and _INSTITUTION.search(low):
        return True
    return not _DEGREE.search(known) and bool(_DEGREE.search(low))


def _is_degree_first(part: str) -> bool:
    """``Master of Business School Management`` begins with the degree; ``Master's College`` is rare."""
    low = fold(part)
    degree, school = _DEGREE.search(low), _INSTITUTION.search(low)
    return bool(degree and school and degree.start() == 0 and school.start() > degree.end() + 12)


def _without_marks(part: str) -> str:
    part = _ITALIAN_GRADE.sub("", _GRADE_BEFORE.sub("", _GRADE.sub("", part)))
    part = _IN_PROSE.sub("", part.rstrip())
    part = re.sub(r"\(\s*(?:2:[12]|1st|first|\d[.,]\d)?\s*\)", "", part)
    return part.strip(" ,;:|()–—-") if part.count("(") != part.count(")") else part.strip(" ,;:|–—-")


def _subject(degree: str | None) -> str | None:
    if degree is None:
        return None
    if short := _SHORT_DEGREE.match(degree):
        return _inner(re.sub(r"^(?:in|of|en|di|de|em)\s+", "", short["field"], flags=re.IGNORECASE))
    found = _FIELD.search(degree) or _BRACKETED.search(degree)
    if found is None:
        return None
    return _inner(found["field"])


def _inner(subject: str) -> str | None:
    # "Bachelor of Science in Physics" is about physics, not about science.
    inner = re.search(r"\b(?:in|en|im)\s+(.+)$", subject)
    return (inner[1] if inner else subject).strip() or None
