"""Benchmarks: each figure beside its target and a reference measured in the same run."""
