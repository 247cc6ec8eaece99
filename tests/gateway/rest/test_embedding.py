"""Embedded relations."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


def get(client: httpx.Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(
            "/projects?select=name,clients(name)&id=in.(1,4)&order=id",
            [{"name": "Apollo", "clients": {"name": "Acme"}}, {"name": "Dynamo", "clients": None}],
            id="to one",
        ),
        pytest.param(
            "/clients?select=name,projects(name)&order=id",
            [
                {"name": "Acme", "projects": [{"name": "Apollo"}, {"name": "Borealis"}]},
                {"name": "Globex", "projects": [{"name": "Cosmos"}]},
                {"name": "Initech", "projects": []},
            ],
            id="to many",
        ),
        pytest.param(
            "/users?select=name,tasks(name)&order=id&tasks.order=id",
            [
                {"name": "Ada", "tasks": [{"name": "plan"}, {"name": "build"}]},
                {"name": "Bob", "tasks": [{"name": "build"}]},
                {"name": "Cy", "tasks": [{"name": "dig"}]},
            ],
            id="many to many",
        ),
        pytest.param(
            "/users?select=name,profiles(motto)&id=in.(1,3)&order=id",
            [{"name": "Ada", "profiles": {"motto": "count"}}, {"name": "Cy", "profiles": None}],
            id="one to one",
        ),
        pytest.param(
            "/messages?select=body,from:users!messages_sender_fkey(name),to:users!recipient(name)&id=eq.1",
            [{"body": "hi", "from": {"name": "Ada"}, "to": {"name": "Bob"}}],
            id="hints",
        ),
        pytest.param(
            "/messages?select=body,sender(name)&id=eq.2",
            [{"body": "ho", "sender": {"name": "Bob"}}],
            id="by column",
        ),
        pytest.param(
            "/categories?select=name,children:categories(name),parent:parent_id(name)&id=eq.2",
            [{"name": "left", "children": [{"name": "leaf"}], "parent": {"name": "root"}}],
            id="self",
        ),
        pytest.param(
            "/clients?select=name,projects(name,tasks(name,users(name)))&id=eq.1&projects.id=eq.1"
            "&projects.tasks.name=eq.build&projects.tasks.users.order=id",
            [
                {
                    "name": "Acme",
                    "projects": [
                        {
                            "name": "Apollo",
                            "tasks": [{"name": "build", "users": [{"name": "Ada"}, {"name": "Bob"}]}],
                        }
                    ],
                }
            ],
            id="deep",
        ),
        pytest.param(
            "/projects?select=name,first_task(name),long_tasks(name)&id=eq.1",
            [
                {
                    "name": "Apollo",
                    "first_task": {"name": "plan"},
                    "long_tasks": [{"name": "plan"}, {"name": "build"}],
                }
            ],
            id="computed",
        ),
        pytest.param(
            "/project_names?select=title,clients(name),tasks(name)&id=eq.2",
            [{"title": "Borealis", "clients": {"name": "Acme"}, "tasks": [{"name": "dig"}]}],
            id="from a view",
        ),
        pytest.param(
            "/projects?select=name,client_list(client_key)&id=eq.3",
            [{"name": "Cosmos", "client_list": {"client_key": 2}}],
            id="to a view",
        ),
        pytest.param(
            "/client_list?select=client_key,project_names(title)&client_key=eq.2",
            [{"client_key": 2, "project_names": [{"title": "Cosmos"}]}],
            id="view to view",
        ),
    ],
)
def test_embeds(anon: httpx.Client, path: str, expected: Any) -> None:
    assert get(anon, path) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select=id,tasks!inner(id)&tasks.name=eq.dig", [2]),
        ("select=id,tasks!left(id)&tasks.name=eq.dig", [1, 2, 3, 4]),
        ("select=id,clients!inner(id)&clients.name=eq.Globex", [3]),
        ("select=id,clients()&clients=is.null", [4]),
        ("select=id,tasks()&tasks=not.is.null", [1, 2, 3]),
        ("select=id,tasks(),clients()&or=(tasks.is.null,clients.is.null)", [4]),
        ("select=id,clients!inner()&clients.city=not.is.null", [1, 2]),
    ],
)
def test_embeds_that_filter_their_parent(anon: httpx.Client, query: str, expected: list[int]) -> None:
    assert [row["id"] for row in get(anon, f"/projects?{query}&order=id")] == expected


def test_an_empty_embed_is_not_shown(anon: httpx.Client) -> None:
    assert get(anon, "/projects?select=name,clients()&id=eq.1") == [{"name": "Apollo"}]


def test_filters_order_and_pages_of_embeds(anon: httpx.Client) -> None:
    path = "/projects?select=tasks(id)&id=eq.1&tasks.order=id.desc&tasks.limit=1&tasks.offset=1"
    assert get(anon, path) == [{"tasks": [{"id": 2}]}]
    path = "/projects?select=tasks(id)&id=eq.1&tasks.or=(id.eq.1,hours.is.null)"
    assert get(anon, path) == [{"tasks": [{"id": 1}]}]
    assert get(anon, "/projects?select=tasks(id)&id=eq.1&tasks.limit=0") == [{"tasks": []}]


def test_order_by_an_embedded_column(anon: httpx.Client) -> None:
    rows = get(anon, "/projects?select=id,clients(name)&order=clients(name).desc.nullslast,id.desc")
    assert [row["id"] for row in rows] == [3, 2, 1, 4]
    answer = anon.get("/projects?select=id,tasks(id)&order=tasks(id)")
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "PGRST118",
        "details": "'projects' and 'tasks' do not form a many-to-one or one-to-one relationship",
        "hint": None,
        "message": "A related order on 'tasks' is not possible",
    }


def test_spreads(anon: httpx.Client) -> None:
    assert get(anon, "/projects?select=name,...clients(client:name,city)&id=eq.1") == [
        {"name": "Apollo", "client": "Acme", "city": "Bonn"}
    ]
    assert get(anon, "/projects?select=name,...tasks(task:name,hours)&id=eq.1&tasks.order=hours.desc") == [
        {"name": "Apollo", "task": ["build", "plan", "fly"], "hours": [20, 5, 2]}
    ]
    assert get(anon, "/tasks?select=name,...projects(project:name,...clients(client:name))&id=eq.4") == [
        {"name": "dig", "project": "Borealis", "client": "Acme"}
    ]
    assert get(anon, "/projects?select=name,...tasks(name)&id=eq.4") == [{"name": []}]


def test_a_filter_by_table_name_of_an_aliased_embed_is_answered_with_a_warning(anon: httpx.Client) -> None:
    answer = anon.get("/projects?select=id,c:clients(name)&clients.name=eq.Acme&id=eq.3")
    assert answer.json() == [{"id": 3, "c": None}]
    assert answer.headers["warning"].startswith("299 PostgRESTv16")
    assert "`clients` to `c`" in answer.headers["warning"]
    assert "warning" not in anon.get("/projects?select=id,c:clients(name)&c.name=eq.Acme").headers


def test_no_relationship(anon: httpx.Client) -> None:
    answer = anon.get("/projects?select=id,clent(name)")
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "PGRST200",
        "details": "Searched for a foreign key relationship between 'projects' and 'clent' in the schema "
        "'public', but no matches were found.",
        "hint": "Perhaps you meant 'clients' instead of 'clent'.",
        "message": "Could not find a relationship between 'projects' and 'clent' in the schema cache",
    }


def test_several_relationships(anon: httpx.Client) -> None:
    answer = anon.get("/messages?select=body,users(name)")
    assert answer.status_code == 300
    body = answer.json()
    assert body["code"] == "PGRST201"
    assert body["message"] == (
        "Could not embed because more than one relationship was found for 'messages' and 'users'"
    )
    assert body["details"] == [
        {
            "cardinality": "many-to-one",
            "embedding": "messages with users",
            "relationship": "messages_recipient_fkey using messages(recipient) and users(id)",
        },
        {
            "cardinality": "many-to-one",
            "embedding": "messages with users",
            "relationship": "messages_sender_fkey using messages(sender) and users(id)",
        },
    ]
    assert body["hint"] == (
        "Try changing 'users' to one of the following: 'users!messages_recipient_fkey', "
        "'users!messages_sender_fkey'. Find the desired relationship in the 'details' key."
    )


def test_a_filter_on_what_is_not_embedded(anon: httpx.Client) -> None:
    answer = anon.get("/projects?select=id&clients.name=eq.Acme")
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "PGRST108",
        "details": None,
        "hint": "Verify that 'clients' is included in the 'select' query parameter.",
        "message": "'clients' is not an embedded resource in this request",
    }


def test_aggregates_are_off_unless_switched_on(own_rest: Any) -> None:
    with own_rest.client(None) as anon:
        refused = anon.get("/projects?select=budget.sum()")
        assert (refused.status_code, refused.json()["code"]) == (400, "PGRST123")
        assert refused.json()["message"] == "Use of aggregate functions is not allowed"
        own_rest.set("authenticator", "pgrst.db_aggregates_enabled", "true")
        assert get(anon, "/projects?select=count()") == [{"count": 4}]
        assert get(anon, "/projects?select=budget.sum()::int,low:budget.min(),id.max()") == [
            {"sum": 426, "low": 75.25, "max": 4}
        ]
        assert get(anon, "/projects?select=client_id,count()&client_id=not.is.null&order=client_id") == [
            {"client_id": 1, "count": 2},
            {"client_id": 2, "count": 1},
        ]
        assert get(anon, "/clients?select=name,projects(budget.sum(),count())&id=eq.1") == [
            {"name": "Acme", "projects": [{"sum": 350.5, "count": 2}]}
        ]
        assert get(
            anon, "/projects?select=...clients(name),id.count()&order=clients(name)&client_id=lt.9"
        ) == [
            {"name": "Acme", "count": 2},
            {"name": "Globex", "count": 1},
        ]
        assert get(anon, "/tasks?select=...projects(budget.sum()),count()&project_id=eq.1") == [
            {"sum": 301.5, "count": 3}
        ]
        many = anon.get("/projects?select=...tasks(hours.sum())")
        assert (many.status_code, many.json()["code"]) == (400, "PGRST127")
