"""Files belong to the person or organisation whose folder they lie in, verb by verb."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import psycopg2.errors
import pytest

from support.people import NOBODY, SERVICE, Person, Project

BUCKETS = ("cvs", "videos", "job-files", "exports")


@pytest.fixture(scope="module")
def team(module_project: Project) -> dict[str, Any]:
    project = module_project
    people: dict[str, Any] = {
        name: project.person(name) for name in ("owner", "editor", "viewer", "stranger", "person")
    }
    people["anonymous"] = project.person(anonymous=True)
    people["nobody"] = NOBODY
    people["service"] = SERVICE
    people["org"] = project.organization(people["owner"], editor=people["editor"], viewer=people["viewer"])
    return people


def attempt(project: Project, person: Person, verb: str, bucket: str, path: str) -> bool:
    """Whether a verb works, tried and rolled back."""
    with project.another_connection() as connection:
        try:
            cursor = connection.cursor()
            if verb != "insert":
                cursor.execute("select set_config('role', 'service_role', true)")
                cursor.execute(
                    "insert into storage.objects (bucket_id, name) values (%s, %s)", (bucket, path)
                )
            cursor.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true),"
                " set_config('storage.allow_delete_query', 'true', true)",
                (person.role, person.claims),
            )
            cursor.execute(
                {
                    "select": "select 1 from storage.objects where bucket_id = %s and name = %s",
                    "insert": "insert into storage.objects (bucket_id, name) values (%s, %s) returning 1",
                    "update": "update storage.objects set updated_at = now()"
                    " where bucket_id = %s and name = %s returning 1",
                    "delete": "delete from storage.objects where bucket_id = %s and name = %s returning 1",
                }[verb],
                (bucket, path),
            )
            return cursor.fetchall() != []
        except psycopg2.errors.InsufficientPrivilege:
            return False
        finally:
            connection.rollback()


READERS = {"owner", "editor", "viewer", "service"}
WRITERS = {"owner", "editor", "service"}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_an_organisations_folder(project: Project, team: dict[str, Any], bucket: str) -> None:
    path = f"org/{team['org']}/reports/{uuid.uuid4()}.pdf"
    expected = {
        "select": READERS,
        "insert": WRITERS if bucket != "exports" else {"service"},
        "update": WRITERS if bucket != "exports" else {"service"},
        "delete": WRITERS,
    }
    everybody = [name for name, who in team.items() if isinstance(who, Person)]
    for verb, name in itertools.product(expected, everybody):
        assert attempt(project, team[name], verb, bucket, path) is (name in expected[verb]), (verb, name)


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("who", ["person", "anonymous"])
def test_a_persons_folder(project: Project, team: dict[str, Any], bucket: str, who: str) -> None:
    path = f"{team[who].id}/{uuid.uuid4()}.pdf"
    for verb in ("select", "insert", "update", "delete"):
        mine = verb in ("select", "delete") or bucket != "exports"
        for name in ("person", "anonymous", "stranger", "nobody", "service"):
            allowed = name == "service" or (name == who and mine)
            assert attempt(project, team[name], verb, bucket, path) is allowed, (verb, name)


@pytest.mark.parametrize("verb", ["select", "insert", "update", "delete"])
@pytest.mark.parametrize(
    "path",
    [
        "{person}", "{person}x/a.pdf", "x{person}/a.pdf", "a/{person}/b.pdf", "org/{person}/a.pdf", "a.pdf",
        "org/a.pdf", "ORG/{org}/a.pdf", "org/{org}", "{org}/a.pdf", " {person}/a.pdf", "/{person}/a.pdf",
        "org//{org}/a.pdf", "org/not-a-uuid/a.pdf",
    ],
)  # fmt: skip
def test_other_folders_are_nobodys(project: Project, team: dict[str, Any], path: str, verb: str) -> None:
    name = path.format(person=team["person"].id, org=team["org"])
    for who in ("person", "owner"):
        assert attempt(project, team[who], verb, "cvs", name) is False


@pytest.mark.parametrize(
    "path", ["{person}/../{stranger}/a.pdf", "{person}/./a.pdf", "{person}/..", "{person}/a/../../b"]
)
def test_paths_do_not_climb(project: Project, team: dict[str, Any], path: str) -> None:
    name = path.format(person=team["person"].id, stranger=team["stranger"].id)
    for verb in ("select", "insert"):
        assert attempt(project, team["person"], verb, "cvs", name) is False


def test_a_file_cannot_be_moved_into_somebody_elses_folder(project: Project, team: dict[str, Any]) -> None:
    with project.another_connection() as connection, connection.cursor() as cursor:
        person = team["person"]
        cursor.execute(
            "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
            (person.role, person.claims),
        )
        path = f"{person.id}/{uuid.uuid4()}.pdf"
        cursor.execute("insert into storage.objects (bucket_id, name) values ('cvs', %s)", (path,))
        for change in ({"name": f"{team['stranger'].id}/a.pdf"}, {"bucket_id": "exports"}):
            ((column, value),) = change.items()
            cursor.execute("savepoint before")
            with pytest.raises(Exception, match="row-level security"):
                cursor.execute(f"update storage.objects set {column} = %s where name = %s", (value, path))
            cursor.execute("rollback to savepoint before")
        connection.rollback()


def test_buckets_are_private_and_bounded(project: Project) -> None:
    rows = project.owner(
        "select id, public, file_size_limit, allowed_mime_types from storage.buckets where id = any (%s)",
        list(BUCKETS),
    )
    assert {row.id for row in rows} == set(BUCKETS)
    assert not any(row.public for row in rows)
    assert all(row.file_size_limit for row in rows)
    assert {row.id for row in rows if row.allowed_mime_types is None} == {"job-files"}
