"""Interviews: what a profile lacks, asked for and answered aloud."""
