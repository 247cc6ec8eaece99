"""What a model's provider can answer instead of an answer, by what can be done about it.

All are refusals (``ApiError``), which no retry turns into an answer, so the job fails at once with a message
for a person and a code for a machine. Faults that pass become ``headway.Retry``.
"""

from __future__ import annotations

from headway import ApiError

__all__ = [
    "AnswerInvalid",
    "AnswerTooLong",
    "ContentFiltered",
    "ModelRefused",
    "PromptTooLong",
    "ProviderDenied",
    "QuotaExhausted",
]


class ModelRefused(ApiError):
    """The model declined to answer."""

    default_code = "model_refused"


class ContentFiltered(ApiError):
    """The provider's content filter stopped the answer."""

    default_code = "content_filtered"


class AnswerTooLong(ApiError):
    """The answer did not fit into the greatest number of tokens."""

    default_code = "answer_too_long"


class AnswerInvalid(ApiError):
    """The model's answers did not have the form asked for, after all corrections."""

    default_code = "answer_invalid"


class PromptTooLong(ApiError):
    """The document and its instructions are longer than the model can read."""

    default_code = "prompt_too_long"


class QuotaExhausted(ApiError):
    """The account at the provider has no money or quota left."""

    default_code = "provider_quota_exhausted"


class ProviderDenied(ApiError):
    """The provider refuses the key or the request."""

    default_code = "provider_denied"
