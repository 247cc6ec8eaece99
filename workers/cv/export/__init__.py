"""A profile as a PDF."""
