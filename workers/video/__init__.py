"""Video to documentation: subtitles, chapters and articles, in several languages."""

from workers.video.jobs import worker

__all__ = ["worker"]
