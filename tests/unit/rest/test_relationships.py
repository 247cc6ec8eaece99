"""Relationships derived from keys, also through views."""

from __future__ import annotations

from typing import Any

from headway.local.rest.identifiers import QName
from headway.local.rest.schema.model import ComputedRelationship, Relationship
from headway.local.rest.schema.relationships import derive_relationships, with_view_keys
from headway.local.rest.schema.views import ViewKey, find_view_keys, target_columns

from .schema import CACHE, TABLES, foreign_key


def name(table: str) -> QName:
    return QName("public", table)


def kinds(table: str) -> set[tuple[str, str]]:
    found = CACHE.relationships[name(table), "public"]
    return {(r.kind, r.foreign_table.name) for r in found if isinstance(r, Relationship)}


def test_cardinalities() -> None:
    assert kinds("projects") == {("m2o", "clients"), ("o2m", "tasks")}
    assert kinds("clients") == {("o2m", "projects")}
    assert kinds("users") == {("o2m", "users_tasks"), ("m2m", "tasks")}
    assert kinds("tasks") == {("m2o", "projects"), ("o2m", "users_tasks"), ("m2m", "users")}


def test_one_to_one_is_seen_from_both_sides() -> None:
    keys = {name("a"): ("id",), name("b"): ("id",)}
    found = derive_relationships([foreign_key("a", "b", ("id", "id"), unique=True)], [], keys, [], ["public"])
    ((child,), (parent,)) = (found[name("a"), "public"], found[name("b"), "public"])
    assert isinstance(child, Relationship)
    assert isinstance(parent, Relationship)
    assert (child.kind, child.is_parent, parent.kind, parent.is_parent) == ("o2o", False, "o2o", True)


def test_a_junction_needs_both_keys_in_its_primary_key() -> None:
    keys = [foreign_key("j", "a", ("a_id", "id")), foreign_key("j", "b", ("b_id", "id"))]
    without = derive_relationships(keys, [], {name("j"): ("id",)}, [], ["public"])
    assert all(getattr(r, "kind", "") != "m2m" for r in without[name("a"), "public"])
    within = derive_relationships(keys, [], {name("j"): ("id", "a_id", "b_id")}, [], ["public"])
    assert {getattr(r, "kind", "") for r in within[name("a"), "public"]} == {"o2m", "m2m"}


def test_hidden_tables_have_no_visible_relationships() -> None:
    key = foreign_key("a", "b", ("b_id", "id"))
    hidden = key.__class__(
        name("a"), QName("private", "b"), False, key.constraint, key.columns, is_unique=False
    )
    found = derive_relationships([hidden], [], {}, [], ["public"])
    assert found == {(name("a"), "private"): []}


def test_functions_override_relationships() -> None:
    computed = ComputedRelationship(name("tasks"), name("projects"), name("tasks"), to_one=True)
    found = derive_relationships(
        [foreign_key("tasks", "projects", ("project_id", "id"))], [], {}, [computed], ["public"]
    )
    assert found[name("projects"), "public"] == [computed]


# ({QUERY ... :targetList (entries) ...}) with a subquery that has a target list of its own.
DEFINITION = (
    "({QUERY :commandType 1 :rtable ({RANGETBLENTRY :subquery {QUERY :targetList ({TARGETENTRY :expr {VAR "
    ":varno 1} :resno 1 :resname x :resorigtbl 999 :resorigcol 9 :resjunk false})}}) :jointree {FROMEXPR "
    ":fromlist ({RANGETBLREF :rtindex 1})} :targetList ({TARGETENTRY :expr {VAR :varno 1 :location 20} "
    ":resno 1 :resname id :ressortgroupref 0 :resorigtbl 16385 :resorigcol 3 :resjunk false} {TARGETENTRY "
    ":expr {CONST :constvalue 4 [ 1 0 0 0 ]} :resno 2 :resname odd\\ \\{name\\} :resorigtbl 0 :resorigcol 0 "
    ":resjunk false}) :override 0})"
)


def test_the_origins_of_view_columns() -> None:
    assert target_columns(DEFINITION) == {1: (16385, 3)}
    assert target_columns("<>") == {}


def view(oid: int, title: str, columns: dict[str, str], **origins: tuple[int, int]) -> dict[str, Any]:
    entries = " ".join(
        f"{{TARGETENTRY :expr {{VAR}} :resno {number[1:]} :resorigtbl {place[0]} :resorigcol {place[1]} "
        ":resjunk false}"
        for number, place in origins.items()
    )
    definition = f"({{QUERY :targetList ({entries}) :x 0}})"
    return {"oid": oid, "schema": "public", "name": title, "definition": definition, "columns": columns}


KEYS: list[dict[str, Any]] = [
    {
        "constraint": "tasks_pkey",
        "kind": "p",
        "relation": 1,
        "schema": "public",
        "name": "tasks",
        "columns": [[1, "id"]],
    },
    {
        "constraint": "tasks_project_id_fkey",
        "kind": "f",
        "relation": 1,
        "schema": "public",
        "name": "tasks",
        "columns": [[3, "project_id"]],
    },
    {
        "constraint": "tasks_project_id_fkey",
        "kind": "referenced",
        "relation": 2,
        "schema": "public",
        "name": "projects",
        "columns": [[1, "id"]],
    },
]


def test_views_have_the_keys_they_show_also_through_views() -> None:
    views = [
        view(10, "task_list", {"1": "key", "2": "project"}, n1=(1, 1), n2=(1, 3)),
        view(11, "list_of_list", {"1": "again"}, n1=(10, 2)),
        view(12, "project_list", {"1": "pid", "2": "pid_too"}, n1=(2, 1), n2=(2, 1)),
    ]
    keys = find_view_keys(views, KEYS, ["public"])
    shown = {(k.view.name, k.kind): k.columns for k in keys}
    assert shown["task_list", "p"] == (("id", ("key",)),)
    assert shown["task_list", "f"] == (("project_id", ("project",)),)
    assert shown["list_of_list", "f"] == (("project_id", ("again",)),)
    assert ("list_of_list", "p") not in shown
    assert shown["project_list", "referenced"] == (("id", ("pid", "pid_too")),)
    relations = derive_relationships(
        [foreign_key("tasks", "projects", ("project_id", "id"))], keys, {}, [], ["public"]
    )
    to_views = {
        (r.foreign_table.name, r.columns)
        for r in relations[name("task_list"), "public"]
        if isinstance(r, Relationship)
    }
    assert to_views == {
        ("projects", (("project", "id"),)),
        ("project_list", (("project", "pid"),)),
        ("project_list", (("project", "pid_too"),)),
    }


def test_views_that_show_each_other_end() -> None:
    views = [view(10, "a", {"1": "x"}, n1=(11, 1)), view(11, "b", {"1": "x"}, n1=(10, 1))]
    assert find_view_keys(views, KEYS, ["public"]) == []


def test_primary_keys_of_views() -> None:
    key = ViewKey(name("clients"), name("tasks"), "pkey", "p", (("id", ("one", "two")),))
    assert with_view_keys(TABLES, [key])[name("tasks")].primary_key == ("one",)
