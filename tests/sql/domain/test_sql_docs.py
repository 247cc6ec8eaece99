"""Every SQL example of docs/sql.md runs, as whom it says."""

from __future__ import annotations

import re

from support.documents import DOCS, examples
from support.people import SERVICE, Project


def test_the_sql_examples_run(own_project: Project) -> None:
    project = own_project
    project.kind("demo.echo")
    person = project.person()
    blocks = examples("sql.md", "sql")
    assert len(blocks) > 15
    for block in blocks:
        if block.caller == "editor":
            project.owner(block.text)
        else:
            assert block.caller in {"person", "service"}
            project.ask(person if block.caller == "person" else SERVICE, block.text)
    assert len(project.ask(person, "select 1 from headway.schedules")) == 1
    assert len(project.ask(person, "select 1 from headway.jobs")) == 1
    assert len(project.ask(person, "select 1 from headway.notification_endpoints")) == 1
    project.ask(
        person,
        "insert into public.notes (organization_id, body) select id, 'x' from public.organizations",
    )
    assert project.ask(project.person(), "select 1 from public.notes") == []


def test_what_the_page_names_exists(own_project: Project) -> None:
    """Tables, views and functions in back quotes, so that a renamed one is noticed."""
    text = re.sub(r"^```.*?^```$", "", (DOCS / "sql.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`(?:headway\.|public\.)?([a-z_]{4,})(?:\([^`]*\))?`", text))
    there = {
        row.name
        for row in own_project.owner(
            "select c.relname as name from pg_class c where c.relnamespace = any"
            " (array['headway', 'public']::regnamespace[])"
            " union select p.proname from pg_proc p where p.pronamespace = any"
            " (array['headway', 'public']::regnamespace[])"
            " union select a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
            " where c.relnamespace = any (array['headway', 'public']::regnamespace[])"
            " union select id from storage.buckets"
        )
    }
    words = {
        "apikey", "curl", "headway", "dead", "completed", "failed", "skip", "delivered", "details", "hint",
        "person", "whsec_",
    }  # fmt: skip
    assert named - there - words == set()


def test_every_function_that_callers_may_use_is_described(own_project: Project) -> None:
    text = "".join((DOCS / name).read_text() for name in ("sql.md", "engine.md"))
    callable_ = own_project.owner(
        "select distinct p.proname as name from pg_proc p where p.pronamespace = 'headway'::regnamespace"
        " and p.prorettype <> 'trigger'::regtype"
        " and (has_function_privilege('authenticated', p.oid, 'execute')"
        " or has_function_privilege('service_role', p.oid, 'execute'))"
    )
    assert len(callable_) > 50
    assert [row.name for row in callable_ if not re.search(rf"\b{row.name}\b", text)] == []


def test_the_compatibility_views_have_the_columns_they_promise(own_project: Project) -> None:
    for line in (DOCS / "compatibility-views.md").read_text().splitlines():
        if not line.startswith("| `"):
            continue
        view, _kind, key, columns = (cell.strip() for cell in line.strip("|").split("|"))
        name = view.strip("`")
        there = {
            row.attname
            for row in own_project.owner(
                "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0",
                f"public.{name}",
            )
        }
        promised = set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", columns))) | {key.strip("`")}
        assert promised <= there, (name, promised - there)
        assert {"status", "progress", "message", "created_at", "updated_at", "user_id"} <= there, name
