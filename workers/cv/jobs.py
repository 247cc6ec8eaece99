"""The kinds of this pipeline."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from headway import Stage, Worker
from workers.cv.compare import compare_profiles
from workers.cv.export.job import export_profile
from workers.cv.interview.extract import extract_answers
from workers.cv.interview.session import prepare_interview
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

worker.job(
    "interview.session",
    queue="cv",
    timeout=60.0,
    retries=3,
    tenant_concurrency=1,
    retention=timedelta(days=1),
    cost_budget=Decimal("0.01"),
    description="Questions for an interview, and a short-lived secret for the browser that holds it.",
)(prepare_interview)

worker.job(
    "interview.extract",
    queue="cv",
    timeout=180.0,
    retries=5,
    stages=[
        Stage(name="listen", label="Listening", weight=90),
        Stage(name="ask", label="Looking for what is left to ask", weight=10),
    ],
    # Two at once would read the same turns.
    tenant_concurrency=1,
    cost_budget=Decimal("1.00"),
    description="Answers in an interview's new turns become part of the profile.",
)(extract_answers)

worker.job(
    "profile.export",
    queue="cv",
    timeout=120.0,
    retries=3,
    stages=[
        Stage(name="render", label="Setting the pages", weight=80),
        Stage(name="store", label="Saving the file", weight=20),
    ],
    description="The owner's profile as a PDF.",
)(export_profile)

worker.job(
    "profile.compare",
    queue="cv",
    timeout=30.0,
    retries=3,
    # Its payload holds tokens of share links.
    retention=timedelta(hours=1),
    description="Two profiles beside each other: the submitter's own, or those behind share links.",
)(compare_profiles)
