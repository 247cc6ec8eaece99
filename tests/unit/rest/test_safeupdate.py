"""Which functions hosted projects would refuse to run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.rest.safeupdate import find_unqualified_write, find_unqualified_writes


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("update t set a = 1", "UPDATE"),
        ("delete from t", "DELETE"),
        ("DELETE FROM only t returning *", "DELETE"),
        ("update t set a = 1 where true", None),
        ("delete from t where id = $1", None),
        ("update t set a = (select 1 where true)", "UPDATE"),
        ("update t set a = 1 from u where t.id = u.id", None),
        ("begin delete from t; perform 1 where true; end", "DELETE"),
        ("begin delete from t where x; update u set y = 1; end", "UPDATE"),
        ("with d as (delete from t returning *) select * from d where true", "DELETE"),
        ("with d as (delete from t where x) select * from d", None),
        ("insert into t values (1) on conflict (id) do update set a = 1", None),
        ("select * from t for update", None),
        ("select * from t for no key update", None),
        ("merge into t using s on t.id = s.id when matched then update set a = 1", None),
        ("merge into t using s on t.id = s.id when matched then delete", None),
        ("if x then update t set a = 1; end if", "UPDATE"),
        ("if x then delete from t; end if", "DELETE"),
        ("create table c (id int references t on delete cascade on update set null)", None),
        ("create trigger g before insert or update or delete on t", None),
        ("create trigger g after update of a on t", None),
        ("grant update, delete on t to x", None),
        ("raise notice 'delete from t'", None),
        ("-- delete from t\nselect 1", None),
        ("/* delete from t /* nested */ still */ select 1", None),
        ("select $q$delete from t$q$", None),
        ('select "delete from t" from "update"', None),
        ("select E'it\\'s; delete from t'", None),
        ("if tg_op = 'DELETE' then return old; end if", None),
        ("execute 'delete from t'", "DELETE"),
        ("execute $x$update t set a = 1$x$ using y", "UPDATE"),
        ("execute 'delete from t' || ' where id = 1'", None),
        ("execute format('delete from %I', t)", None),
        ("for r in update t set a = 1 returning * loop null; end loop", "UPDATE"),
        ("for r in delete from t where x returning * loop null; end loop", None),
        ("update t set a = 1 where current of c", None),
        ("", None),
    ],
)
def test_sources(source: str, expected: str | None) -> None:
    assert find_unqualified_write(source) == expected


def function(oid: int, name: str, source: str, *config: str, schema: str = "public") -> dict[str, Any]:
    return {"oid": oid, "schema": schema, "name": name, "source": source, "config": list(config)}


def test_calls_are_followed() -> None:
    found = find_unqualified_writes(
        [
            function(1, "clear", "delete from t"),
            function(2, "outer_one", "begin perform clear(); end"),
            function(3, "outermost", "select public.outer_one()"),
            function(4, "other", "select private.clear()"),
            function(5, "mentions", "select 'clear()', clear"),
            function(6, "Quoted", 'select "clear"()'),
        ]
    )
    assert found == {1: "DELETE", 2: "DELETE", 3: "DELETE", 6: "DELETE"}


def test_a_name_that_may_mean_something_else_is_not_followed() -> None:
    found = find_unqualified_writes(
        [
            function(1, "clear", "delete from t"),
            function(2, "clear", "select 1"),
            function(3, "calls", "select clear()"),
        ]
    )
    assert found == {1: "DELETE"}


def test_the_module_can_be_switched_off() -> None:
    assert not find_unqualified_writes(
        [
            function(1, "a", "delete from t", "safeupdate.enabled=off"),
            function(2, "b", "begin set local safeupdate.enabled = 0; delete from t; end"),
        ]
    )


@given(
    st.lists(
        st.sampled_from(
            [
                "update",
                "delete",
                "from",
                "where",
                "set",
                "(",
                ")",
                ";",
                "'",
                '"',
                "$$",
                "$a$",
                "/*",
                "*/",
                "--",
                "\n",
                " ",
                "t",
            ]
        ),
        max_size=30,
    ).map(" ".join)
)
def test_any_source_can_be_read(source: str) -> None:
    find_unqualified_write(source)
