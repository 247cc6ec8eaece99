"""Reads plain text in whatever encoding it was saved."""

from __future__ import annotations

import codecs
import re

import charset_normalizer

from workers.reading.content_type import Unreadable
from workers.reading.limits import Limits

__all__ = ["read_text"]

# The longer marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_text(content: bytes, limits: Limits) -> str:
    """The text of a file.

    Args:
        content: Text in any encoding.
        limits: How long it may be.

    Raises:
        Unreadable: it is no text in any encoding, or too long.
    """
    text = _decoded(content)
    if text is None:
        raise Unreadable("file_type")
    text = _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if len(text) > limits.most_characters:
        raise Unreadable("file_too_long", f"more than {limits.most_characters:,} characters of text")
    return text


def _unmarked(content: bytes) -> str:
    # In UTF-16, every other byte of western text is zero; in UTF-8 none is.
    head = content[:4096]
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if head[start::2].count(0) > 0.4 * len(head[start::2]):
            return encoding
    return "utf-8"


def _decoded(content: bytes) -> str | None:
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None) or _unmarked(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        pass
    sample = content[:200_000]
    # Texts full of rare letters seem a mess at first sight; what binary files have was ruled out before.
    best = next(
        (
            found
            for mess in (0.2, 0.6)
            if (found := charset_normalizer.from_bytes(sample, threshold=mess).best())
        ),
        None,
    )
    if best is None:
        return None
    return content.decode(best.encoding, "replace")
