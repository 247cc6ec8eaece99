"""Text that is read aloud as it stands: without the marks that models put into everything they write."""

from __future__ import annotations

import re

__all__ = ["as_speech"]

# Not numbers: in some languages "3. Quartal" begins a sentence.
_LEAD = re.compile(r"[ \t]*(?:#{1,6}|[-*•])[ \t]+")
_RULE = re.compile(r"[ \t]*(?:```\w*|-{3,}|\*{3,}|_{3,})[ \t]*")
_STRONG = re.compile(r"\*\*([^*\n]+)\*\*")
_CODE = re.compile(r"`([^`\n]+)`")


def as_speech(text: str) -> str:
    """A text without Markdown's headings, bullets, bold words, code marks and rules.

    Args:
        text: As a model wrote it.
    """
    lines = [_LEAD.sub("", line, count=1) if _LEAD.match(line) else line for line in text.splitlines()]
    spoken = "\n".join(line.rstrip() for line in lines if not _RULE.fullmatch(line))
    return _CODE.sub(r"\1", _STRONG.sub(r"\1", spoken)).strip()
