"""Rules that read answers out of an interview's transcript."""

from headway.sandbox.answers.interview.extraction import extract

__all__ = ["extract"]
