"""People of a project, who ask its Postgres exactly as the Data API asks for them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import psycopg2.extras

from headway.local.database import Database

psycopg2.extras.register_uuid()


@dataclass(frozen=True)
class Person:
    """Whoever stands behind a request: a role, and the claims of a token."""

    role: str
    id: str | None = None
    email: str | None = None
    anonymous: bool = False

    @property
    def claims(self) -> str:
        claims: dict[str, Any] = {"role": self.role}
        if self.id:
            claims |= {"sub": self.id, "email": self.email, "is_anonymous": self.anonymous}
        return json.dumps(claims)


NOBODY = Person("anon")
SERVICE = Person("service_role")


class Refused(Exception):
    """What the database refused, with the parts that a client sees."""

    def __init__(self, error: psycopg2.Error) -> None:
        self.code = error.pgcode
        self.message = error.diag.message_primary
        self.detail = error.diag.message_detail
        self.hint = error.diag.message_hint
        super().__init__(f"{self.code} {self.message} ({self.detail}; {self.hint})")


@dataclass
class Project:
    """A migrated database, asked as its owner or as somebody else.

    Args:
        database: A database of the test's own.
    """

    database: Database
    _connections: dict[str, Any] = field(default_factory=dict)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _connect(self, user: str) -> Any:
        if user not in self._connections:
            self._connections[user] = psycopg2.connect(
                self.database.conninfo(user), cursor_factory=psycopg2.extras.NamedTupleCursor
            )
        return self._connections[user]

    def owner(self, sql: str, *parameters: Any) -> list[Any]:
        """Run one statement as ``postgres``, as a migration or the SQL editor does; committed."""
        with self._connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def ask(self, person: Person, sql: str, *parameters: Any) -> list[Any]:
        """Run one statement in a transaction of its own, as the Data API does for a person.

        Raises:
            Refused: the database refused it; nothing was stored.
        """
        with self.acting(person) as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def value(self, person: Person, sql: str, *parameters: Any) -> Any:
        """The only column of the only row of a statement."""
        ((answer,),) = self.ask(person, sql, *parameters)
        return answer

    def call(self, person: Person, function: str, body: object) -> Any:
        """Call a function that takes one JSON document, as ``POST /rpc`` does."""
        schema, name = function.split(".")
        return self.value(person, f'select "{schema}"."{name}"(%s::json)', json.dumps(body))

    @contextmanager
    def acting(self, person: Person, *, connection: Any = None) -> Iterator[Any]:
        """A cursor in one transaction as a person; committed at the end."""
        try:
            with connection or self._connect("authenticator") as opened, opened.cursor() as cursor:
                cursor.execute(
                    "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
                    (person.role, person.claims),
                )
                yield cursor
        except psycopg2.Error as error:
            raise Refused(error) from error

    @contextmanager
    def another_connection(self) -> Iterator[Any]:
        """A second connection, to be two at once."""
        with closing(
            psycopg2.connect(
                self.database.conninfo("authenticator"), cursor_factory=psycopg2.extras.NamedTupleCursor
            )
        ) as opened:
            yield opened

    def person(self, name: str | None = None, *, anonymous: bool = False, confirmed: bool = True) -> Person:
        """Somebody with an account (or an anonymous session)."""
        identity = str(uuid.uuid4())
        email = None if anonymous else f"{name or 'somebody'}-{identity[:8]}@example.com"
        self.owner(
            "insert into auth.users (id, aud, role, email, email_confirmed_at, is_anonymous)"
            " values (%s, 'authenticated', 'authenticated', %s, case when %s then now() end, %s)",
            identity,
            email,
            confirmed and not anonymous,
            anonymous,
        )
        return Person("authenticated", identity, email, anonymous)

    def organization(self, owner: Person, **members: Person) -> str:
        """An organisation with its owner, and members given by role (``editor=...``)."""
        ((made,),) = self.ask(owner, "insert into public.organizations (name) values ('Acme') returning id")
        identity = str(made)
        for role, person in members.items():
            self.ask(
                owner,
                "insert into public.organization_members (organization_id, user_id, role)"
                " values (%s, %s, %s)",
                identity,
                person.id,
                role,
            )
        return identity

    def kind(self, kind: str = "test.echo", *, submitters: str = "users", queue: str = "default") -> str:
        """A kind that can be submitted, as a worker's registration would leave it."""
        self.owner("insert into headway.queues (queue) values (%s) on conflict do nothing", queue)
        self.owner(
            "insert into headway.kinds (kind, queue, submitters) values (%s, %s, %s) on conflict do nothing",
            kind,
            queue,
            submitters,
        )
        return kind
