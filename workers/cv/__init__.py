"""A CV becomes a profile, and an interview completes it: ``headway worker workers.cv``."""

from workers.cv.jobs import worker

__all__ = ["worker"]
