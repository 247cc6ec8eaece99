"""Organisations: who gets in, who manages whom, and that an owner is always left."""

from __future__ import annotations

import threading
import uuid

import pytest

from support.people import SERVICE, Person, Project, Refused

ADD = "insert into public.organization_members (organization_id, user_id, role) values (%s, %s, %s)"
CHANGE = (
    "update public.organization_members set role = %s where organization_id = %s and user_id = %s returning 1"
)
REMOVE = "delete from public.organization_members where organization_id = %s and user_id = %s returning 1"


@pytest.fixture
def people(project: Project) -> dict[str, Person]:
    return {name: project.person(name) for name in ("owner", "admin", "editor", "viewer", "stranger")}


@pytest.fixture
def org(project: Project, people: dict[str, Person]) -> str:
    return project.organization(
        people["owner"], admin=people["admin"], editor=people["editor"], viewer=people["viewer"]
    )


def role_of(project: Project, org: str, person: Person) -> str | None:
    rows = project.owner(
        "select role from public.organization_members where organization_id = %s and user_id = %s",
        org,
        person.id,
    )
    return rows[0].role if rows else None


def test_creator_sees_the_new_row_and_owns_it(project: Project) -> None:
    person = project.person()
    (row,) = project.ask(person, "insert into public.organizations (name) values ('A') returning *")
    assert row.created_by == uuid.UUID(person.id)
    assert role_of(project, row.id, person) == "owner"


def test_creator_who_left_sees_nothing(project: Project, people: dict[str, Person], org: str) -> None:
    project.ask(people["owner"], CHANGE, "owner", org, people["admin"].id)
    project.ask(people["owner"], REMOVE, org, people["owner"].id)
    assert project.ask(people["owner"], "select 1 from public.organizations") == []
    assert project.ask(people["owner"], "select 1 from public.organization_members") == []


def test_anonymous_sessions_found_nothing(project: Project) -> None:
    with pytest.raises(Refused) as refused:
        project.ask(project.person(anonymous=True), "insert into public.organizations (name) values ('A')")
    assert refused.value.code == "42501"


@pytest.mark.parametrize(
    ("by", "role", "allowed"),
    [
        ("owner", "owner", True), ("owner", "admin", True), ("owner", "viewer", True),
        ("admin", "owner", False), ("admin", "admin", False), ("admin", "editor", True),
        ("admin", "viewer", True),
        ("editor", "viewer", False), ("viewer", "viewer", False), ("stranger", "viewer", False),
    ],
)  # fmt: skip
def test_who_adds_whom(
    project: Project, people: dict[str, Person], org: str, by: str, role: str, allowed: bool
) -> None:
    newcomer = project.person("newcomer")
    if allowed:
        project.ask(people[by], ADD, org, newcomer.id, role)
    else:
        with pytest.raises(Refused) as refused:
            project.ask(people[by], ADD, org, newcomer.id, role)
        assert refused.value.code == "42501"
    assert role_of(project, org, newcomer) == (role if allowed else None)


@pytest.mark.parametrize("who", ["owner", "admin", "editor", "viewer", "stranger"])
@pytest.mark.parametrize("role", ["owner", "admin", "editor", "viewer"])
def test_nobody_grants_themselves_a_role(
    project: Project, people: dict[str, Person], org: str, who: str, role: str
) -> None:
    before = role_of(project, org, people[who])
    if who == "stranger":
        with pytest.raises(Refused):
            project.ask(people[who], ADD, org, people[who].id, role)
    else:
        assert project.ask(people[who], CHANGE, role, org, people[who].id) == []
    assert role_of(project, org, people[who]) == before


@pytest.mark.parametrize(
    ("by", "whom", "role", "allowed"),
    [
        ("owner", "admin", "viewer", True), ("owner", "viewer", "owner", True),
        ("admin", "owner", "viewer", False), ("admin", "editor", "admin", False),
        ("admin", "viewer", "editor", True),
        ("editor", "viewer", "editor", False), ("stranger", "viewer", "editor", False),
    ],
)  # fmt: skip
def test_who_changes_whom(
    project: Project, people: dict[str, Person], org: str, by: str, whom: str, role: str, allowed: bool
) -> None:
    before = role_of(project, org, people[whom])
    try:
        changed: object = project.ask(people[by], CHANGE, role, org, people[whom].id) != []
    except Refused as refused:
        changed = refused.code
    assert changed in ([True] if allowed else [False, "42501"])
    assert role_of(project, org, people[whom]) == (role if allowed else before)


@pytest.mark.parametrize(
    ("by", "whom", "allowed"),
    [
        ("viewer", "viewer", True), ("editor", "viewer", False), ("admin", "editor", True),
        ("admin", "owner", False), ("owner", "admin", True), ("stranger", "viewer", False),
    ],
)  # fmt: skip
def test_who_removes_whom(
    project: Project, people: dict[str, Person], org: str, by: str, whom: str, allowed: bool
) -> None:
    assert bool(project.ask(people[by], REMOVE, org, people[whom].id)) is allowed
    assert (role_of(project, org, people[whom]) is None) is allowed


@pytest.mark.parametrize("by", [None, SERVICE])
def test_the_last_owner_stays(
    project: Project, people: dict[str, Person], org: str, by: Person | None
) -> None:
    for statement, parameters in (
        (REMOVE, (org, people["owner"].id)),
        (CHANGE, ("viewer", org, people["owner"].id)),
    ):
        if by is None and statement is CHANGE:
            continue  # nobody changes their own role anyway
        with pytest.raises(Refused) as refused:
            project.ask(by or people["owner"], statement, *parameters)
        assert (refused.value.code, refused.value.detail) == ("HW202", "role")
    assert role_of(project, org, people["owner"]) == "owner"


def test_one_of_two_owners_may_leave(project: Project, people: dict[str, Person], org: str) -> None:
    project.ask(people["owner"], CHANGE, "owner", org, people["viewer"].id)
    assert project.ask(people["owner"], REMOVE, org, people["owner"].id)


def test_two_owners_leaving_at_once_leave_one(project: Project, people: dict[str, Person], org: str) -> None:
    project.ask(people["owner"], CHANGE, "owner", org, people["viewer"].id)
    outcomes: list[str | None] = []

    def leave(person: Person) -> None:
        with project.another_connection() as connection:
            try:
                with project.acting(person, connection=connection) as cursor:
                    cursor.execute(REMOVE, (org, person.id))
                outcomes.append(None)
            except Refused as refused:
                outcomes.append(refused.code)

    threads = [threading.Thread(target=leave, args=(people[who],)) for who in ("owner", "viewer")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == ["HW202", None]


def test_removing_every_owner_in_one_statement_is_refused(
    project: Project, people: dict[str, Person], org: str
) -> None:
    project.ask(people["owner"], CHANGE, "owner", org, people["viewer"].id)
    with pytest.raises(Refused):
        project.ask(SERVICE, "delete from public.organization_members where organization_id = %s", org)


def test_deleting_the_organisation_takes_everything_along(
    project: Project, people: dict[str, Person], org: str
) -> None:
    project.ask(people["editor"], "insert into public.projects (name, organization_id) values ('p', %s)", org)
    assert (
        project.ask(people["admin"], "delete from public.organizations where id = %s returning 1", org) == []
    )
    assert project.ask(people["owner"], "delete from public.organizations where id = %s returning 1", org)
    assert project.owner("select 1 from public.projects where organization_id = %s", org) == []


def test_a_deleted_account_hands_its_organisation_on(
    project: Project, people: dict[str, Person], org: str
) -> None:
    project.owner("delete from auth.users where id = %s", people["owner"].id)
    assert role_of(project, org, people["admin"]) == "owner"
    project.owner(
        "delete from auth.users where id = any (%s::uuid[])",
        [people[n].id for n in ("admin", "editor", "viewer")],
    )
    assert project.owner("select 1 from public.organization_members where organization_id = %s", org) == []
    assert len(project.owner("select 1 from public.organizations where id = %s", org)) == 1


def test_projects_belong_to_one_person_or_one_organisation(
    project: Project, people: dict[str, Person], org: str
) -> None:
    (mine,) = project.ask(people["stranger"], "insert into public.projects (name) values ('p') returning *")
    assert mine.user_id == uuid.UUID(people["stranger"].id)
    (ours,) = project.ask(
        people["editor"],
        "insert into public.projects (name, organization_id) values ('p', %s) returning *",
        org,
    )
    assert ours.user_id is None
    with pytest.raises(Refused) as refused:
        project.ask(
            people["editor"],
            "insert into public.projects (name, organization_id, user_id) values ('p', %s, %s)",
            org,
            people["editor"].id,
        )
    assert refused.value.code == "23514"
    for who, insert, value in (
        ("viewer", "insert into public.projects (name, organization_id) values ('p', %s)", org),
        ("stranger", "insert into public.projects (name, user_id) values ('p', %s)", people["viewer"].id),
    ):
        with pytest.raises(Refused) as refused:
            project.ask(people[who], insert, value)
        assert refused.value.code == "42501"
    readable = {
        name: project.value(person, "select public.can_read_project(%s)", ours.id)
        for name, person in people.items()
    }
    writable = {
        name: project.value(person, "select public.can_write_project(%s)", ours.id)
        for name, person in people.items()
    }
    assert readable == {"owner": True, "admin": True, "editor": True, "viewer": True, "stranger": False}
    assert writable == {"owner": True, "admin": True, "editor": True, "viewer": False, "stranger": False}


def test_policies_ask_for_memberships_once(project: Project, people: dict[str, Person], org: str) -> None:
    """The caller's organisations are an init-plan, not a question per row."""
    project.owner(
        "insert into public.projects (name, organization_id)"
        " select 'p' || n, %s from generate_series(1, 500) n",
        org,
    )
    with project.acting(people["viewer"]) as cursor:
        cursor.execute("explain (analyze, costs off, timing off, summary off) select id from public.projects")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "InitPlan" in plan
    assert "SubPlan" not in plan
    assert "is_org_member" not in plan
