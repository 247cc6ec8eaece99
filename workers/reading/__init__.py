"""Reads files that strangers send: in a process of its own, within limits of time, memory and size."""
