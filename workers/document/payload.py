"""What a document is asked for with, and what its job answers."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["DocumentPayload", "DocumentResult"]


def _with_words(text: str) -> str:
    if not text.strip():
        raise ValueError("there is nothing in it")
    return text


def _unless_blank(text: str | None) -> str | None:
    return text if text and text.strip() else None


class DocumentPayload(BaseModel):
    """A prompt, and perhaps a title."""

    model_config = ConfigDict(extra="forbid")

    prompt: Annotated[
        str, StringConstraints(min_length=1, max_length=20_000), AfterValidator(_with_words)
    ] = Field(description="What the document shall be about.")
    title: Annotated[
        Annotated[str, StringConstraints(max_length=500)] | None, AfterValidator(_unless_blank)
    ] = Field(default=None, description="Its title; the automation's, or its first heading, when omitted.")


class DocumentResult(BaseModel):
    """What the job answers; the HTML itself is the row of ``documents``."""

    document_id: UUID
    title: str | None
    bytes: int
