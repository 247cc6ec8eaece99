"""What a page says beside its letters: hyphens at the ends of lines, addresses behind links."""

from __future__ import annotations

from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from workers.reading.characters import _piece, _Run
from workers.reading.limits import Limits
from workers.reading.pdf import read_pdf

DOWN = {"new_x": XPos.LMARGIN, "new_y": YPos.NEXT}


def page(pdf: FPDF, *lines: str | tuple[str, str]) -> None:
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    for line in lines:
        text, link = (line, "") if isinstance(line, str) else line
        pdf.cell(pdf.get_string_width(text) + 2, 6, text, link=link, **DOWN)  # type: ignore[arg-type]


def text_of(pdf: FPDF, tmp_path: Path) -> str:
    path = tmp_path / "cv.pdf"
    path.write_bytes(bytes(pdf.output()))
    return read_pdf(path, Limits(), tmp_path)[0]


def test_a_hyphen_at_the_end_of_a_line_is_kept(tmp_path: Path) -> None:
    pdf = FPDF()
    page(
        pdf,
        "A profile that has a long address: www.linkedin.com/in/daan-",
        "vd-berg, and a state-of-the-",
        "art machine of the first order in a town by the sea",
    )
    assert text_of(pdf, tmp_path).splitlines() == [
        "A profile that has a long address: www.linkedin.com/in/daan-",
        "vd-berg, and a state-of-the-",
        "art machine of the first order in a town by the sea",
    ]


def test_addresses_behind_links_stand_at_the_end_and_once(tmp_path: Path) -> None:
    pdf = FPDF()
    page(
        pdf,
        "Ada Lovelace, engineer of the first hour and of many later ones",
        ("ada@example.com", "mailto:ada@example.com?subject=Hello"),
        ("linkedin.com/in/ada", "https://www.linkedin.com/in/ada/"),
        ("My profile", "https://github.com/ada"),
        ("Run it", "javascript:alert(1)"),
        "Engineer, Babbage and Company, from the year 1840 to",
    )
    page(pdf, "the year 1845, with machines of brass", ("Write", "mailto:countess@example.org"))
    assert text_of(pdf, tmp_path).splitlines()[-7:] == [
        "Engineer, Babbage and Company, from the year 1840 to",
        "the year 1845, with machines of brass",
        "Write",
        "",
        "Links",
        "https://github.com/ada",
        "mailto:countess@example.org",
    ]


def test_a_picture_with_links_is_still_a_picture(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.rect(10, 10, 100, 100, style="F")
    pdf.link(10, 10, 100, 100, "https://example.com/a-rather-long-address-of-a-person")
    path = tmp_path / "cv.pdf"
    path.write_bytes(bytes(pdf.output()))
    text, pages, pictures = read_pdf(path, Limits(), tmp_path)
    assert (pages, pictures) == (1, 1)
    assert text == "Links\nhttps://example.com/a-rather-long-address-of-a-person"


def test_dots_before_lines_are_bullets(tmp_path: Path) -> None:
    pdf = FPDF(unit="pt")
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    for y, text in ((100, "Engineer, Babbage and Company"), (120, "Built a machine"), (140, "Wrote notes")):
        pdf.text(80, y, text)
    for y in (117, 137):
        pdf.circle(67, y, 1.6, style="F")
    # Neither a rule, nor a picture as large as a letter, nor a dot far from any text, nor one behind it.
    pdf.rect(80, 150, 300, 0.7, style="F")
    pdf.circle(60, 97, 5, style="F")
    pdf.circle(20, 97, 1.6, style="F")
    pdf.circle(400, 97, 1.6, style="F")
    assert text_of(pdf, tmp_path).splitlines() == [
        "Engineer, Babbage and Company",
        "• Built a machine",
        "• Wrote notes",
    ]


def test_words_that_are_set_wide_are_words(tmp_path: Path) -> None:
    pdf = FPDF(unit="pt")
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    pdf.text(60, 100, "Ada Lovelace, engineer of the first hour and of many later ones")
    for y, spacing in ((130, 2), (160, 4)):
        pdf.set_char_spacing(spacing)
        pdf.text(60, y, "WORK EXPERIENCE, ALL")
    lines = text_of(pdf, tmp_path).splitlines()
    assert lines[0] == "Ada Lovelace, engineer of the first hour and of many later ones"
    assert [" ".join(line.split()) for line in lines[1:]] == ["WORK EXPERIENCE, ALL"] * 2


def test_bullets_of_symbol_fonts_are_bullets() -> None:
    for written, read in (("\uf0b7", "•"), ("\uf0a7", "•"), ("\uf0d8", "•"), ("\uf0fc", "✓")):
        run = _Run(0, 0, 60, 10, [written, " ", *"Built it"])
        assert [piece.text for piece in _piece(run)] == [f"{read} Built it"]
    unmapped = _Run(0, 0, 60, 10, ["\uf06e", "\uf076", "\uf0b7"])
    assert [piece.text for piece in _piece(unmapped)] == ["\uf06e\uf076\uf0b7"]
