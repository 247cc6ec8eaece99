"""What the sandbox sees in an image: what the file itself says, or what the sandbox was told of it.

There is no optical recognition offline. An image whose metadata hold its text (PNG ``Description`` or
``Comment``, EXIF ``ImageDescription`` or ``UserComment``, a JPEG or GIF comment) is read as that text. Of
other images the sandbox can be told beforehand, and knows them again after they were scaled, re-encoded or
stripped of metadata. Any image beside these is one without text, which is what a model would say of a cat.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

__all__ = ["ImageInvalid", "Images", "Seen"]

_FORMATS = ("GIF", "JPEG", "PNG", "WEBP")
_TEXT_KEYS = ("description", "comment", "title")
_HASH_SIDE = 32
_MOST_DIFFERENT_BITS = _HASH_SIDE * _HASH_SIDE // 20
_MOST_PIXELS = 100_000_000


class ImageInvalid(ValueError):
    """The bytes are no image of a kind that vision models read."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An image as the sandbox's models see it.

    Attributes:
        width: In pixels.
        height: In pixels.
        text: The text that it shows, empty without.
    """

    width: int
    height: int
    text: str


class Images:
    """Looks at images, and remembers what it was told of some; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: list[tuple[int, str]] = []

    def describe(self, data: bytes, text: str) -> None:
        """Tell what an image shows.

        Args:
            data: A PNG, JPEG, WebP or GIF file.
            text: What stands in it.

        Raises:
            ImageInvalid: it is none of these.
        """
        with _opened(data) as image:
            mark = _hash(image)
        with self._lock:
            self._told.append((mark, text))

    def clear(self) -> None:
        """Forget what was told."""
        with self._lock:
            self._told.clear()

    def look_at(self, data: bytes) -> Seen:
        """Look at an image.

        Args:
            data: A PNG, JPEG, WebP or GIF file.

        Raises:
            ImageInvalid: it is none of these.
        """
        with _opened(data) as image:
            text = _text_of(image)
            with self._lock:
                told = list(self._told)
            if not text and told:
                mark = _hash(image)
                distance, best = min(((mark ^ other).bit_count(), said) for other, said in told)
                text = best if distance <= _MOST_DIFFERENT_BITS else ""
            return Seen(image.width, image.height, text)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    try:
        # The size is checked below, with an error instead of a warning.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise ImageInvalid("it has too many pixels")
                yield image
    except ImageInvalid:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise ImageInvalid(str(error)) from None


def _hash(image: Image.Image) -> int:
    """A perceptual hash: for each cell of a coarse grid, whether it is darker than its neighbour.

    Source: "dHash", https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html.
    """
    grid = image.convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX)
    cells = grid.tobytes()
    bits = 0
    for row in range(_HASH_SIDE):
        start = row * (_HASH_SIDE + 1)
        for left, right in pairwise(cells[start : start + _HASH_SIDE + 1]):
            # A margin, for in empty areas noise alone would decide.
            bits = bits << 1 | (left < right - 2)
    return bits


def _text_of(image: Image.Image) -> str:
    found: list[str] = []
    by_name = {str(key).lower(): value for key, value in image.info.items()}
    for key in _TEXT_KEYS:
        if text := _decoded(by_name.get(key)):
            found.append(text)
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for value in (exif.get(ExifTags.Base.ImageDescription), details.get(ExifTags.Base.UserComment)):
        if (text := _decoded(value)) and text not in found:
            found.append(text)
    return "\n".join(found)


def _decoded(value: Any) -> str:
    if isinstance(value, bytes):
        # EXIF's UserComment begins with the name of its character set.
        for prefix, charset in ((b"ASCII\0\0\0", "ascii"), (b"UNICODE\0", "utf-16"), (b"\0" * 8, "utf-8")):
            if value.startswith(prefix):
                return value[8:].decode(charset, "replace").strip("\0 ")
        return value.decode("utf-8", "replace").strip("\0 ")
    if not isinstance(value, str):
        return ""
    try:
        # EXIF says ASCII and everybody writes UTF-8.
        return value.encode("latin-1").decode("utf-8").strip("\0 ")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return value.strip("\0 ")
