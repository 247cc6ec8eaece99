"""A CV becomes a profile, and an interview completes it."""
