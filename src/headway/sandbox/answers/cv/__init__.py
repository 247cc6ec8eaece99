"""Rules that turn the text of a CV, of a person whom nobody here knows, into its structured extraction."""

from headway.sandbox.answers.cv.biography import biography
from headway.sandbox.answers.cv.extraction import extract

__all__ = ["biography", "extract"]
