"""Prints a CV on paper of a chosen shape: text, DOCX, PDF in one or two columns, a scan, a picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import docx
import fontpkg_amiri
import fontpkg_noto_sans
import fontpkg_noto_sans_arabic
import pypdfium2
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from support.cvs.person import Degree, Job, Person, Seat

__all__ = ["as_docx", "as_pdf", "as_picture", "as_scan", "as_text", "as_two_column_pdf"]

_SANS = Path(fontpkg_noto_sans.ROOT) / "files" / "NotoSans[wdth,wght].ttf"
_ARABIC = Path(fontpkg_amiri.ROOT) / "files" / "Amiri-Regular.ttf"
# Its letters are drawn without and its dots as glyphs of their own: nobody can copy text out of such a file.
_UNMAPPED_ARABIC = Path(fontpkg_noto_sans_arabic.ROOT) / "files" / "NotoSansArabic[wdth,wght].ttf"
_DOWN = {"new_x": XPos.LMARGIN, "new_y": YPos.NEXT}


def as_text(person: Person, encoding: str = "utf-8") -> bytes:
    """Plain text, sections one under the other."""
    return ("\n".join(_lines(person)) + "\n").encode(encoding)


def as_docx(person: Person, *, table: bool = False) -> bytes:
    """A Word document; jobs in a table of dates and descriptions, or as paragraphs."""
    document = docx.Document()
    document.add_heading(person.name, 0)
    document.add_paragraph(person.headline)
    document.add_paragraph(" | ".join(person.contact))
    for section, entries in _sections(person):
        document.add_heading(section, 1)
        if table and any(isinstance(entry, Job | Seat) for entry in entries):
            rows = document.add_table(rows=0, cols=2)
            for entry in entries:
                cells = rows.add_row().cells
                cells[0].text = entry.dates
                cells[1].text = "\n".join(_entry_lines(entry, dates=False))
            continue
        for entry in entries:
            for line in [entry] if isinstance(entry, str) else _entry_lines(entry):
                document.add_paragraph(
                    line.removeprefix("- "), style="List Bullet" if line.startswith("- ") else None
                )
    return _saved(document)


def as_pdf(person: Person, *, align: str = "L", mapped: bool = True) -> bytes:
    """A PDF in one column, dates at the right margin, on as many pages as it takes."""
    return bytes(_one_column(person, align, mapped).output())


def as_two_column_pdf(person: Person) -> bytes:
    """A PDF with a narrow column of contact, skills and languages, and a wide one of the career."""
    pdf = _new_pdf(person)
    pdf.set_font("sans", "", 20)
    pdf.cell(0, 12, person.name, **_DOWN)
    pdf.set_font("sans", "", 12)
    pdf.cell(0, 8, person.headline, **_DOWN)
    top = pdf.get_y() + 4
    _column(pdf, 15, 50, top, [
        ("Contact", person.contact), (person.heading("skills"), list(person.skills)),
        (person.heading("languages"), [f"{name} ({level})" for name, level in person.languages]),
    ])  # fmt: skip
    wide = []
    for section, entries in _sections(person):
        if section in (person.heading("skills"), person.heading("languages")):
            continue
        wide.append(
            (section, [line for e in entries for line in ([e] if isinstance(e, str) else _entry_lines(e))])
        )
    _column(pdf, 75, 120, top, wide)
    return bytes(pdf.output())


def as_scan(person: Person) -> bytes:
    """A PDF that holds nothing but pictures of its pages."""
    pdf = FPDF()
    for picture in _pages(person):
        pdf.add_page()
        pdf.image(io.BytesIO(picture), x=0, y=0, w=pdf.w, h=pdf.h)
    return bytes(pdf.output())


def as_picture(person: Person, kind: str = "JPEG") -> bytes:
    """A picture of the first page."""
    return _pages(person, kind)[0]


@cache
def _pages(person: Person, kind: str = "JPEG") -> list[bytes]:
    pictures = []
    for page in pypdfium2.PdfDocument(as_pdf(person)):
        out = io.BytesIO()
        page.render(scale=1.6).to_pil().convert("RGB").save(out, kind)
        pictures.append(out.getvalue())
    return pictures


def _one_column(person: Person, align: str, mapped: bool) -> FPDF:
    pdf = _new_pdf(person, mapped)
    pdf.set_font("sans", "", 20)
    pdf.cell(0, 12, person.name, align=align, **_DOWN)
    pdf.set_font("sans", "", 12)
    pdf.cell(0, 8, person.headline, align=align, **_DOWN)
    pdf.set_font("sans", "", 9)
    pdf.cell(0, 6, "  ·  ".join(person.contact), align=align, **_DOWN)
    for section, entries in _sections(person):
        pdf.ln(3)
        pdf.set_font("sans", "", 13)
        pdf.cell(0, 9, section, align=align, **_DOWN)
        for entry in entries:
            _print_entry(pdf, entry, align)
    return pdf


def _print_entry(pdf: FPDF, entry: object, align: str) -> None:
    if isinstance(entry, str):
        pdf.set_font("sans", "", 10)
        pdf.multi_cell(0, 5.5, entry, align=align, **_DOWN)
        return
    assert isinstance(entry, Job | Seat | Degree)
    first, *rest = _entry_lines(entry, dates=False)
    pdf.set_font("sans", "", 10)
    if align == "L":
        y = pdf.get_y()
        pdf.cell(120, 6, first)
        pdf.set_xy(130, y)
        pdf.set_font("sans", "", 10)
        pdf.cell(0, 6, _dates(entry), align="R", **_DOWN)
    else:
        pdf.cell(0, 6, f"{first}", align=align, **_DOWN)
        pdf.set_font("sans", "", 10)
        pdf.cell(0, 6, _dates(entry), align=align, **_DOWN)
    for line in rest:
        pdf.multi_cell(0, 5.5, line.replace("- ", "• "), align=align, **_DOWN)


def _column(pdf: FPDF, left: float, width: float, top: float, parts: list[tuple[str, list[str]]]) -> None:
    pdf.set_y(top)
    for heading, lines in parts:
        pdf.set_x(left)
        pdf.set_font("sans", "", 12)
        pdf.cell(width, 8, heading, new_x=XPos.LEFT, new_y=YPos.NEXT)
        pdf.set_font("sans", "", 9.5)
        for line in lines:
            pdf.set_x(left)
            pdf.multi_cell(width, 5, line.replace("- ", "• "), new_x=XPos.LEFT, new_y=YPos.NEXT, align="L")
        pdf.ln(3)


def _new_pdf(person: Person, mapped: bool = True) -> FPDF:
    pdf = FPDF()
    pdf.set_margin(15)
    # One weight: to make a bold instance of a variable font takes seconds.
    pdf.add_font("sans", fname=_SANS)
    pdf.add_font("arabic", fname=_ARABIC if mapped else _UNMAPPED_ARABIC)
    pdf.set_fallback_fonts(["arabic"])
    pdf.set_text_shaping(True)
    pdf.add_page()
    pdf.set_title(f"CV {person.name}")
    return pdf


def _lines(person: Person) -> Iterator[str]:
    yield person.name
    yield person.headline
    yield " | ".join(person.contact)
    for section, entries in _sections(person):
        yield ""
        yield section.upper() if section.isascii() else section
        for entry in entries:
            yield from [entry] if isinstance(entry, str) else _entry_lines(entry)


def _sections(person: Person) -> list[tuple[str, list[object]]]:
    among = [seat for seat in person.seats if seat.among_jobs]
    apart = [seat for seat in person.seats if not seat.among_jobs]
    languages = [", ".join(f"{name} ({level})" for name, level in person.languages)]
    parts: list[tuple[str, list[object]]] = [
        ("summary", [person.summary] if person.summary else []),
        ("work", [*among, *person.jobs]),
        ("boards", list(apart)),
        ("education", list(person.degrees)),
        ("skills", [", ".join(person.skills)] if person.skills else []),
        ("languages", languages if person.languages else []),
    ]
    made = [(person.heading(name), entries) for name, entries in parts if entries]
    if person.extra:
        made[0][1][:0] = list(person.extra)
    return made


def _entry_lines(entry: object, *, dates: bool = True) -> list[str]:
    assert isinstance(entry, Job | Seat | Degree)
    when = f" ({_dates(entry)})" if dates and _dates(entry) else ""
    if isinstance(entry, Job):
        return [f"{entry.title}, {entry.company}{when}", *(f"- {bullet}" for bullet in entry.bullets)]
    if isinstance(entry, Seat):
        return [f"{entry.role}, {entry.organization}{when}"]
    return [f"{entry.degree}, {entry.institution}{when}"]


def _dates(entry: Job | Seat | Degree) -> str:
    if isinstance(entry, Degree):
        return entry.dates or (str(entry.year) if entry.year else "")
    return entry.dates


def _saved(document: docx.document.Document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
