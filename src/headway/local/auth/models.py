"""The rows of schema ``auth`` that Auth works on, as values.

Source: supabase/auth ``internal/models/{user,identity,sessions}.go``. The token columns of ``auth.users`` are
read as empty text when they are null, so that rows inserted by a seed work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

__all__ = ["Identity", "Session", "User"]

Record: TypeAlias = "asyncpg.Record"


@dataclass(frozen=True, slots=True)
class User:
    """A row of ``auth.users``; texts that may be null there are empty here."""

    id: UUID
    aud: str
    role: str
    email: str
    phone: str
    password_hash: str = field(repr=False)
    email_confirmed_at: datetime | None
    phone_confirmed_at: datetime | None
    confirmed_at: datetime | None
    invited_at: datetime | None
    confirmation_token: str = field(repr=False)
    confirmation_sent_at: datetime | None
    recovery_token: str = field(repr=False)
    recovery_sent_at: datetime | None
    email_change: str
    email_change_token_current: str = field(repr=False)
    email_change_token_new: str = field(repr=False)
    email_change_sent_at: datetime | None
    email_change_confirm_status: int
    phone_change: str
    phone_change_sent_at: datetime | None
    reauthentication_token: str = field(repr=False)
    reauthentication_sent_at: datetime | None
    last_sign_in_at: datetime | None
    app_metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any]
    is_sso_user: bool
    is_anonymous: bool
    banned_until: datetime | None
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_record(cls, row: Record) -> User:
        """A user from a row of ``select *``."""
        return cls(
            id=row["id"],
            aud=row["aud"] or "",
            role=row["role"] or "",
            email=row["email"] or "",
            phone=row["phone"] or "",
            password_hash=row["encrypted_password"] or "",
            email_confirmed_at=row["email_confirmed_at"],
            phone_confirmed_at=row["phone_confirmed_at"],
            confirmed_at=row["confirmed_at"],
            invited_at=row["invited_at"],
            confirmation_token=row["confirmation_token"] or "",
            confirmation_sent_at=row["confirmation_sent_at"],
            recovery_token=row["recovery_token"] or "",
            recovery_sent_at=row["recovery_sent_at"],
            email_change=row["email_change"] or "",
            email_change_token_current=row["email_change_token_current"] or "",
            email_change_token_new=row["email_change_token_new"] or "",
            email_change_sent_at=row["email_change_sent_at"],
            email_change_confirm_status=row["email_change_confirm_status"] or 0,
            phone_change=row["phone_change"] or "",
            phone_change_sent_at=row["phone_change_sent_at"],
            reauthentication_token=row["reauthentication_token"] or "",
            reauthentication_sent_at=row["reauthentication_sent_at"],
            last_sign_in_at=row["last_sign_in_at"],
            app_metadata=_object(row["raw_app_meta_data"]),
            user_metadata=_object(row["raw_user_meta_data"]),
            is_sso_user=bool(row["is_sso_user"]),
            is_anonymous=bool(row["is_anonymous"]),
            banned_until=row["banned_until"],
            deleted_at=row["deleted_at"],
            created_at=_moment(row["created_at"], row["updated_at"]),
            updated_at=_moment(row["updated_at"], row["created_at"]),
        )

    @property
    def confirmed(self) -> bool:
        """Whether the e-mail address is confirmed."""
        return self.email_confirmed_at is not None

    @property
    def has_password(self) -> bool:
        """Whether signing in with a password is possible at all."""
        return bool(self.password_hash)

    def banned(self, now: datetime) -> bool:
        """Whether a ban is in force at ``now``."""
        return self.banned_until is not None and now < self.banned_until


@dataclass(frozen=True, slots=True)
class Identity:
    """A row of ``auth.identities``."""

    id: UUID
    provider_id: str
    user_id: UUID
    data: Mapping[str, Any]
    provider: str
    email: str
    last_sign_in_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_record(cls, row: Record) -> Identity:
        """An identity from a row of ``select *``."""
        return cls(
            id=row["id"],
            provider_id=row["provider_id"],
            user_id=row["user_id"],
            data=_object(row["identity_data"]),
            provider=row["provider"],
            email=row["email"] or "",
            last_sign_in_at=row["last_sign_in_at"],
            created_at=_moment(row["created_at"], row["updated_at"]),
            updated_at=_moment(row["updated_at"], row["created_at"]),
        )


@dataclass(frozen=True, slots=True)
class Session:
    """A row of ``auth.sessions``."""

    id: UUID
    user_id: UUID
    created_at: datetime
    refreshed_at: datetime | None
    not_after: datetime | None

    @classmethod
    def from_record(cls, row: Record) -> Session:
        """A session from a row of ``select *``."""
        refreshed_at = row["refreshed_at"]
        return cls(
            id=row["id"],
            user_id=row["user_id"],
            created_at=row["created_at"],
            # The real server's column is without time zone, and in UTC.
            refreshed_at=None if refreshed_at is None else refreshed_at.replace(tzinfo=UTC),
            not_after=row["not_after"],
        )

    def over(self, now: datetime) -> bool:
        """Whether the session was ended, though its row is still there."""
        return self.not_after is not None and now >= self.not_after

    def outlived(self, now: datetime, timebox: timedelta) -> bool:
        """Whether the session is older than any may become; a timebox of zero is none."""
        return bool(timebox) and now > self.created_at + timebox

    def idle(self, now: datetime, inactivity: timedelta) -> bool:
        """Whether the session was refreshed too long ago; zero is never."""
        return bool(inactivity) and now > (self.refreshed_at or self.created_at) + inactivity


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(value: datetime | None, other: datetime | None) -> datetime:
    return value or other or datetime.fromtimestamp(0, UTC)
