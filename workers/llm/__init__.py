"""One interface over the language models of several providers.

::

    prompts = Prompts(Path(__file__).parent / "prompts")
    model = await ctx.shared(text_model)
    cv = await model.complete(prompts.render("parse", text=text), schema=CvExtraction, ctx=ctx)
    async for piece in model.stream(prompts.render("letter", name=name), ctx=ctx): ...
"""

from workers.llm.errors import AnswerInvalid, AnswerTooLong, ContentFiltered, ModelRefused, PromptTooLong
from workers.llm.media import FileUri, Image
from workers.llm.model import TextModel
from workers.llm.prices import PriceList
from workers.llm.prompts import Prompt, Prompts
from workers.llm.realtime import ClientSecret, realtime_secrets
from workers.llm.settings import LlmSettings
from workers.llm.shared import gemini_model, openai_model, text_model

__all__ = [
    "AnswerInvalid",
    "AnswerTooLong",
    "ClientSecret",
    "ContentFiltered",
    "FileUri",
    "Image",
    "LlmSettings",
    "ModelRefused",
    "PriceList",
    "Prompt",
    "PromptTooLong",
    "Prompts",
    "TextModel",
    "gemini_model",
    "openai_model",
    "realtime_secrets",
    "text_model",
]
