"""The kinds of this pipeline."""

from __future__ import annotations

from decimal import Decimal

from headway import Stage, Worker
from workers.cv.parse import parse_cv

__all__ = ["worker"]

worker = Worker()
worker.limit("cv.read", concurrency=2)

worker.job(
    "cv.parse",
    queue="cv",
    timeout=300.0,
    retries=5,
    stages=[
        Stage(name="extract", label="Reading the file", weight=5),
        Stage(name="parse", label="Understanding the career", weight=75),
        Stage(name="biography", label="Writing the biography", weight=15),
        Stage(name="apply", label="Saving the profile", weight=5),
    ],
    cost_budget=Decimal("1.00"),
    description="A CV (PDF, DOCX, text or image) becomes its owner's profile.",
)(parse_cv)
