"""What a file is, by its content: names and declared types are a stranger's claims."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

__all__ = ["FileKind", "Unreadable", "kind_of"]

FileKind: TypeAlias = Literal["pdf", "docx", "image", "text"]

_HEAD = 4096
_PDF_WITHIN = 1024
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_UTF_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_KNOWN_OTHERS = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "an archive"),
    (b"Rar!", "an archive"),
    (b"7z\xbc\xaf", "an archive"),
    (b"BZh", "an archive"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"%!PS", "a PostScript file"),
    (b"ID3", "a sound file"),
)
# Controls that no text has: not tab, line feed, form feed, carriage return, escape.
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


class Unreadable(Exception):
    """The content is none that is read.

    Args:
        code: One of ``refusals.CODES``.
        what: What it is instead, such as "a Windows program", as far as that is known.
    """

    def __init__(self, code: str, what: str | None = None) -> None:
        self.code = code
        self.what = what
        super().__init__(code)


def kind_of(content: bytes) -> FileKind:
    """What kind of readable file a content is.

    Args:
        content: The whole file.

    Raises:
        Unreadable: it is none.
    """
    head = content[:_HEAD]
    if not content.strip(b"\x00 \t\r\n"):
        raise Unreadable("file_empty")
    if b"%PDF-" in content[:_PDF_WITHIN]:
        return "pdf"
    if head.startswith(_IMAGES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head[:4] == b"PK\x03\x04":
        return "docx"
    if head.startswith(_OLE):
        _refuse_compound(content)
    if head[4:8] == b"ftyp":
        heic = head[8:12] in (b"heic", b"heix", b"mif1", b"msf1")
        raise Unreadable("file_type", "a HEIC picture" if heic else "a video")
    for magic, what in _KNOWN_OTHERS:
        # "BM" and "MZ" may also begin a text.
        if head.startswith(magic) and (len(magic) > 2 or _CONTROLS.search(head)):
            raise Unreadable("file_type", what)
    if head.startswith(_UTF_BOMS) or _is_text(head):
        return "text"
    raise Unreadable("file_type")


def _is_text(head: bytes) -> bool:
    controls = len(_CONTROLS.findall(head))
    if controls == 0:
        return True
    # UTF-16 without a mark: every other byte of western text is zero.
    return any(head[start::2].count(0) > 0.4 * len(head[start::2]) for start in (0, 1))


def _refuse_compound(content: bytes) -> None:
    # Names in compound files are UTF-16; Office keeps encrypted documents in one.
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise Unreadable("file_encrypted")
    if "WordDocument".encode("utf-16-le") in content:
        raise Unreadable("file_type", "a Word document of the old kind (.doc)")
    raise Unreadable("file_type", "an old Office document")
