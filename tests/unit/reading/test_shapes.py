"""Every test CV is read in a process of its own: all that is in it, in the order in which a person reads."""

from __future__ import annotations

import re
from pathlib import Path

import pypdfium2
import pytest
from PIL import ExifTags, Image

from support.cvs.paper import as_pdf
from support.cvs.people import PEOPLE
from support.cvs.person import Job, Seat
from support.cvs.shapes import CVS, Cv
from workers.reading.isolated import read_file
from workers.reading.limits import Limits

READABLE = [cv for cv in CVS.values() if not cv.seen]
SEEN = [cv for cv in CVS.values() if cv.seen]


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text))


async def read(cv: Cv, tmp_path: Path) -> tuple[str, int, int]:
    file = tmp_path / cv.file_name
    file.write_bytes(cv.content)
    found = await read_file(file, Limits(), tmp_path / "found")
    assert all(picture.read_bytes()[:3] == b"\xff\xd8\xff" for picture in found.pictures)
    return found.text, found.pages, len(found.pictures)


@pytest.mark.parametrize("cv", READABLE, ids=lambda cv: cv.name)
async def test_everything_is_read(cv: Cv, tmp_path: Path) -> None:
    text, _, pictures = await read(cv, tmp_path)
    person, said = cv.person, words(text)
    expected = [person.name, person.headline, *person.skills, *(name for name, _ in person.languages)]
    expected += [part for job in person.jobs for part in (job.title, job.company, *job.bullets)]
    expected += [part for seat in person.seats for part in (seat.role, seat.organization)]
    expected += [part for degree in person.degrees for part in (degree.degree, degree.institution)]
    assert [part for part in expected if words(part) not in said] == []
    assert pictures == 0


@pytest.mark.parametrize("cv", READABLE, ids=lambda cv: cv.name)
async def test_dates_stay_with_their_entry(cv: Cv, tmp_path: Path) -> None:
    text, _, _ = await read(cv, tmp_path)
    lines = [words(line) for line in text.splitlines() if line.strip()]
    entries: list[Job | Seat] = [*cv.person.jobs, *cv.person.seats]
    for entry in entries:
        name = words(entry.title if isinstance(entry, Job) else entry.role)
        company = words(entry.company if isinstance(entry, Job) else entry.organization)
        place = next(n for n, line in enumerate(lines) if name in line and company in line)
        near = " ".join(lines[place : place + 2])
        for year in re.findall(r"\d{4}", entry.dates):
            assert year in near, (entry, near)


@pytest.mark.parametrize("cv", SEEN, ids=lambda cv: cv.name)
async def test_what_has_no_text_becomes_pictures(cv: Cv, tmp_path: Path) -> None:
    text, pages, pictures = await read(cv, tmp_path)
    assert (text, pages, pictures) == ("", 1, 1)


async def test_pages_are_counted(tmp_path: Path) -> None:
    _, pages, _ = await read(CVS["long"], tmp_path)
    assert 12 <= pages <= 15


async def test_a_column_beside_another_is_read_after_it(tmp_path: Path) -> None:
    text, _, _ = await read(CVS["columns"], tmp_path)
    order = [
        "Ingrid Solheim",
        "Kubernetes",
        "Hiring",
        "Norwegian",
        "Professional Experience",
        "Fjordpay",
        "NTNU",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


async def test_only_the_pages_without_text_become_pictures(tmp_path: Path) -> None:
    mixed = pypdfium2.PdfDocument.new()
    for name in ("plain", "scan", "german_pdf"):
        content = as_pdf(PEOPLE["german"]) if name == "german_pdf" else CVS[name].content
        mixed.import_pages(pypdfium2.PdfDocument(content))
    mixed.save(tmp_path / "mixed.pdf")
    mixed.close()
    found = await read_file(tmp_path / "mixed.pdf", Limits(), tmp_path / "found")
    assert (found.pages, len(found.pictures)) == (3, 1)
    assert "Whitfield" in found.text
    assert "Großmann" in found.text


async def test_pictures_are_upright_small_and_without_metadata(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4000, 1000), (255, 0, 0, 0))
    details = image.getexif()
    details[ExifTags.Base.Orientation] = 6
    details[ExifTags.Base.ImageDescription] = "Ada's desk"
    image.save(tmp_path / "cv.png", exif=details)
    found = await read_file(tmp_path / "cv.png", Limits(), tmp_path / "found")
    with Image.open(found.pictures[0]) as picture:
        assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (400, 1600), {})
        assert "comment" not in picture.info
        # What was transparent is white, not black.
        assert picture.getpixel((5, 5)) == (255, 255, 255)
