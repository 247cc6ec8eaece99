"""The CV that ``headway demo`` shows: two pages of a person who does not exist.

``python -m support.cvs.sample`` (with ``tests`` and the repository on PYTHONPATH) writes it anew.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from support.cvs.person import Degree, Job, Person, Seat
from workers.cv.export.fonts import typefaces

__all__ = ["SAMPLE", "SAMPLE_FILE"]

SAMPLE_FILE = Path(__file__).parents[3] / "workers" / "cv" / "samples" / "helena-sorensen-okafor.pdf"

_DOWN = {"new_x": XPos.LMARGIN, "new_y": YPos.NEXT}
_BLUE = (30, 74, 120)
_GREY = (95, 100, 108)
_BLACK = (20, 20, 20)

SAMPLE = Person(
    "Helena",
    "Sørensen-Okafor",
    "Chief Operating Officer",
    email="helena.sorensen-okafor@example.com",
    phone="+45 33 12 34 56",
    location="Copenhagen, Denmark",
    linkedin="https://www.linkedin.com/in/helena-sorensen-okafor-example",
    summary=(
        "Operations executive with twenty years in logistics and renewable energy. Builds plants, teams and "
        "supply chains that keep running when nobody is looking, and sits on boards that want to grow up."
    ),
    jobs=(
        Job(
            "Chief Operating Officer",
            "Nordvind Energi A/S",
            "March 2021 – Present",
            "2021-03",
            None,
            True,
            (
                "Brought 1.2 GW of offshore wind into operation, four months ahead of plan",
                "Cut unplanned downtime from 6.1% to 2.4% in two years",
                "Leads 640 people at eleven sites in four countries",
            ),
            "Copenhagen",
        ),
        Job(
            "External Lecturer, Supply Chain Management",
            "Copenhagen Business School",
            "September 2019 – Present",
            "2019-09",
            None,
            True,
            ("Teaches one course a year to executive MBA students",),
            "Copenhagen",
        ),
        Job(
            "Vice President Operations",
            "Hansahafen Logistik GmbH",
            "06/2016 – 02/2021",
            "2016-06",
            "2021-02",
            False,
            (
                "Ran six container terminals with 48 million euros of yearly costs",
                "Introduced shore power at all berths; emissions in port fell by a third",
            ),
            "Hamburg, Germany",
        ),
        Job(
            "Plant Director",
            "Aarhus Kabelværk",
            "2012 – 2016",
            "2012",
            "2016",
            False,
            (
                "Doubled output of subsea cable without a second line",
                "No lost-time accident in three years running",
            ),
            "Aarhus",
        ),
        Job(
            "Supply Chain Manager",
            "Lagos Grid Partners",
            "January 2008 – November 2011",
            "2008-01",
            "2011-11",
            False,
            ("Set up the spare-parts network for 31 substations",),
            "Lagos, Nigeria",
        ),
        Job(
            "Management Trainee",
            "Mærkedal Shipping",
            "Autumn 2005 – 2007",
            "2005",
            "2007",
            False,
            ("Rotations in Esbjerg, Singapore and Rotterdam",),
            "Esbjerg",
        ),
    ),
    seats=(
        Seat(
            "Non-Executive Director", "Baltic Ferry Holding plc", "May 2022 – Present", "2022-05", None, True
        ),
        Seat("Chair of the Board", "Young Engineers Denmark", "2018 – 2023", "2018", "2023"),
        Seat("Advisory Board Member", "TideCell ApS", "since 2024", "2024", None, True),
    ),
    degrees=(
        Degree("Executive MBA", "INSEAD", 2015),
        Degree("MSc Industrial Engineering", "Technical University of Denmark", 2005),
        Degree("BSc Mechanical Engineering", "University of Lagos", 2002),
    ),
    skills=(
        "Operations strategy",
        "Offshore wind",
        "Port operations",
        "Lean production",
        "Health and safety",
        "Change management",
        "Budgeting",
        "Negotiation",
    ),
    languages=(("Danish", "native"), ("English", "native"), ("German", "C1"), ("Yoruba", "conversational")),
)


def write_sample(into: Path = SAMPLE_FILE) -> None:
    """Print the CV.

    Args:
        into: The file.
    """
    with tempfile.TemporaryDirectory() as fonts:
        (face, *_) = typefaces([repr(SAMPLE)], Path(fonts))
        pdf = FPDF(format="A4")
        pdf.set_margin(20)
        pdf.add_font("sans", "", face.regular)
        pdf.add_font("sans", "B", face.bold)
        pdf.set_text_shaping(True)
        pdf.set_title(f"Curriculum vitae: {SAMPLE.name}")
        pdf.set_creation_date(datetime(2026, 11, 1, tzinfo=UTC))
        pdf.add_page()
        _print(pdf)
        pdf.output(str(into))


def _print(pdf: FPDF) -> None:
    _line(pdf, SAMPLE.name, 23, "B", _BLUE)
    _line(pdf, SAMPLE.headline, 13, "", _GREY)
    pdf.ln(1.5)
    _line(pdf, "  ·  ".join((SAMPLE.email or "", SAMPLE.phone or "", SAMPLE.location or "")), 9.5, "", _BLACK)
    _line(pdf, SAMPLE.linkedin or "", 9.5, "", _BLACK)
    _section(pdf, "Profile")
    pdf.set_font("sans", "", 10.5)
    pdf.multi_cell(0, 5.4, SAMPLE.summary or "", align="L", **_DOWN)
    _section(pdf, "Professional Experience")
    for job in SAMPLE.jobs:
        _entry(pdf, job.title, job.dates, f"{job.company}, {job.location}")
        for bullet in job.bullets:
            _bullet(pdf, bullet)
        pdf.ln(3.4)
    _section(pdf, "Board Positions")
    for seat in SAMPLE.seats:
        _entry(pdf, seat.role, seat.dates, seat.organization)
        pdf.ln(2.4)
    _section(pdf, "Education")
    for degree in SAMPLE.degrees:
        _entry(pdf, degree.degree, str(degree.year), degree.institution)
        pdf.ln(2.4)
    _section(pdf, "Skills")
    pdf.set_font("sans", "", 10.5)
    pdf.multi_cell(0, 5.4, ", ".join(SAMPLE.skills), align="L", **_DOWN)
    _section(pdf, "Languages")
    pdf.set_font("sans", "", 10.5)
    pdf.cell(0, 5.4, ", ".join(f"{name} ({level})" for name, level in SAMPLE.languages), **_DOWN)


def _line(pdf: FPDF, text: str, size: float, style: str, colour: tuple[int, int, int]) -> None:
    pdf.set_font("sans", style, size)
    pdf.set_text_color(*colour)
    pdf.cell(0, size * 0.5, text, **_DOWN)


def _section(pdf: FPDF, title: str) -> None:
    pdf.ln(5)
    _line(pdf, title, 13, "B", _BLUE)
    pdf.set_draw_color(*_BLUE)
    pdf.line(pdf.l_margin, pdf.get_y() + 1, pdf.w - pdf.r_margin, pdf.get_y() + 1)
    pdf.ln(3.5)
    pdf.set_text_color(*_BLACK)


def _entry(pdf: FPDF, title: str, dates: str, where: str) -> None:
    if pdf.will_page_break(22):
        pdf.add_page()
    top = pdf.get_y()
    pdf.set_font("sans", "", 10)
    pdf.set_text_color(*_GREY)
    pdf.set_xy(-75, top)
    pdf.cell(0, 5.4, dates, align="R")
    pdf.set_xy(pdf.l_margin, top)
    _line(pdf, title, 11, "B", _BLACK)
    _line(pdf, where, 10.5, "", _GREY)
    pdf.set_text_color(*_BLACK)
    pdf.ln(0.8)


def _bullet(pdf: FPDF, text: str) -> None:
    pdf.set_font("sans", "", 10.5)
    pdf.set_x(pdf.l_margin + 3)
    pdf.multi_cell(0, 5.4, f"•  {text}", align="L", **_DOWN)


if __name__ == "__main__":
    write_sample()
