"""Google's Gemini API below ``/gemini``: files with resumable upload, generateContent, models.

Source: https://ai.google.dev/api/files, https://ai.google.dev/api/generate-content.
"""

from headway.sandbox.gemini.routes import routes
from headway.sandbox.google_errors import refusal

__all__ = ["refusal", "routes"]
