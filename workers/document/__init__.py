"""Handbook documents: kind ``document.generate``; docs/pipelines/document.md."""

from workers.document.jobs import worker

__all__ = ["worker"]
