"""Sets a profile as a PDF: accents, right-to-left scripts, and text that can be copied again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel import Locale
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

from headway import InvalidRequest
from workers.cv.export.fonts import Typeface, typefaces
from workers.cv.export.wording import GRADE, HEADINGS, is_right_to_left, shown_period
from workers.cv.records import Board, Education, FullProfile, Language, Work

__all__ = ["ExportedProfile", "render_profile"]

_MARGIN_MM = 18.0
_DATES_MM = 48.0
_INK = (28, 32, 38)
_GREY = (104, 112, 122)
_ACCENT = (24, 86, 140)
_LONGEST_PARAGRAPH = 4000
_MOST_LOST = 0.02
_NOT_SHOWN = frozenset({"id", "source", "position", "data_sources"})


@dataclass(frozen=True, slots=True)
class ExportedProfile:
    """A profile as a file.

    Attributes:
        content: The PDF.
        pages: How many it has.
        missing: Characters that no font has, few enough to do without: they are left out.
    """

    content: bytes
    pages: int
    missing: str


def render_profile(
    whole: FullProfile, locale: Locale, *, contact: bool = True, fonts: Sequence[Path] = ()
) -> ExportedProfile:
    """A profile as a PDF.

    Args:
        whole: The profile.
        locale: The language of headings and dates.
        contact: Whether e-mail address and phone number are in it.
        fonts: Files for scripts that the packaged fonts lack.

    Raises:
        ConfigError: a font file is none.
        InvalidRequest: no font has the script of the profile (``font_missing``).
    """
    with tempfile.TemporaryDirectory(prefix="profile-fonts-") as directory:
        said = list(_texts(whole.model_dump(mode="json")))
        text = [*said, *HEADINGS[str(locale)], GRADE[str(locale)]]
        dated: list[Work | Board] = [*whole.work_experience, *whole.board_experience]
        text += [_period(entry, locale) for entry in dated]
        chosen = typefaces(text, Path(directory), fonts)
        lacking = set("".join(text)) - frozenset().union(*(face.characters for face in chosen))
        missing = "".join(sorted(c for c in lacking if c.isprintable() and not c.isspace()))
        _require_legible(said, missing)
        sheet = _Sheet(chosen, locale, whole.profile.name)
        _set_profile(sheet, whole, contact)
        return ExportedProfile(bytes(sheet.output()), sheet.page_no(), missing)


def _require_legible(said: Sequence[str], missing: str) -> None:
    letters = [character for text in said for character in text if character.isalpha()]
    lost = sum(character in missing for character in letters)
    # An emoji or a rare sign can be left out; a page without its words says nothing.
    if lost > _MOST_LOST * len(letters):
        raise InvalidRequest(
            f"The profile is written in letters that no font of the worker has, such as {missing[:10]}",
            hint="Whoever runs the worker names fonts that have them in HEADWAY_CV_FONT_FILES.",
            code="font_missing",
        )


class _Sheet(FPDF):
    def __init__(self, faces: Sequence[Typeface], locale: Locale, title: str) -> None:
        super().__init__(format="A4")
        self.locale = locale
        self.right_to_left = locale.text_direction == "rtl"
        for face in faces:
            self.add_font(face.name, "", face.regular)
            self.add_font(face.name, "B", face.bold)
        self.set_fallback_fonts([face.name for face in faces[1:]], exact_match=False)
        self.set_text_shaping(True)
        self.set_margin(_MARGIN_MM)
        self.set_auto_page_break(True, margin=_MARGIN_MM)
        self.set_title(title)
        self.set_lang(str(locale))
        self.set_creator("Headway")
        self.add_page()

    def footer(self) -> None:
        """Print the page's number; called by the library at the end of each page."""
        self.set_y(-12)
        self.use(8, colour=_GREY)
        self.cell(0, 6, str(self.page_no()), align=Align.C)

    def use(self, size: float, *, bold: bool = False, colour: tuple[int, int, int] = _INK) -> None:
        self.set_font("sans", "B" if bold else "", size)
        self.set_text_color(*colour)

    def paragraph(
        self,
        text: str,
        size: float,
        *,
        bold: bool = False,
        colour: tuple[int, int, int] = _INK,
        link: str = "",
    ) -> None:
        self.use(size, bold=bold, colour=colour)
        at_right = is_right_to_left(text) or (self.right_to_left and not any(c.isalpha() for c in text))
        self.multi_cell(
            0, size * 0.48, text[:_LONGEST_PARAGRAPH], align=Align.R if at_right else Align.L, link=link,
            new_x=XPos.LMARGIN, new_y=YPos.NEXT,
        )  # fmt: skip

    def heading(self, text: str) -> None:
        # A heading at the foot of a page belongs to nothing.
        if self.will_page_break(24):
            self.add_page()
        self.ln(4)
        self.paragraph(text, 12.5, bold=True, colour=_ACCENT)
        self.set_draw_color(*_ACCENT)
        self.line(self.l_margin, self.get_y() + 0.6, self.w - self.r_margin, self.get_y() + 0.6)
        self.ln(2.4)

    def entry(self, title: str, dates: str) -> None:
        if self.will_page_break(14):
            self.add_page()
        top = self.get_y()
        at_right = is_right_to_left(title)
        self.use(9.5, colour=_GREY)
        self.set_xy(self.l_margin if at_right else self.w - self.r_margin - _DATES_MM, top)
        self.cell(_DATES_MM, 5, dates, align=Align.L if at_right else Align.R)
        self.use(10.5, bold=True)
        self.set_xy(self.l_margin + (_DATES_MM if at_right else 0), top)
        self.multi_cell(
            self.epw - _DATES_MM, 5.1, title, align=Align.R if at_right else Align.L,
            new_x=XPos.LMARGIN, new_y=YPos.NEXT,
        )  # fmt: skip


def _set_profile(sheet: _Sheet, whole: FullProfile, contact: bool) -> None:
    person, headings = whole.profile, HEADINGS[str(sheet.locale)]
    sheet.paragraph(person.name or "–", 22, bold=True)
    if person.professional_headline:
        sheet.paragraph(person.professional_headline, 12, colour=_GREY)
    private = (person.email, person.phone) if contact else ()
    line = "  ·  ".join(part for part in (*private, person.location) if part)
    if line:
        sheet.ln(1)
        sheet.paragraph(line, 9.5, colour=_GREY)
    for address in (person.linkedin_url, person.website):
        if address:
            sheet.paragraph(address.split("://", 1)[-1], 9.5, colour=_ACCENT, link=address)
    if person.bio:
        sheet.ln(3)
        sheet.paragraph(person.bio, 10)
    lists: tuple[Sequence[Work | Board], ...] = (whole.work_experience, whole.board_experience)
    for heading, entries in zip(headings[:2], lists, strict=True):
        if entries:
            sheet.heading(heading)
            for entry in entries:
                _set_entry(sheet, entry)
    if whole.education:
        sheet.heading(headings[2])
        for study in whole.education:
            _set_study(sheet, study)
    languages = map(_spoken, person.languages)
    for heading, items in zip(headings[3:6], (person.skills, languages, person.sectors), strict=True):
        if text := ", ".join(items):
            sheet.heading(heading)
            sheet.paragraph(text, 10)


def _spoken(language: Language) -> str:
    if not language.level:
        return language.language
    # Brackets within brackets are hard to read.
    with_dash = "(" in language.level
    return (
        f"{language.language} – {language.level}" if with_dash else f"{language.language} ({language.level})"
    )


def _set_entry(sheet: _Sheet, entry: Work | Board) -> None:
    if isinstance(entry, Work):
        names, about = (entry.title, entry.company), entry.description
        points: Sequence[str] = entry.key_achievements
        aside = (entry.location, entry.company_size)
    else:
        names, about, points = (entry.role, entry.organization), entry.key_contributions, ()
        aside = (entry.sector, entry.organization_size)
    sheet.entry(" · ".join(name for name in names if name), _period(entry, sheet.locale))
    if line := " · ".join(part for part in aside if part):
        sheet.paragraph(line, 9, colour=_GREY)
    if about:
        sheet.paragraph(about, 9.5)
    for point in points:
        sheet.paragraph(f"• {point}", 9.5)
    sheet.ln(1.6)


def _set_study(sheet: _Sheet, study: Education) -> None:
    names = (*study.named, study.institution)
    sheet.entry(" · ".join(name for name in names if name), str(study.graduation_year or ""))
    more = [*([f"{GRADE[str(sheet.locale)]}: {study.gpa}"] if study.gpa else []), *study.honors]
    if more:
        sheet.paragraph(", ".join(more), 9.5)
    sheet.ln(1.6)


def _period(entry: Work | Board, locale: Locale) -> str:
    return shown_period(entry.start_date, entry.end_date, entry.is_current, locale)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a document that may be shown."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from () if name in _NOT_SHOWN else _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
