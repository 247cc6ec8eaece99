"""Reads a PDF: its text in reading order, or pictures of its pages when it has none."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from workers.reading.characters import pieces_of
from workers.reading.content_type import Unreadable
from workers.reading.dots import with_bullets
from workers.reading.layout import reading_order
from workers.reading.limits import Limits
from workers.reading.pictures import save_picture

__all__ = ["read_pdf"]

_FEWEST_CHARACTERS = 40
_MOST_LINKS = 200
_BEFORE_ADDRESS = re.compile(r"^(?:mailto:|https?://)(?:www\.)?")


def read_pdf(path: Path, limits: Limits, pictures: Path) -> tuple[str, int, int]:
    """The text of a PDF, how many pages it has, and how many were saved as pictures.

    Args:
        path: The file.
        limits: What it may be.
        pictures: Where pictures of pages without text go: ``1.jpg``, ``2.jpg`` …

    Raises:
        Unreadable: encrypted, damaged or too long.
    """
    try:
        document = pypdfium2.PdfDocument(path)
        count = len(document)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower() or "security" in str(error).lower()
        raise Unreadable("file_encrypted" if locked else "file_damaged") from None
    if count == 0:
        raise Unreadable("file_damaged")
    if count > limits.most_pages:
        raise Unreadable("file_too_long", f"{count} pages, and {limits.most_pages} are read at most")
    texts: list[str] = []
    links: dict[str, None] = {}
    scanned: list[int] = []
    characters = 0
    for number in range(count):
        try:
            page = document[number]
            text = _text_of(page)
            found = [link for link in _links(document, page) if link not in links]
            found = found[: _MOST_LINKS - len(links)]
            links |= dict.fromkeys(found)
        except pypdfium2.PdfiumError:
            # One broken page does not make the others unreadable.
            texts.append("")
            continue
        characters += len(text) + sum(map(len, found))
        if characters > limits.most_characters:
            raise Unreadable("file_too_long", f"more than {limits.most_characters:,} characters of text")
        if _is_scanned(text, page):
            scanned.append(number)
            text = text if _is_legible(text) else ""
        texts.append(text)
        page.close()
    if len(scanned) > limits.most_scanned_pages:
        raise Unreadable(
            "file_too_long", f"{len(scanned)} scanned pages, and {limits.most_scanned_pages} are read at most"
        )
    for place, number in enumerate(scanned, start=1):
        save_picture(_rendered(document[number], limits), pictures / f"{place}.jpg", limits)
    # A job may begin on one page and go on on the next: what a page ends with is no end of a paragraph.
    whole = "\n".join(_plain(text) for text in texts if text)
    hidden = _unsaid(links, whole)
    whole = "\n".join([whole, "", "Links", *hidden]).strip() if hidden else whole
    return whole, count, len(scanned)


def _text_of(page: pypdfium2.PdfPage) -> str:
    textpage = page.get_textpage()
    pieces = list(pieces_of(textpage))
    textpage.close()
    return reading_order(with_bullets(pieces, page))


def _unsaid(links: Iterable[str], text: str) -> list[str]:
    """The addresses that the text does not say: most links only repeat what they stand on."""
    said = "".join(text.casefold().split())
    return [link for link in links if _BEFORE_ADDRESS.sub("", link.casefold()).rstrip("/") not in said]


def _links(document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> list[str]:
    # The address behind "LinkedIn" stands in the link alone.
    found: list[str] = []
    position, link = ctypes.c_int(0), pdfium.FPDF_LINK()
    while len(found) < _MOST_LINKS and pdfium.FPDFLink_Enumerate(page, position, link):
        action = pdfium.FPDFLink_GetAction(link)
        size = pdfium.FPDFAction_GetURIPath(document, action, None, 0) if action else 0
        if 0 < size <= 2000:
            buffer = ctypes.create_string_buffer(size)
            pdfium.FPDFAction_GetURIPath(document, action, buffer, size)
            address = buffer.value.decode("utf-8", "ignore")
            if address.startswith("mailto:"):
                address = address.partition("?")[0]
            if address.startswith(("https://", "http://", "mailto:")) and address not in found:
                found.append(address)
    return found


def _is_legible(text: str) -> bool:
    # Fonts without a map to characters yield private ones and controls; no text of people has them.
    return sum(map(_is_strange, text)) <= 0.03 * len(text)


def _is_strange(character: str) -> bool:
    return unicodedata.category(character) in ("Co", "Cn", "Cc") and character not in "\n\t"


def _plain(text: str) -> str:
    return "".join(character for character in text if not _is_strange(character))


def _is_scanned(text: str, page: pypdfium2.PdfPage) -> bool:
    if not _is_legible(text):
        return True
    if len(text.strip()) >= _FEWEST_CHARACTERS:
        return False
    kinds = (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_FORM)
    return next(iter(page.get_objects(filter=kinds, max_depth=2)), None) is not None


def _rendered(page: pypdfium2.PdfPage, limits: Limits) -> Image.Image:
    longer = max(*page.get_size(), 1.0)
    picture: Image.Image = page.render(scale=limits.picture_side / longer).to_pil()
    return picture
