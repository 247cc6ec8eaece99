"""The variables by which programs find the sandbox. The keys are made up and open nothing else."""

from __future__ import annotations

__all__ = ["SANDBOX_KEYS", "sandbox_variables"]

SANDBOX_KEYS = {
    "OPENAI_API_KEY": "sk-headway-sandbox-not-a-real-key",
    "GEMINI_API_KEY": "gemini-headway-sandbox-not-a-real-key",
    "GOOGLE_PLACES_API_KEY": "places-headway-sandbox-not-a-real-key",
    "HUNTER_API_KEY": "hunter-headway-sandbox-not-a-real-key",
    "NEVERBOUNCE_API_KEY": "neverbounce-headway-sandbox-not-a-real-key",
    "N8N_WEBHOOK_SECRET": "whsec_aGVhZHdheS1zYW5kYm94LW5vdC1hLXJlYWwtc2VjcmV0",
}
"""The only keys that the sandbox takes, so that a real one sent here by mistake is noticed."""


def sandbox_variables(url: str) -> dict[str, str]:
    """Names and values for a process that shall use the sandbox.

    Args:
        url: Where the sandbox is served, without a slash at the end.
    """
    return {
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "GEMINI_BASE_URL": f"{url}/gemini",
        "GOOGLE_PLACES_BASE_URL": f"{url}/places",
        "HUNTER_BASE_URL": f"{url}/hunter",
        "NEVERBOUNCE_BASE_URL": f"{url}/neverbounce",
        "N8N_WEBHOOK_URL": f"{url}/n8n/webhook/document",
        # A webhook on this machine is out of reach unless its origin is named.
        "HEADWAY_DOCUMENT_ORIGINS": url,
        **SANDBOX_KEYS,
    }
