"""Resumable uploads by the TUS protocol 1.0.0."""
