"""``talk_track.generate``: what to say to every slide of a deck."""

from __future__ import annotations

from datetime import timedelta

from headway import Context, RetryPolicy, Snooze, Stage, Worker
from workers.talk_track.deck import read_deck
from workers.talk_track.payload import TalkTrackPayload, TalkTrackResult
from workers.talk_track.storing import save_talk_track
from workers.talk_track.talk import Talk

__all__ = ["generate_talk_track", "worker"]

worker = Worker()


@worker.job(
    "talk_track.generate",
    queue="talk-tracks",
    # A hundred portions of a minute each; a hanging call is given up long before by its own time limit.
    timeout=6_000,
    retries=RetryPolicy(max_attempts=5, base=5, cap=300),
    stages=[
        Stage(name="reading", label="Reading the deck", weight=0),
        Stage(name="writing", label="Writing the talk", weight=99),
        Stage(name="saving", label="Saving", weight=1),
    ],
    retention=timedelta(days=7),
    payload_limit=8 * 1024 * 1024,
    result_limit=8 * 1024 * 1024,
    description="Writes what to say to the slides of a deck, ten slides at a time.",
)
async def generate_talk_track(ctx: Context, payload: TalkTrackPayload) -> TalkTrackResult | Snooze:
    """Read the deck, write it portion by portion, store the talk as one row."""
    ctx.stage("reading", "Reading the deck")
    deck = await read_deck(ctx, payload)
    total = len(deck.slides)
    ctx.stage("writing", f"Writing {total} slides")

    talk = Talk(ctx, deck, payload.options)
    if not await talk.write():
        return Snooze(0)

    ctx.stage("saving", "Saving the talk")
    identity = await ctx.step("save", save_talk_track, ctx, payload, deck.title, talk.chunks)
    return TalkTrackResult(
        talk_track_id=identity, title=deck.title, slides=total, total_duration_seconds=talk.seconds
    )
