"""OpenAI's API below ``/openai/v1``: chat completions, responses, models, Realtime client secrets.

Source: https://platform.openai.com/docs/api-reference.
"""

from headway.sandbox.openai.errors import refusal
from headway.sandbox.openai.routes import routes

__all__ = ["refusal", "routes"]
