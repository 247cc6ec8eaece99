"""What watchers see of a document before it is stored."""

from __future__ import annotations

import re
from typing import Any

from workers.document.asking import Document
from workers.document.sanitise import text_of

__all__ = ["preview_of"]

_HEADING = re.compile(r"<h([1-6])(?: [^>]*)?>(.*?)</h\1>", re.DOTALL)
_END_OF_A_BLOCK = re.compile(
    r"</(?:h[1-6]|p|div|li|d[dt]|t[dhr]|pre|blockquote|caption|figcaption|summary)>|<[bh]r>"
)
# An event holds 64 kB of JSON, in which a character can take twelve bytes.
_MOST_HEADINGS = 40
_MOST_CHARACTERS_OF_A_HEADING = 80
_MOST_CHARACTERS = 1_000


def preview_of(document: Document) -> dict[str, Any]:
    """A document's title, headings, beginning and size: small enough for an event, whatever it is.

    Args:
        document: Sanitised.
    """
    headings = []
    for found in _HEADING.finditer(document.html):
        if text := text_of(found[2]):
            headings.append({"level": int(found[1]), "text": text[:_MOST_CHARACTERS_OF_A_HEADING]})
        if len(headings) == _MOST_HEADINGS:
            break
    return {
        "title": document.title,
        "headings": headings,
        "text": text_of(_END_OF_A_BLOCK.sub(r"\g<0> ", document.html))[:_MOST_CHARACTERS],
        "bytes": len(document.html.encode()),
        "sandbox": document.sandbox,
    }
