"""Fonts cut to what one document needs.

Noto Sans comes as one variable font with thousands of glyphs; to make a bold one of it takes seconds, of the
two hundred glyphs of a profile a fraction of one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import fontpkg_amiri
import fontpkg_heebo
import fontpkg_noto_sans
from fontTools import subset
from fontTools.ttLib import TTFont, TTLibError
from fontTools.varLib import instancer

from headway import ConfigError

__all__ = ["Typeface", "typefaces"]

_ALWAYS = "0123456789 .,:;-–—·•()/&+@'\"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BOLD = 700
_REGULAR = 400


@dataclass(frozen=True, slots=True)
class Typeface:
    """A font in both weights.

    Attributes:
        name: Of the family, as the document calls it.
        regular: A font file.
        bold: A font file; the regular one for fonts without a bold.
        characters: Which of the document's characters it has.
    """

    name: str
    regular: Path
    bold: Path
    characters: frozenset[str]


def typefaces(text: Iterable[str], into: Path, more: Sequence[Path] = ()) -> list[Typeface]:
    """The fonts that a text needs, the main one first, cut to its characters.

    Args:
        text: Everything that will be written.
        into: A directory for the cut fonts.
        more: Font files for scripts that the packaged ones lack.

    Raises:
        ConfigError: a file of ``more`` is no font.
    """
    characters = frozenset("".join(text)) | frozenset(_ALWAYS)
    packaged = (
        ("sans", _file(fontpkg_noto_sans, "NotoSans[wdth,wght].ttf"), None),
        ("arabic", _file(fontpkg_amiri, "Amiri-Regular.ttf"), _file(fontpkg_amiri, "Amiri-Bold.ttf")),
        ("hebrew", _file(fontpkg_heebo, "Heebo[wght].ttf"), None),
        *((f"more{number}", path, None) for number, path in enumerate(more, start=1)),
    )
    made: list[Typeface] = []
    lacking = set(characters)
    for name, regular, bold in packaged:
        has = _characters_of(regular) & characters
        # Fallbacks only for what the fonts before them lack.
        if made and not has & lacking:
            continue
        lacking -= has
        files = _both_weights(name, regular, bold, has, into)
        made.append(Typeface(name, *files, frozenset(has)))
    return made


def _file(package: object, name: str) -> Path:
    return Path(str(package.ROOT)) / "files" / name  # type: ignore[attr-defined]


def _characters_of(path: Path) -> set[str]:
    try:
        # The library leaves a file open that is no font.
        with path.open("rb") as file, TTFont(file, lazy=True) as font:
            return {chr(code) for code in font.getBestCmap() or {}}
    except (TTLibError, OSError) as error:
        raise ConfigError(
            f"HEADWAY_CV_FONT_FILES: {path} is no font: {type(error).__name__}",
            hint="Name TrueType or OpenType files that the worker can read.",
        ) from None


def _both_weights(
    name: str, regular: Path, bold: Path | None, characters: set[str], into: Path
) -> tuple[Path, Path]:
    cut = _cut(regular, characters, into / f"{name}-cut.ttf")
    if bold is not None:
        return cut, _cut(bold, characters, into / f"{name}-bold.ttf")
    light, heavy = (_weighed(cut, weight, into / f"{name}-{weight}.ttf") for weight in (_REGULAR, _BOLD))
    return light, heavy


def _cut(path: Path, characters: set[str], into: Path) -> Path:
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    # The default features are those that scripts need; small capitals and the like stay behind.
    cutter = subset.Subsetter(subset.Options(notdef_outline=True, name_IDs=[1, 2], glyph_names=False))
    cutter.populate(text="".join(characters))
    with TTFont(path, lazy=True) as font:
        cutter.subset(font)
        font.save(into)
    return into


def _weighed(path: Path, weight: int, into: Path) -> Path:
    with TTFont(path) as font:
        if "fvar" not in font:
            return path
        axes = {axis.axisTag: axis.defaultValue for axis in font["fvar"].axes}
        if "wght" in axes:
            axes["wght"] = weight
        instancer.instantiateVariableFont(font, axes, inplace=True)
        font.save(into)
    return into
