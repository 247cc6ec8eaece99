"""``headway doctor``: what is wrong with a project, and what to do about it."""

from headway.client.doctor.examine import diagnose, examine
from headway.client.doctor.finding import Finding, Report, Verdict
from headway.client.doctor.subject import Subject

__all__ = ["Finding", "Report", "Subject", "Verdict", "diagnose", "examine"]
