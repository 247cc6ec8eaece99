"""Reads the text of a DOCX, in the order of the document, without unpacking more than is allowed.

Source of the format: ECMA-376 part 1, WordprocessingML.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docx
from docx.opc.exceptions import OpcError, PackageNotFoundError
from lxml import etree

from workers.reading.content_type import Unreadable
from workers.reading.limits import Limits

__all__ = ["read_docx"]

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_R_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DOCUMENT_TYPE = b"wordprocessingml.document.main+xml"
_HIGHEST_RATIO = 200


def read_docx(path: Path, limits: Limits) -> str:
    """The text of a DOCX: headers, body with tables and text boxes, footers.

    Args:
        path: The file.
        limits: What it may be.

    Raises:
        Unreadable: no DOCX, damaged, encrypted or too much of anything.
    """
    _check_package(path, limits)
    try:
        document = docx.Document(str(path))
    except (OpcError, PackageNotFoundError, KeyError, ValueError, etree.LxmlError, zipfile.BadZipFile):
        raise Unreadable("file_damaged") from None
    lines: list[str] = []
    for section in document.sections[:1]:
        lines += _lines(section.header._element, section.header.part)
    lines += _lines(document.element.body, document.part)
    for section in document.sections[:1]:
        lines += _lines(section.footer._element, section.footer.part)
    text = "\n".join(lines)
    if len(text) > limits.most_characters:
        raise Unreadable("file_too_long", f"more than {limits.most_characters:,} characters of text")
    return text


def _check_package(path: Path, limits: Limits) -> None:
    try:
        with zipfile.ZipFile(path) as package:
            parts = package.infolist()
            if any(part.flag_bits & 1 for part in parts):
                raise Unreadable("file_encrypted")
            names = {part.filename for part in parts}
            if "[Content_Types].xml" not in names:
                raise Unreadable("file_type", _kind_of_zip(names))
            unpacked = sum(part.file_size for part in parts)
            packed = sum(part.compress_size for part in parts)
            if len(parts) > limits.most_parts or unpacked > limits.most_unpacked_bytes:
                raise Unreadable("file_too_complex")
            if unpacked > 8 * 1024 * 1024 and unpacked > _HIGHEST_RATIO * max(packed, 1):
                raise Unreadable("file_too_complex")
            _read_through(package, parts, limits)
            if _DOCUMENT_TYPE not in package.read("[Content_Types].xml"):
                raise Unreadable("file_type", "an Office document of another kind")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, NotImplementedError, RuntimeError):
        raise Unreadable("file_damaged") from None


def _read_through(package: zipfile.ZipFile, parts: list[zipfile.ZipInfo], limits: Limits) -> None:
    # The sizes in a ZIP's directory are a claim: count what really comes out.
    left = limits.most_unpacked_bytes
    for part in parts:
        with package.open(part) as stream:
            while chunk := stream.read(1024 * 1024):
                left -= len(chunk)
                if left < 0:
                    raise Unreadable("file_too_complex")


def _kind_of_zip(names: set[str]) -> str:
    if "mimetype" in names and "content.xml" in names:
        return "an OpenDocument file"
    if "META-INF/MANIFEST.MF" in names:
        return "a Java program"
    return "an archive"


def _lines(root: Any, part: Any) -> list[str]:
    lines = []
    for element in _blocks(root):
        if element.tag == f"{_W}tbl":
            lines += _table(element, part)
        else:
            text = _paragraph(element, part)
            if text or (lines and lines[-1]):
                lines.append(text)
    return lines


def _blocks(root: Any) -> Iterator[Any]:
    # Paragraphs and tables in order, through content controls; text boxes after the paragraph they hang on.
    for child in root:
        if child.tag in (f"{_W}p", f"{_W}tbl"):
            yield child
            if child.tag == f"{_W}p":
                for box in child.iter(f"{_W}txbxContent"):
                    if not any(above.tag == _FALLBACK for above in box.iterancestors()):
                        yield from _blocks(box)
        elif child.tag not in (_FALLBACK, f"{_W}sectPr"):
            yield from _blocks(child)


def _table(table: Any, part: Any) -> list[str]:
    lines: list[str] = []
    for row in table.iterchildren(f"{_W}tr"):
        # A paragraph may hold several lines.
        texts = ("\n".join(_lines(cell, part)) for cell in row.iterchildren(f"{_W}tc"))
        cells = [[line for line in text.splitlines() if line.strip()] for text in texts]
        filled = [cell for cell in cells if cell]
        # Short cells are a row of a table; long ones are the columns of a layout.
        if all(len(cell) == 1 for cell in filled):
            lines.append("    ".join(cell[0] for cell in filled))
        elif len(filled) == 2 and len(filled[0]) <= 2 and sum(map(len, filled[0])) < 40:
            lines += ["    ".join([*filled[0], filled[1][0]]), *filled[1][1:], ""]
        else:
            for cell in filled:
                lines += [*cell, ""]
    return lines


def _paragraph(paragraph: Any, part: Any) -> str:
    text = ""
    for node in _own(paragraph):
        if node.tag == f"{_W}t":
            text += "" if _is_hidden(node) else node.text or ""
        elif node.tag in (f"{_W}tab", f"{_W}ptab"):
            text += "" if node.getparent().tag == f"{_W}tabs" else "    "
        elif node.tag in (f"{_W}br", f"{_W}cr"):
            text += "\n"
        elif node.tag == f"{_W}noBreakHyphen":
            text += "-"
        elif node.tag == f"{_W}hyperlink":
            address = _address(node, part)
            shown = "".join(t.text or "" for t in node.iter(f"{_W}t"))
            if address and address not in shown and address.removeprefix("mailto:") not in shown:
                text += f"{address} "
    text = text.replace("\x00", "").strip()
    return f"• {text}" if text and _is_listed(paragraph) else text


def _is_listed(paragraph: Any) -> bool:
    # The bullet itself is drawn by Word, and is in no text.
    properties = paragraph.find(f"{_W}pPr")
    if properties is None:
        return False
    style = properties.find(f"{_W}pStyle")
    named = style is not None and str(style.get(f"{_W}val", "")).startswith(("ListBullet", "ListNumber"))
    return named or properties.find(f"{_W}numPr") is not None


def _own(paragraph: Any) -> Iterator[Any]:
    # Everything in a paragraph but what its text boxes hold: they follow on their own.
    for child in paragraph:
        if child.tag != f"{_W}txbxContent":
            yield child
            yield from _own(child)


def _is_hidden(text: Any) -> bool:
    run = text.getparent()
    properties = run.find(f"{_W}rPr") if run is not None else None
    vanish = properties.find(f"{_W}vanish") if properties is not None else None
    return vanish is not None and vanish.get(f"{_W}val", "true") not in ("0", "false")


def _address(link: Any, part: Any) -> str | None:
    relation = part.rels.get(link.get(_R_ID, ""))
    if relation is None or not relation.is_external:
        return None
    target = str(relation.target_ref)
    return target if target.startswith(("https://", "http://", "mailto:")) and len(target) <= 2000 else None
