"""Language tags as people write them, and as the tables keep them.

Source: BCP 47, by ``langcodes``; the tables take a language and up to three subtags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from langcodes import Language, tag_is_valid

__all__ = ["language_name", "normalized", "normalized_list"]

_STORABLE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)


def normalized(tag: str) -> str:
    """The one spelling of a language tag, such as ``pt-BR`` for ``PT_br``.

    Raises:
        ValueError: it is no language that exists.
    """
    given = tag.strip().replace("_", "-")
    if not given or len(given) > 35 or not given.isascii() or not tag_is_valid(given):
        raise ValueError(f"{tag[:40]!r} is no language tag; write one such as de, pt-BR or zh-Hant")
    standard = Language.get(given).to_tag()
    if standard == "und" or not _STORABLE.fullmatch(standard):
        raise ValueError(f"{tag[:40]!r} names no language; write one such as de, pt-BR or zh-Hant")
    return standard


def normalized_list(tags: Iterable[str]) -> list[str]:
    """Tags in their one spelling, each once, in the order given.

    Raises:
        ValueError: one of them is no language that exists.
    """
    return list(dict.fromkeys(normalized(tag) for tag in tags))


def language_name(tag: str) -> str:
    """What a language is called in English, as a model knows it best."""
    return Language.get(tag).display_name("en")
