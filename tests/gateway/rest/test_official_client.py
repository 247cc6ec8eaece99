"""supabase-py and postgrest-py, unmodified."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
from postgrest import AsyncPostgrestClient
from postgrest.exceptions import APIError
from postgrest.types import CountMethod, ReturnMethod
from supabase import Client, ClientOptions, create_client

from .harness import ALICE, RestServer

# supabase-py passes its own deprecated parameters to postgrest-py.
pytestmark = pytest.mark.filterwarnings("ignore:The '(timeout|verify|proxy)' parameter:DeprecationWarning")


@contextmanager
def connected(rest: RestServer, **headers: str) -> Iterator[Client]:
    with httpx.Client(timeout=30) as http:
        yield create_client(
            rest.url, rest.keys.publishable_key, ClientOptions(headers=headers, httpx_client=http)
        )


@pytest.fixture
def client(rest: RestServer) -> Iterator[Client]:
    with connected(rest) as client:
        yield client


@pytest.fixture
def user(rest: RestServer) -> Iterator[Client]:
    """A client that speaks for a signed-in user."""
    with connected(rest, Authorization=f"Bearer {rest.token(sub=ALICE)}") as client:
        yield client


@pytest.fixture
def label() -> str:
    return uuid.uuid4().hex


def test_reading(client: Client) -> None:
    answer = (
        client.table("projects")
        .select("name, clients(name), tasks(id)", count=CountMethod.exact)
        .in_("id", [1, 2])
        .order("name", desc=True)
        .order("id", foreign_table="tasks")
        .limit(1, foreign_table="tasks")
        .execute()
    )
    assert answer.count == 2
    assert answer.data == [
        {"name": "Borealis", "clients": {"name": "Acme"}, "tasks": [{"id": 4}]},
        {"name": "Apollo", "clients": {"name": "Acme"}, "tasks": [{"id": 1}]},
    ]


def test_every_filter(client: Client) -> None:
    projects = lambda: client.table("projects").select("id").order("id")  # noqa: E731
    found = {
        "eq": projects().eq("name", "Apollo"),
        "neq": projects().neq("id", 1),
        "gt": projects().gt("id", 3),
        "gte": projects().gte("id", 3),
        "lt": projects().lt("id", 2),
        "lte": projects().lte("id", 2),
        "like": projects().like("name", "A%"),
        "ilike": projects().ilike("name", "%APO%"),
        "like all": projects().like_all_of("name", "%o%,%s%"),
        "like any": projects().like_any_of("name", "A%,B%"),
        "is": projects().is_("client_id", "null"),
        "not": projects().not_.is_("client_id", "null"),
        "in": projects().in_("name", ["Apollo", 'with "quotes", and commas']),
        "contains": projects().contains("tags", ["space"]),
        "contains json": projects().contains("facts", {"k": "v"}),
        "contained by": projects().contained_by("tags", ["space", "big"]),
        "overlaps": projects().ov("tags", ["ice", "big"]),
        "range": projects().range_gt("span", [0, 8]),
        "or": projects().or_("id.eq.1,and(id.gt.3,name.like.D*)"),
        "match": projects().match({"id": 1, "name": "Apollo"}),
        "filter": projects().filter("facts->>k", "eq", "w"),
        "json": projects().eq("facts->>k", "v"),
    }
    assert {name: [row["id"] for row in query.execute().data] for name, query in found.items()} == {
        "eq": [1],
        "neq": [2, 3, 4],
        "gt": [4],
        "gte": [3, 4],
        "lt": [1],
        "lte": [1, 2],
        "like": [1],
        "ilike": [1],
        "like all": [2, 3],
        "like any": [1, 2],
        "is": [4],
        "not": [1, 2, 3],
        "in": [1],
        "contains": [1, 4],
        "contains json": [1],
        "contained by": [1, 3, 4],
        "overlaps": [1, 2],
        "range": [2],
        "or": [1, 4],
        "match": [1],
        "filter": [2],
        "json": [1],
    }


def test_text_search_and_pages(client: Client) -> None:
    found = client.table("documents").select("id").text_search("search", "cat | dog").execute()
    assert {row["id"] for row in found.data} == {1, 2}
    page = client.table("projects").select("id", count=CountMethod.exact).order("id").range(1, 2).execute()
    assert ([row["id"] for row in page.data], page.count) == ([2, 3], 4)
    head = client.table("projects").select("*", count=CountMethod.exact, head=True).execute()
    assert (head.data, head.count) == ([], 4)


def test_shapes(client: Client) -> None:
    clients = client.table("clients")
    assert clients.select("*").eq("id", 1).single().execute().data["name"] == "Acme"
    assert clients.select("*").eq("id", 99).maybe_single().execute() is None
    assert clients.select("id,name").eq("id", 1).csv().execute().data == "id,name\n1,Acme"
    with pytest.raises(APIError) as several:
        clients.select("*").single().execute()
    assert several.value.code == "PGRST116"
    assert several.value.details == "The result contains 3 rows"


def test_writing(user: Client, label: str) -> None:
    writes = user.table("writes")
    inserted = writes.insert(
        [{"label": f"{label}-{n}", "amount": n, "batch": label} for n in range(3)]
    ).execute()
    assert [row["amount"] for row in inserted.data] == [0, 1, 2]
    quiet = writes.insert({"label": f"{label}-q", "batch": label}, returning=ReturnMethod.minimal).execute()
    assert quiet.data == []
    defaults = writes.insert(
        [{"label": f"{label}-d", "batch": label}, {"label": f"{label}-e", "amount": 1, "batch": label}],
        default_to_null=False,
    ).execute()
    assert [row["amount"] for row in defaults.data] == [10, 1]
    updated = writes.update({"amount": 7}).eq("batch", label).gt("amount", 1).execute()
    assert {row["amount"] for row in updated.data} == {7}
    merged = writes.upsert(
        {"label": f"{label}-0", "amount": 5, "batch": label}, on_conflict="label"
    ).execute()
    assert merged.data[0]["amount"] == 5
    ignored = writes.upsert(
        {"label": f"{label}-0", "amount": 6}, on_conflict="label", ignore_duplicates=True
    ).execute()
    assert ignored.data == []
    with pytest.raises(APIError) as limited:
        writes.delete().eq("batch", label).max_affected(1).execute()
    assert limited.value.code == "PGRST124"
    deleted = writes.delete(count=CountMethod.exact).eq("batch", label).execute()
    assert deleted.count == len(deleted.data) == 6


def test_calling(client: Client) -> None:
    assert client.rpc("add_them", {"a": 1, "b": 2}).execute().data == 3
    assert client.rpc("add_them", {"a": 1, "b": 2}, get=True).execute().data == 3
    rows = client.rpc("project_list", {}).select("id").gt("id", 2).order("id").execute().data
    assert rows == [{"id": 3}, {"id": 4}]
    arrays = {"ints": [1, 2], "doc": {"a": 1}}
    assert client.rpc("take_arrays", arrays, get=True).execute().data == {"sum": 3, "doc": {"a": 1}}
    counted = client.rpc("project_list", {}, count=CountMethod.exact, head=True).execute()
    assert counted.count == 4
    assert client.schema("api").rpc("answer", {}).execute().data == 42
    assert client.schema("api").table("things").select("name").execute().data == [{"name": "in api"}]


def test_errors(client: Client) -> None:
    def raised(query: object) -> tuple[str | None, str | None]:
        with pytest.raises(APIError) as error:
            query.execute()  # type: ignore[attr-defined]
        return error.value.code, error.value.message

    assert raised(client.table("nobody").select("*"))[0] == "PGRST205"
    assert raised(client.rpc("teapot", {})) == ("PT418", "short and stout")
    assert raised(client.table("writes").insert({"label": "x"}))[0] == "42501"
    assert raised(client.table("projects").delete().neq("id", 0))[0] == "42501"


@pytest.fixture
async def async_client(rest: RestServer) -> AsyncIterator[AsyncPostgrestClient]:
    headers = {"apikey": rest.keys.publishable_key}
    async with AsyncPostgrestClient(f"{rest.url}/rest/v1", headers=headers) as client:
        yield client


async def test_the_async_client(async_client: AsyncPostgrestClient) -> None:
    answer = await async_client.from_("clients").select("name").eq("id", 1).single().execute()
    assert answer.data == {"name": "Acme"}
    stripped = await async_client.from_("clients").select("*").eq("id", 2).strip_nulls().execute()
    assert stripped.data == [{"id": 2, "name": "Globex"}]
