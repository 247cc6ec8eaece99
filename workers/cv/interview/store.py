"""The rows of an interview: its session, questions, turns, contradictions and secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from postgrest import AsyncPostgrestClient
from pydantic import BaseModel, ConfigDict, Field

from headway import NotFound
from workers.cv.interview.extraction import Target
from workers.cv.interview.hearing import Conflict, Place
from workers.cv.interview.questions import Question

__all__ = ["InterviewStore", "Session", "StoredQuestion", "Turn"]

_MOST_TURNS = 200


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Session(_Row):
    """A row of ``interview_sessions``."""

    id: UUID
    profile_id: UUID
    status: Literal["active", "completed", "abandoned"]


class StoredQuestion(_Row):
    """A row of ``interview_questions``."""

    id: UUID
    target: Target
    record_id: UUID | None
    field: str
    question: str
    worth: int
    status: Literal["open", "answered", "skipped"]
    answered_at: datetime | None = None

    @property
    def place(self) -> Place:
        """The field that is asked about."""
        return (self.target, self.record_id, self.field)


class Turn(_Row):
    """A row of ``interview_turns``."""

    seq: int = Field(ge=0)
    speaker: Literal["assistant", "user"]
    content: str = Field(min_length=1, max_length=20000)


class InterviewStore:
    """What an interview reads and writes, as the service role, for one owner.

    Args:
        db: The Data API.
        owner: Whose interviews these are.
    """

    def __init__(self, db: AsyncPostgrestClient, owner: UUID) -> None:
        self._db = db
        self._owner = owner

    async def session(self, session_id: UUID) -> Session:
        """A session of the owner's.

        Raises:
            NotFound: there is none with this id; somebody else's is none.
        """
        rows = await self._rows("interview_sessions", id=session_id, profile_id=self._owner)
        if not rows:
            raise NotFound(
                "session_id: there is no such interview",
                hint="Start one, and pass the id of its row in interview_sessions.",
                code="interview_unknown",
                details="session_id",
            )
        return Session.model_validate(rows[0])

    async def start(self, session_id: UUID) -> Session:
        """A session with this id, made now if there is none."""
        row: dict[str, Any] = {"id": str(session_id), "profile_id": str(self._owner)}
        await (
            self._db.table("interview_sessions")
            .upsert(row, on_conflict="id", ignore_duplicates=True)
            .execute()
        )
        return await self.session(session_id)

    async def label(self, session: Session) -> None:
        """Note that the sandbox stands in for the voice model."""
        table = self._db.table("interview_sessions")
        await table.update({"sandbox": True}).eq("id", str(session.id)).execute()

    async def end(self, session: Session, reason: str) -> None:
        """End a session, unless it has ended already."""
        changes = {"status": "completed", "end_reason": reason, "ended_at": "now"}
        table = self._db.table("interview_sessions")
        await table.update(changes).eq("id", str(session.id)).eq("status", "active").execute()

    async def questions(self, session: Session) -> list[StoredQuestion]:
        """All questions of a session, the most worthwhile first."""
        rows = await self._rows("interview_questions", session_id=session.id)
        return sorted(
            (StoredQuestion.model_validate(row) for row in rows), key=lambda q: (-q.worth, str(q.id))
        )

    async def ask(self, session: Session, questions: Sequence[Question]) -> None:
        """Add questions to a session; those that it has had already stay as they are."""
        rows: list[Any] = [
            {
                "session_id": str(session.id), "target": q.target, "field": q.field,
                "record_id": None if q.record_id is None else str(q.record_id),
                "question": q.text[:2000], "worth": q.worth,
            }
            for q in questions
        ]  # fmt: skip
        if rows:
            table = self._db.table("interview_questions")
            key = "session_id,target,record_id,field"
            await table.upsert(rows, on_conflict=key, ignore_duplicates=True).execute()

    async def ask_again(self, question: StoredQuestion, text: str, worth: int) -> None:
        """Open a question once more, with other words."""
        changes: dict[str, Any] = {
            "status": "open", "question": text[:2000], "worth": worth, "answer": None, "answered_at": None,
        }  # fmt: skip
        await self._db.table("interview_questions").update(changes).eq("id", str(question.id)).execute()

    async def close(self, question: StoredQuestion, answer: Any | None) -> None:
        """Mark a question as answered, or as skipped when there is no answer."""
        changes: dict[str, Any] = {"status": "skipped"}
        if answer is not None:
            changes = {"status": "answered", "answer": answer, "answered_at": "now"}
        table = self._db.table("interview_questions")
        await table.update(changes).eq("id", str(question.id)).eq("status", "open").execute()

    async def add_turns(self, session: Session, turns: Sequence[Turn]) -> None:
        """Store turns; one that is there already stays as it is."""
        rows: list[Any] = [{"session_id": str(session.id), **turn.model_dump()} for turn in turns]
        if rows:
            table = self._db.table("interview_turns")
            await table.upsert(rows, on_conflict="session_id,seq", ignore_duplicates=True).execute()

    async def new_turns(self, session: Session) -> list[Turn]:
        """Turns that nothing was read out of yet, in order."""
        query = self._db.table("interview_turns").select("*").eq("session_id", str(session.id))
        rows: list[Any] = (
            await query.is_("extracted_at", "null").order("seq").limit(_MOST_TURNS).execute()
        ).data
        return [Turn.model_validate(row) for row in rows]

    async def turns_between(self, session: Session, first: int, last: int) -> list[Turn]:
        """Turns from one number to another, both included."""
        query = self._db.table("interview_turns").select("*").eq("session_id", str(session.id))
        rows: list[Any] = (await query.gte("seq", first).lte("seq", last).order("seq").execute()).data
        return [Turn.model_validate(row) for row in rows]

    async def mark_read(self, session: Session, seqs: Sequence[int]) -> None:
        """Note that turns were read."""
        query = self._db.table("interview_turns").update({"extracted_at": "now"})
        await query.eq("session_id", str(session.id)).in_("seq", list(seqs)).execute()

    async def conflicts(self) -> dict[Place, tuple[UUID, Conflict]]:
        """The contradictions in the owner's profile that nobody has decided, by place."""
        query = self._db.table("profile_conflicts").select("*").eq("profile_id", str(self._owner))
        rows: list[Any] = (await query.is_("resolution", "null").order("created_at").execute()).data
        found: dict[Place, tuple[UUID, Conflict]] = {}
        for row in rows:
            place: Place = (row["target"], UUID(row["record_id"]) if row["record_id"] else None, row["field"])
            known, source, heard = row["known_value"], row["known_source"], row["heard_value"]
            found[place] = (UUID(row["id"]), Conflict(place, known, source, heard))
        return found

    async def record_conflicts(self, session: Session, conflicts: Sequence[Conflict]) -> None:
        """Keep contradictions; one that is known already stays as it is."""
        rows: list[Any] = [
            {
                "profile_id": str(self._owner), "session_id": str(session.id), "target": each.place[0],
                "record_id": None if each.place[1] is None else str(each.place[1]), "field": each.place[2],
                "known_value": each.known_value, "known_source": each.known_source,
                "heard_value": each.heard_value,
            }
            for each in conflicts
        ]  # fmt: skip
        if rows:
            table = self._db.table("profile_conflicts")
            key = "profile_id,target,record_id,field,known_value,heard_value"
            await table.upsert(rows, on_conflict=key, ignore_duplicates=True).execute()

    async def decide(self, decided: Mapping[Place, str]) -> None:
        """Close contradictions that the person has decided; the values go with the other answers."""
        if not decided:
            return
        open_ones = await self.conflicts()
        for place, resolution in decided.items():
            if place in open_ones:
                changes = {"resolution": resolution, "resolved_at": "now"}
                query = self._db.table("profile_conflicts").update(changes)
                await query.eq("id", str(open_ones[place][0])).is_("resolution", "null").execute()

    async def secret(self, session: Session) -> tuple[datetime, datetime, str] | None:
        """When a session's secret was made and when it expires, and its model; ``None`` without one."""
        rows = await self._rows("interview_client_secrets", session_id=session.id)
        if not rows:
            return None
        made, ends = rows[0]["created_at"], rows[0]["expires_at"]
        return datetime.fromisoformat(made), datetime.fromisoformat(ends), rows[0]["model"]

    async def keep_secret(self, session: Session, secret: str, model: str, expires_at: datetime) -> None:
        """Put a session's secret where its owner, and nobody else, can read it."""
        row: dict[str, Any] = {
            "session_id": str(session.id), "secret": secret, "model": model,
            "expires_at": expires_at.isoformat(), "created_at": "now",
        }  # fmt: skip
        await self._db.table("interview_client_secrets").upsert(row, on_conflict="session_id").execute()

    async def onboarded(self) -> None:
        """Note that the owner has answered everything there was to ask."""
        await (
            self._db.table("profiles")
            .update({"onboarding_completed": True})
            .eq("id", str(self._owner))
            .execute()
        )

    async def _rows(self, table: str, **equal: UUID) -> list[Any]:
        query = self._db.table(table).select("*")
        for column, value in equal.items():
            query = query.eq(column, str(value))
        rows: list[Any] = (await query.execute()).data
        return rows
