"""Names for addresses: readable, and never the same for two things."""

from __future__ import annotations

from collections.abc import Container, Iterator

from slugify import slugify

__all__ = ["candidates", "free_slug", "slug_of"]

_LONGEST = 80


def slug_of(title: str, *, otherwise: str = "chapter") -> str:
    """The slug of a title; transliterated, at most 80 characters, cut between words.

    Args:
        title: In any script.
        otherwise: The slug of a title that has no letter or digit.
    """
    return slugify(title, max_length=_LONGEST, word_boundary=True, save_order=True) or otherwise


def candidates(title: str) -> Iterator[str]:
    """The slug of a title, then the same with 2, 3, 4 … behind it; without end."""
    slug = slug_of(title)
    yield slug
    number = 2
    while True:
        yield f"{slug}-{number}"
        number += 1


def free_slug(title: str, taken: Container[str]) -> str:
    """The first slug of a title that nothing else has.

    Args:
        title: In any script.
        taken: The slugs of other things.
    """
    return next(slug for slug in candidates(title) if slug not in taken)
