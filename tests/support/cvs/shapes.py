"""Every test CV: who, on what paper, in which file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

from support.cvs.paper import as_docx, as_pdf, as_picture, as_scan, as_text, as_two_column_pdf
from support.cvs.people import PEOPLE
from support.cvs.person import Person

__all__ = ["CVS", "Cv"]


@dataclass(frozen=True)
class Cv:
    """A file with a CV.

    Attributes:
        name: Of the shape.
        file_name: As a person would have called it.
        person: Whose it is, and what should be found.
        seen: Whether it can only be read by looking at it.
    """

    name: str
    file_name: str
    person: Person
    make: Callable[[Person], bytes]
    seen: bool = False

    @cached_property
    def content(self) -> bytes:
        return self.make(self.person)

    @property
    def text(self) -> str:
        """What a perfect reader would read in it."""
        return as_text(self.person).decode()


_SHAPES: list[tuple[str, str, Callable[[Person], bytes]]] = [
    ("plain", "Jonathan Whitfield CV.pdf", as_pdf),
    ("columns", "cv_solheim.pdf", as_two_column_pdf),
    ("long", "osei-bonsu-full.pdf", as_pdf),
    ("german", "Lebenslauf Großmann.docx", partial(as_docx, table=True)),
    ("french", "cv-lefevre.txt", partial(as_text, encoding="cp1252")),
    ("spanish", "curriculum.txt", partial(as_text, encoding="utf-16")),
    ("partial", "brennan.txt", as_text),
    ("undated", "tomas.pdf", as_pdf),
    ("two_current", "Priya_CV.docx", as_docx),
    ("boards", "Vance-Thornbury.pdf", as_pdf),
    ("accents", "żółkiewski.pdf", as_pdf),
    ("arabic", "سيرة.pdf", partial(as_pdf, align="R")),
    ("hebrew", "cv.txt", as_text),
    ("injecting", "pryce.txt", as_text),
]

CVS: dict[str, Cv] = {
    **{name: Cv(name, file_name, PEOPLE[name], make) for name, file_name, make in _SHAPES},
    "scan": Cv("scan", "scan0001.pdf", PEOPLE["scanned"], as_scan, seen=True),
    "unmapped": Cv(
        "unmapped", "سيرة-2.pdf", PEOPLE["arabic"], partial(as_pdf, align="R", mapped=False), seen=True
    ),
    "picture": Cv("picture", "IMG_2041.jpg", PEOPLE["scanned"], as_picture, seen=True),
    "picture_png": Cv(
        "picture_png", "screenshot.png", PEOPLE["scanned"], partial(as_picture, kind="PNG"), seen=True
    ),
}
