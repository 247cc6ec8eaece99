"""Business discovery: finds businesses, judges them, and finds people who can be written to."""

from workers.discovery.jobs import worker

__all__ = ["worker"]
