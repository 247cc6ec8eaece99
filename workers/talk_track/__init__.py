"""Talk tracks: kind ``talk_track.generate``; docs/pipelines/talk-track.md."""

from workers.talk_track.jobs import worker

__all__ = ["worker"]
