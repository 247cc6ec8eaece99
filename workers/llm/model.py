"""``TextModel``: what the pipelines ask, whichever provider answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar, overload

from pydantic import BaseModel

from workers.llm.calls import Adapter, Call, Reply, Turn
from workers.llm.errors import AnswerInvalid, AnswerTooLong, ContentFiltered, ModelRefused
from workers.llm.media import Medium
from workers.llm.parsing import Unfit, correction, read_answer
from workers.llm.paying import PaidCall, Paying, explained
from workers.llm.prices import PriceList
from workers.llm.prompts import Prompt
from workers.llm.retries import Passing, patiently
from workers.llm.room import Rooms
from workers.llm.settings import LlmSettings

__all__ = ["Paying", "TextModel"]

M = TypeVar("M", bound=BaseModel)

_SHORTEST_S = 1.0


class TextModel:
    """Answers prompts: as text, as a stream of text, or as a validated pydantic model.

    Every call is reserved with its greatest cost before it is made and recorded with its exact cost after it,
    in the job's usage. Faults that pass are waited for as long as the settings allow, and then become
    ``headway.Retry``; refusals become errors of ``workers.llm.errors``.

    Args:
        adapter: The provider.
        model: The model's name.
        prices: What it costs.
        settings: How patient to be.

    Raises:
        ConfigError: the price list does not know the model.
    """

    def __init__(self, adapter: Adapter, model: str, prices: PriceList, settings: LlmSettings) -> None:
        self.model = model
        self._adapter = adapter
        self._settings = settings
        self._input = prices.find(adapter.provider, model, "input_token")
        self._cached = prices.find(adapter.provider, model, "cached_input_token")
        self._output = prices.find(adapter.provider, model, "output_token")
        self._audio = prices.find_or(self._input, adapter.provider, model, "audio_input_token")
        self._places = asyncio.Semaphore(settings.concurrency)
        self._rooms = Rooms()
        self.sandbox = False
        """Whether its last answer came from the sandbox; a process has one address for all its jobs."""

    @property
    def provider(self) -> str:
        """Whose model it is."""
        return self._adapter.provider

    @overload
    async def complete(
        self,
        prompt: Prompt,
        *,
        schema: type[M],
        ctx: Paying,
        images: Sequence[Medium] = (),
        step: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> M: ...
    @overload
    async def complete(
        self,
        prompt: Prompt,
        *,
        schema: None = None,
        ctx: Paying,
        images: Sequence[Medium] = (),
        step: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> str: ...
    async def complete(
        self,
        prompt: Prompt,
        *,
        schema: type[M] | None = None,
        ctx: Paying,
        images: Sequence[Medium] = (),
        step: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> M | str:
        """Ask, and get the whole answer.

        An answer that is not valid by the schema is given back to the model with what is wrong with it, and
        one that was cut off by the limit is asked for again with twice the limit, both as often as
        ``settings.repairs`` allows.

        Args:
            prompt: What is asked.
            schema: The answer's form; ``None`` for text.
            ctx: The job's context: its budget, its usage, its time.
            images: What the prompt shows.
            step: Under which name the usage is recorded; the running step when omitted.
            max_tokens: The most tokens of the answer; the settings' when omitted.
            temperature: How much chance there is in the words; the model's own when omitted.

        Raises:
            Retry: the provider cannot answer now.
            BudgetExceeded: the job's budget does not allow the call.
            ModelRefused, ContentFiltered, AnswerTooLong, AnswerInvalid, PromptTooLong, QuotaExhausted,
                ProviderDenied: as they say.
        """
        turns: tuple[Turn, ...] = (Turn("user", prompt.user, tuple(images)),)
        limit = max_tokens or self._settings.max_output_tokens
        repairs = self._settings.repairs
        while True:
            call = self._call(prompt.system, turns, schema, ctx, limit, temperature)
            reply = await patiently(
                lambda call=call: self._paid(call, ctx, step),  # type: ignore[misc]
                tries=self._settings.tries,
                patience=self._settings.patience,
                time_left=lambda: ctx.time_left,
            )
            _check(reply)
            if reply.finish == "length":
                if repairs == 0 or schema is None:
                    raise _too_long(limit)
                limit *= 2
            elif schema is None:
                return reply.text
            else:
                try:
                    return read_answer(reply.text, schema)
                except Unfit as unfit:
                    if repairs == 0:
                        raise AnswerInvalid(
                            f"The model's answers were not valid: {unfit}",
                            hint="Retry the job; if it goes on, choose another model.",
                        ) from unfit
                    # Silence is asked anew: there is nothing to correct, and providers refuse empty turns.
                    said = (Turn("assistant", reply.text), Turn("user", correction(unfit)))
                    turns = (turns[0], *said) if reply.text.strip() else turns[:1]
            repairs -= 1

    async def stream(
        self,
        prompt: Prompt,
        *,
        ctx: Paying,
        images: Sequence[Medium] = (),
        step: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> AsyncIterator[str]:
        """Ask, and get the words as they come.

        Faults before the first word are waited for; one after it ends the attempt, because the words that
        were given cannot be taken back.

        Args:
            prompt: What is asked.
            ctx: The job's context.
            images: What the prompt shows.
            step: Under which name the usage is recorded.
            max_tokens: The most tokens of the answer.
            temperature: How much chance there is in the words.

        Raises:
            Retry: the provider cannot answer now, or broke off.
            ApiError: as for ``complete``.
        """
        limit = max_tokens or self._settings.max_output_tokens
        call = self._call(
            prompt.system, (Turn("user", prompt.user, tuple(images)),), None, ctx, limit, temperature
        )
        pieces = self._paid_stream(call, ctx, step)

        async def first() -> str | Reply:
            nonlocal pieces
            try:
                return await anext(pieces)
            except Passing:
                pieces = self._paid_stream(call, ctx, step)
                raise

        piece = await patiently(
            first,
            tries=self._settings.tries,
            patience=self._settings.patience,
            time_left=lambda: ctx.time_left,
        )
        try:
            while not isinstance(piece, Reply):
                yield piece
                piece = await anext(pieces)
        except Passing as passing:
            raise passing.as_retry() from passing.__cause__
        finally:
            await pieces.aclose()
        _check(piece)
        if piece.finish == "length":
            raise _too_long(limit)

    def most_cost(self, call: Call) -> Decimal:
        """The most that a call can cost in US dollars.

        Args:
            call: What will be asked.
        """
        return self._input.of(self._adapter.most_prompt_tokens(call)) + self._output.of(call.max_tokens)

    def _call(
        self,
        system: str,
        turns: tuple[Turn, ...],
        schema: type[BaseModel] | None,
        ctx: Paying,
        max_tokens: int,
        temperature: float | None,
    ) -> Call:
        return Call(
            self.model,
            system,
            turns,
            schema.model_json_schema() if schema else None,
            schema.__name__ if schema else "text",
            # Providers count thoughts as answer; whoever asks means the answer alone.
            max_tokens + self._settings.thinking_tokens,
            max(_SHORTEST_S, min(self._settings.read_timeout, ctx.time_left)),
            temperature,
            self._settings.thinking_tokens,
        )

    async def _paid(self, call: Call, ctx: Paying, step: str | None) -> Reply:
        async with self._places, self._reserved(call, ctx, step) as paid:
            with explained(self._adapter, paid):
                reply = await self._adapter.ask(call)
            self._settle(paid, reply)
            return reply

    async def _paid_stream(
        self, call: Call, ctx: Paying, step: str | None
    ) -> AsyncGenerator[str | Reply, None]:
        reply: Reply | None = None
        async with self._places, self._reserved(call, ctx, step) as paid:
            with explained(self._adapter, paid):
                async for piece in self._adapter.stream(call):
                    if isinstance(piece, Reply):
                        self._settle(paid, piece)
                        reply = piece
                    else:
                        yield piece
        # Outside, where the cost has been recorded already.
        if reply is not None:
            yield reply

    def _reserved(self, call: Call, ctx: Paying, step: str | None) -> AbstractAsyncContextManager[Any]:
        return self._rooms.reserved(
            ctx,
            partial(
                ctx.paid_call,
                provider=self.provider,
                max_cost=self.most_cost(call),
                model=self.model,
                unit="token",
                step=step,
            ),
        )

    def _settle(self, paid: PaidCall, reply: Reply) -> None:
        self.sandbox = reply.model.endswith("-sandbox")
        tokens = reply.tokens
        if tokens is None:
            paid.unknown()
            return
        # Nobody tells how much of the sound was cached: what was, costs less, whatever it was.
        audio = min(tokens.audio, tokens.prompt - tokens.cached)
        for place, (price, quantity) in enumerate(
            (
                (self._input, tokens.prompt - tokens.cached - audio),
                (self._audio, audio),
                (self._cached, tokens.cached),
                (self._output, tokens.output),
            )
        ):
            if quantity or place == 0:
                paid.cost(cost=price.of(quantity), quantity=quantity, model=reply.model, unit=price.unit)


def _check(reply: Reply) -> None:
    if reply.finish == "refusal":
        raise ModelRefused(
            f"The model declined to answer: {(reply.refusal or 'it gave no reason')[:300]}",
            hint="Look at the document; if it is harmless, retry the job or choose another model.",
        )
    if reply.finish == "content_filter":
        raise ContentFiltered(hint="Look at the document; the provider's rules forbid an answer to it.")


def _too_long(limit: int) -> AnswerTooLong:
    return AnswerTooLong(
        f"The answer did not fit into {limit} tokens.",
        hint="Give a shorter document, or raise HEADWAY_LLM_MAX_OUTPUT_TOKENS.",
    )
