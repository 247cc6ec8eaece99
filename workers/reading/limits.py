"""How much a file may cost its reader."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may be, and what reading it may take.

    Attributes:
        most_bytes: Of the file.
        most_pages: Of a PDF.
        most_scanned_pages: Pages that are sent as pictures: each costs as much as a thousand words.
        most_characters: Of text.
        most_pixels: Of an image, before it is made smaller.
        picture_side: The longer side of the pictures that are handed on, in pixels.
        most_unpacked_bytes: Of a DOCX, all its parts together.
        most_parts: Of a DOCX.
        memory_bytes: Address space of the reading process.
        seconds: Of processor time, and of real time threefold.
    """

    most_bytes: int = 10 * _MIB
    most_pages: int = 40
    most_scanned_pages: int = 15
    most_characters: int = 200_000
    most_pixels: int = 60_000_000
    picture_side: int = 1600
    most_unpacked_bytes: int = 64 * _MIB
    most_parts: int = 2000
    memory_bytes: int = 1024 * _MIB
    seconds: int = 20
