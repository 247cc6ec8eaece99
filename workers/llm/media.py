"""What a prompt shows beside its words, and the most that it can cost."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["FileUri", "Image", "Medium"]

ImageType: TypeAlias = Literal["image/jpeg", "image/png", "image/webp", "image/gif"]


@dataclass(frozen=True, slots=True)
class Image:
    """An image for a vision model.

    Attributes:
        data: The file.
        media_type: What it is.
        detail: How closely OpenAI's models look.
    """

    data: bytes = field(repr=False)
    media_type: ImageType = "image/jpeg"
    detail: Literal["low", "high", "auto"] = "high"

    @property
    def data_url(self) -> str:
        """The file as a ``data:`` URL."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class FileUri:
    """A file that is already with the provider; Gemini only.

    Attributes:
        uri: As its Files API gave it.
        media_type: What it is.
        most_tokens: The most tokens that it can be: for video, about 300 a second.
        start: From where in a video or recording, in seconds; from its beginning when omitted.
        end: Until where, in seconds; until its end when omitted.
    """

    uri: str
    media_type: str
    most_tokens: int
    start: float | None = None
    end: float | None = None


Medium: TypeAlias = Image | FileUri
