"""What a model is asked to read out of an interview's transcript, as the schema of its structured answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from workers.cv.answers import Answer, Flag, Text, TextList

__all__ = ["Declined", "InterviewExtraction", "SpokenFact", "Target"]

Target = Literal["profiles", "work_experience", "board_experience", "education"]

_FIELD = "The field's name, exactly as in the list of questions or of known facts."
_RECORD = "The key of the job, board role or degree, such as w1, b2 or e1; null for a field of profiles."


class SpokenFact(Answer):
    """One thing that the person has said of themself."""

    other_names: ClassVar[Mapping[str, str]] = {
        "table": "target",
        "key": "record",
        "record_id": "record",
        "value": "values",
    }

    target: Target = Field(description="The table that the fact belongs to.")
    record: Text = Field(description=_RECORD)
    field: str = Field(description=_FIELD)
    values: TextList = Field(
        description="What was said, without filler: one text for a single value, one per item for a list. "
        "Languages as 'German: native'; a compensation range as its lower end, its upper end and the ISO "
        "code of the currency; dates as 2026, 2026-03 or 2026-03-15; yes or no as true or false."
    )
    quote: Text = Field(description="The person's own words that say it.")


class Declined(Answer):
    """A question that the person does not want to answer."""

    target: Target
    record: Text = Field(description=_RECORD)
    field: str = Field(description=_FIELD)


class InterviewExtraction(Answer):
    """Everything that the new turns of an interview say, and whether the person wants to end it."""

    other_names: ClassVar[Mapping[str, str]] = {
        "answers": "facts",
        "skipped": "declined",
        "finished": "wants_to_stop",
    }

    facts: list[SpokenFact] = Field(
        description="What the person said, also where it differs from a known fact."
    )
    declined: list[Declined] = Field(description="Questions that the person refused or had no answer to.")
    wants_to_stop: Flag = Field(description="Whether the person asked to end the interview.")
