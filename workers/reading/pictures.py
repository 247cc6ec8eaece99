"""Makes pictures that a vision model can read: upright, of a sensible size, without metadata."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from workers.reading.content_type import Unreadable
from workers.reading.limits import Limits

__all__ = ["read_image", "save_picture"]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


def read_image(path: Path, limits: Limits, pictures: Path) -> int:
    """Save an image as ``1.jpg``; the number of pictures saved.

    Args:
        path: A JPEG, PNG, WebP or GIF file; of an animation, the first picture counts.
        limits: What it may be.
        pictures: Where the picture goes.

    Raises:
        Unreadable: damaged or too large.
    """
    Image.MAX_IMAGE_PIXELS = limits.most_pixels
    try:
        with warnings.catch_warnings():
            # Pillow warns above the limit and raises above twice as much.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                image.load()
                save_picture(ImageOps.exif_transpose(image), pictures / "1.jpg", limits)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Unreadable(
            "file_too_large", f"more than {limits.most_pixels // 1_000_000} megapixels"
        ) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        raise Unreadable("file_damaged") from None
    return 1


def save_picture(image: Image.Image, path: Path, limits: Limits) -> None:
    """Save a picture as JPEG, no larger than needed, on white where it was transparent.

    Args:
        image: Any picture.
        path: Where to.
        limits: How large it may be.
    """
    image.thumbnail((limits.picture_side, limits.picture_side))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        opaque = Image.new("RGB", image.size, "white")
        layer = image.convert("RGBA")
        opaque.paste(layer, mask=layer.getchannel("A"))
        image = opaque
    # A new image has none of the metadata, which may hold a place or a face's name.
    clean = Image.new("RGB", image.size)
    clean.paste(image.convert("RGB"))
    clean.save(path, "JPEG", quality=85)
