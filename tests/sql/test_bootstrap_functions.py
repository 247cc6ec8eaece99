"""The functions that policies, triggers and seeds of a project call, with the results that hosted projects give."""
# ruff: noqa: E501  (calls and their results stay on one line)

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.local.database import Database
from support.postgres import TestCluster

USER = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(scope="module")
def own(cluster: TestCluster) -> Iterator[Database]:
    with cluster.clone("postgres") as database:
        yield database


@pytest.fixture(scope="module")
def session(own: Database) -> Iterator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(own.conninfo("postgres"))) as connection:
        yield connection


@pytest.fixture
def sql(session: psycopg2.extensions.connection) -> Iterator[Any]:
    """Runs a statement as postgres and returns its rows; everything is rolled back at the end."""
    with session.cursor() as cursor:

        def run(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

        yield run
    session.rollback()
    session.notices.clear()


def one(rows: list[tuple[Any, ...]]) -> Any:
    ((value,),) = rows
    return value


class TestCaller:
    def test_outside_a_request_there_is_no_caller(self, sql: Any) -> None:
        assert sql("select auth.uid(), auth.role(), auth.email(), auth.jwt()") == [(None,) * 4]

    def test_the_claims_document_is_read(self, sql: Any) -> None:
        claims = {"sub": USER, "role": "authenticated", "email": "a@example.com", "app_metadata": {"x": 1}}
        sql("select set_config('request.jwt.claims', %s, true)", json.dumps(claims))
        for role in ("anon", "authenticated", "service_role"):
            sql(f"set local role {role}")
            assert sql("select auth.uid()::text, auth.role(), auth.email(), auth.jwt()") == [
                (USER, "authenticated", "a@example.com", claims)
            ]

    def test_legacy_settings_win(self, sql: Any) -> None:
        sql(
            "select set_config('request.jwt.claims', %s, true)",
            json.dumps({"sub": str(uuid.uuid4()), "role": "a"}),
        )
        sql(
            "select set_config('request.jwt.claim.sub', %s, true), set_config('request.jwt.claim.role', 'b', true)",
            USER,
        )
        assert sql("select auth.uid()::text, auth.role()") == [(USER, "b")]

    def test_empty_settings_are_no_claims(self, sql: Any) -> None:
        for name in (
            "request.jwt.claims",
            "request.jwt.claim.sub",
            "request.jwt.claim.role",
            "request.jwt.claim",
        ):
            sql("select set_config(%s, '', true)", name)
        assert sql("select auth.uid(), auth.role(), auth.jwt()") == [(None, None, None)]

    def test_a_service_key_has_a_role_and_no_user(self, sql: Any) -> None:
        sql("select set_config('request.jwt.claims', %s, true)", json.dumps({"role": "service_role"}))
        assert sql("select auth.uid(), auth.role()") == [(None, "service_role")]


class TestObjectNames:
    @pytest.mark.parametrize(
        ("name", "folder", "file", "extension"),
        [
            ("a/b/c.tar.gz", ["a", "b"], "c.tar.gz", "gz"),
            ("c.png", [], "c.png", "png"),
            ("a/b", ["a"], "b", "b"),
            ("a.b/c", ["a.b"], "c", "c"),
            ("a/", ["a"], "", ""),
        ],
    )
    def test_parts(self, sql: Any, name: str, folder: list[str], file: str, extension: str) -> None:
        assert sql(
            "select storage.foldername(%s), storage.filename(%s), storage.extension(%s)", name, name, name
        ) == [(folder, file, extension)]

    @given(name=st.text("abc./é ", min_size=1, max_size=30))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
    def test_folder_and_file_make_the_name(self, sql: Any, name: str) -> None:
        ((folder, file),) = sql("select storage.foldername(%s), storage.filename(%s)", name, name)
        assert "/".join([*folder, file]) == name

    def test_operations(self, sql: Any) -> None:
        assert sql("select storage.operation(), storage.allow_only_operation('object.upload')") == [
            (None, False)
        ]
        sql("set local storage.operation = 'storage.object.upload'")
        assert sql(
            "select storage.operation(), storage.allow_only_operation('object.upload'),"
            " storage.allow_only_operation('storage.object.upload'), storage.allow_only_operation('object.list'),"
            " storage.allow_any_operation('{object.list,object.upload}'), storage.allow_any_operation('{}')"
        ) == [("storage.object.upload", True, True, False, True, False)]


@pytest.fixture
def bucket(sql: Any) -> str:
    sql("insert into storage.buckets (id, name) values ('b', 'b')")
    return "b"


def add(sql: Any, bucket: str, *names: str) -> None:
    for name in names:
        sql(
            "insert into storage.objects (bucket_id, name, metadata) values (%s, %s, '{\"size\": 5}')",
            bucket,
            name,
        )


class TestObjects:
    def test_a_trial_insert_leaves_nothing(self, sql: Any, bucket: str) -> None:
        sql("select storage.can_insert_object(%s, 'a', null, null)", bucket)
        assert one(sql("select count(*) from storage.objects")) == 0

    def test_a_trial_insert_raises_what_policies_say(self, sql: Any, bucket: str) -> None:
        sql("set local role authenticated")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="row-level security policy"):
            sql("select storage.can_insert_object(%s, 'a', null, null)", bucket)

    def test_sizes(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, "a", "b/c")
        assert sql("select bucket_id, size from storage.get_size_by_bucket()") == [("b", 10)]

    def test_path_tokens_and_update_time(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, "a/b.txt")
        sql("update storage.objects set updated_at = '2000-01-01', name = 'a/c.txt'")
        assert sql("select path_tokens, updated_at = now() from storage.objects") == [(["a", "c.txt"], True)]

    def test_names_are_unique_in_a_bucket(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, "a")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            add(sql, bucket, "a")

    def test_long_bucket_names_are_refused(self, sql: Any) -> None:
        with pytest.raises(psycopg2.errors.RaiseException, match="Max is 100"):
            sql("insert into storage.buckets (id, name) values ('l', repeat('x', 101))")

    def test_reading_needs_a_policy(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, "mine/a", "theirs/a")
        read = "select name from storage.objects"
        sql("set local role authenticated")
        assert sql(read) == []
        sql("reset role")
        sql(
            "create policy own on storage.objects for select to authenticated using ((storage.foldername(name))[1] = 'mine')"
        )
        sql("set local role authenticated")
        assert sql(read) == [("mine/a",)]
        sql("set local role anon")
        assert sql(read) == []
        sql("set local role service_role")
        assert len(sql(read)) == 2


class TestListing:
    NAMES = ("a.txt", "b/1.txt", "b/2.txt", "b/c/3.txt", "B.txt", "b%/x", "b_/y", "z/1")

    def test_v1_gives_folders_first_and_names_below_the_prefix(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, *self.NAMES)
        rows = sql("select name, id is null from storage.search('', 'b')")
        assert rows == [
            ("b", True),
            ("b%", True),
            ("b_", True),
            ("z", True),
            ("B.txt", False),
            ("a.txt", False),
        ]
        rows = sql("select name, id is null from storage.search('b/', 'b', 100, 2)")
        assert rows == [("c", True), ("1.txt", False), ("2.txt", False)]
        assert sql("select name from storage.search('b/', 'b', 100, 2, 0, '2')") == [("2.txt",)]
        assert sql("select name from storage.search('b/', 'b', 1, 2, 1, '', 'name', 'desc')") == [("2.txt",)]

    def test_wildcards_in_names_are_letters(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, *self.NAMES)
        assert sql("select name from storage.search('b%%/', 'b', 100, 2)".replace("%%", "%")) == [("x",)]
        assert sql("select name from storage.search('b_/', 'b', 100, 2)") == [("y",)]

    def test_v2_pages_through_everything_once(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, *self.NAMES)
        expected = ["B.txt", "a.txt", "b%/", "b/", "b_/", "z/"]
        for order, wanted in (("asc", expected), ("desc", expected[::-1])):
            seen: list[str] = []
            while True:
                rows = sql(
                    "select name from storage.search_v2('', 'b', 2, 1, %s, %s)",
                    seen[-1] if seen else "",
                    order,
                )
                seen += [row[0] for row in rows]
                if len(rows) < 2:
                    break
            assert seen == wanted

    def test_v2_by_time(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, "old", "new", "dir/x")
        sql("update storage.objects set created_at = '2020-01-01' where name = 'old'")
        sql("update storage.objects set created_at = '2021-01-01' where name = 'dir/x'")
        query = (
            "select key, name, id is null from storage.search_v2('', 'b', 2, 1, %s, 'asc', 'created_at', %s)"
        )
        first = sql(query, "", "")
        assert first == [("old", "old", False), ("dir", "dir/", True)]
        assert sql(query, "dir/", "2021-01-01") == [("new", "new", False)]

    def test_a_delimiter_may_be_absent(self, sql: Any, bucket: str) -> None:
        add(sql, bucket, "a/1", "a/2", "b")
        assert sql("select name from storage.list_objects_with_delimiter('b', 'a', '')") == [
            ("a/1",),
            ("a/2",),
        ]

    @given(
        names=st.sets(
            st.text("ab/_%0", min_size=1, max_size=5).filter(lambda n: n.strip("/")), min_size=1, max_size=12
        ),
        page=st.integers(1, 4),
        order=st.sampled_from(["asc", "desc"]),
        prefix=st.sampled_from(["", "a", "a/", "b_"]),
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
    def test_paging_agrees_with_the_plain_definition(
        self, sql: Any, names: set[str], page: int, order: str, prefix: str
    ) -> None:
        sql("savepoint example")
        try:
            sql("insert into storage.buckets (id, name) values ('b', 'b')")
            add(sql, "b", *names)
            expected = sorted(
                {
                    prefix + head + ("/" if slash else "")
                    for head, slash, _ in (
                        n[len(prefix) :].partition("/") for n in names if n.startswith(prefix)
                    )
                },
                reverse=order == "desc",
            )
            seen: list[str] = []
            while True:
                rows = sql(
                    "select name from storage.list_objects_with_delimiter('b', %s, '/', %s, %s, '', %s)",
                    prefix, page, seen[-1] if seen else "", order,
                )  # fmt: skip
                seen += [row[0] for row in rows]
                if len(rows) < page or len(seen) > len(expected):
                    break
            assert seen == expected
        finally:
            sql("rollback to example")


class TestRealtime:
    def test_the_topic_of_the_transaction(self, sql: Any) -> None:
        assert one(sql("select realtime.topic()")) is None
        sql("set local realtime.topic = 'room'")
        assert one(sql("select realtime.topic()")) == "room"
        sql("set local realtime.topic = ''")
        assert one(sql("select realtime.topic()")) is None

    def test_send_stores_a_private_broadcast_with_an_id(self, sql: Any) -> None:
        sql("""select realtime.send('{"a": 1}', 'e', 'room')""")
        ((identity, payload, event, topic, private, extension),) = sql(
            "select id::text, payload, event, topic, private, extension from realtime.messages"
        )
        assert payload == {"a": 1, "id": identity}
        assert (event, topic, private, extension) == ("e", "room", True, "broadcast")
        assert one(sql("select realtime.topic()")) == "room"

    def test_send_keeps_what_it_is_given(self, sql: Any) -> None:
        sql(
            """select realtime.send('{"id": "mine"}', 'e', 'room', false), realtime.send('[1]', 'e', 'room')"""
        )
        assert sql("select payload, private from realtime.messages order by private") == [
            ({"id": "mine"}, False),
            ([1], True),
        ]

    def test_binary_payloads(self, sql: Any) -> None:
        sql(r"select realtime.send_binary('\x00ff', 'e', 'room')")
        ((payload, binary),) = sql("select payload, binary_payload from realtime.messages")
        assert (payload, bytes(binary)) == (None, b"\x00\xff")

    def test_a_refused_send_is_a_warning(self, sql: Any, session: psycopg2.extensions.connection) -> None:
        sql("set local role authenticated")
        sql("""select realtime.send('{}', 'e', 'room')""")
        sql("reset role")
        assert one(sql("select count(*) from realtime.messages")) == 0
        assert any(
            "WarnSendingBroadcastMessage: new row violates row-level security" in n for n in session.notices
        )

    def test_a_policy_lets_a_user_send(self, sql: Any) -> None:
        sql(
            "create policy s on realtime.messages for insert to authenticated with check (realtime.topic() = 'room')"
        )
        sql("set local role authenticated")
        sql("""select realtime.send('{}', 'e', 'room'), realtime.send('{}', 'e', 'other')""")
        sql("reset role")
        assert sql("select topic from realtime.messages") == [("room",)]

    def test_a_trigger_broadcasts_its_change(self, sql: Any) -> None:
        sql("""
            create table public.t (id int primary key, v text);
            create function public.tell() returns trigger language plpgsql security definer as $$
            begin
              perform realtime.broadcast_changes('t:' || coalesce(new.id, old.id), tg_op, tg_op, tg_table_name,
                                                 tg_table_schema, new, old);
              return null;
            end $$;
            create trigger tell after insert or update or delete on public.t for each row execute function public.tell();
            insert into public.t values (1, 'a'); update public.t set v = 'b'; delete from public.t;
        """)
        rows = sql("select topic, event, private, payload - 'id' from realtime.messages order by event")
        row_a, row_b = {"id": 1, "v": "a"}, {"id": 1, "v": "b"}
        common = {"table": "t", "schema": "public"}
        assert rows == [
            ("t:1", "DELETE", True, {**common, "operation": "DELETE", "old_record": row_b, "record": None}),
            ("t:1", "INSERT", True, {**common, "operation": "INSERT", "old_record": None, "record": row_a}),
            ("t:1", "UPDATE", True, {**common, "operation": "UPDATE", "old_record": row_a, "record": row_b}),
        ]

    @pytest.mark.parametrize(
        ("operation", "level", "message"),
        [
            ("TRUNCATE", "ROW", "Failed to process the row: Unexpected operation type: TRUNCATE"),
            ("INSERT", "STATEMENT", "function can only be triggered for each row, not for each statement"),
        ],
    )
    def test_broadcast_changes_refuses_what_is_no_row_change(
        self, sql: Any, operation: str, level: str, message: str
    ) -> None:
        with pytest.raises(psycopg2.errors.RaiseException) as caught:
            sql(
                "select realtime.broadcast_changes('t', 'e', %s, 't', 'public', row(1), row(1), %s)",
                operation,
                level,
            )
        assert message in caught.value.diag.message_primary

    def test_messages_are_kept_from_those_without_a_policy(self, sql: Any) -> None:
        sql("""select realtime.send('{}', 'e', 'room')""")
        for role in ("anon", "authenticated"):
            sql(f"set local role {role}")
            assert sql("select * from realtime.messages") == []


class TestPartitions:
    @pytest.fixture
    def admin(self, own: Database) -> Iterator[Any]:
        with (
            closing(psycopg2.connect(own.conninfo("supabase_admin"))) as connection,
            connection.cursor() as cursor,
        ):

            def run(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []

            yield run
            connection.rollback()

    PARTITIONS = "select c.relname, pg_get_userbyid(c.relowner) from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'realtime.messages'::regclass order by 1"

    def test_the_days_ahead_are_there(self, admin: Any) -> None:
        today = datetime.now(UTC).date()
        # Bootstrapped yesterday at the earliest, since this process did it.
        names = {row[0] for row in admin(self.PARTITIONS)}
        assert {f"messages_{today + timedelta(days=d):%Y_%m_%d}" for d in range(3)} <= names
        assert {row[1] for row in admin(self.PARTITIONS)} == {"supabase_realtime_admin"}

    def test_more_are_made_once(self, admin: Any) -> None:
        before = len(admin(self.PARTITIONS))
        made = one(admin("select realtime.ensure_partitions(0, 10)"))
        assert made >= 6
        assert len(admin(self.PARTITIONS)) == before + made
        assert one(admin("select realtime.ensure_partitions(0, 10)")) == 0
        admin(
            "insert into realtime.messages (topic, extension, inserted_at) values ('t', 'broadcast', now() + interval '9 days')"
        )

    def test_old_ones_go_after_three_days(self, admin: Any) -> None:
        admin("select realtime.ensure_partitions(9, 0)")
        dropped = one(admin("select realtime.drop_old_partitions()"))
        assert dropped == 6
        oldest = datetime.now(UTC).date() - timedelta(days=3)
        assert admin(self.PARTITIONS)[0][0] == f"messages_{oldest:%Y_%m_%d}"


class TestSubscriptions:
    @pytest.fixture
    def subscribe(self, sql: Any) -> Any:
        sql(
            "create table public.t (id int primary key, name text, secret text); grant select (id, name) on public.t to authenticated"
        )

        def run(filters: str, columns: list[str] | None = None) -> list[tuple[Any, ...]]:
            return sql(
                "insert into realtime.subscription (subscription_id, entity, filters, claims, selected_columns)"
                " values (gen_random_uuid(), 'public.t', %s::realtime.user_defined_filter[], '{\"role\": \"authenticated\"}', %s)"
                " returning claims_role::text, filters::text",
                filters, columns,
            )  # fmt: skip

        return run

    def test_filters_are_sorted_and_the_role_is_taken_from_the_claims(self, subscribe: Any) -> None:
        ((role, filters),) = subscribe('{"(name,eq,x,false)","(id,in,\\"{1,2}\\",false)"}', ["id"])
        assert role == "authenticated"
        assert filters.index("id") < filters.index("name")

    @pytest.mark.parametrize(
        ("filters", "columns", "message"),
        [
            ('{"(secret,eq,x,false)"}', None, "invalid column for filter secret"),
            ('{"(nope,eq,x,false)"}', None, "invalid column for filter nope"),
            ('{"(id,eq,x,false)"}', None, "invalid input syntax for type integer"),
            ('{"(id,is,maybe,false)"}', None, "invalid value for `is` filter"),
            ('{"(id,in,\\"{' + ",".join(map(str, range(101))) + '}\\",false)"}', None, "Maximum 100"),
            ("{}", ["secret"], "invalid column for select secret"),
        ],
    )
    def test_what_the_role_cannot_read_or_the_type_cannot_hold_is_refused(
        self, subscribe: Any, filters: str, columns: list[str] | None, message: str
    ) -> None:
        with pytest.raises(psycopg2.Error, match=message):
            subscribe(filters, columns)


class TestVault:
    def test_a_secret_is_kept_encrypted_and_read_by_those_who_may(self, sql: Any) -> None:
        secret = "pässword; 'quoted'"
        identity = one(sql("select vault.create_secret(%s, 'key', 'what for')", secret))
        ((stored, name),) = sql("select secret, name from vault.secrets")
        assert "ssword" not in stored
        assert name == "key"
        for role in ("postgres", "service_role"):
            sql(f"set local role {role}")
            assert sql("select decrypted_secret, description from vault.decrypted_secrets") == [
                (secret, "what for")
            ]
        sql("select vault.update_secret(%s, 'new')", identity)
        assert sql("select decrypted_secret, name from vault.decrypted_secrets") == [("new", "key")]
        sql("delete from vault.secrets")

    def test_two_equal_secrets_look_different(self, sql: Any) -> None:
        sql("select vault.create_secret('same'), vault.create_secret('same')")
        assert one(sql("select count(distinct secret) from vault.secrets")) == 2

    def test_a_name_is_taken_once(self, sql: Any) -> None:
        sql("select vault.create_secret('a', 'name')")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            sql("select vault.create_secret('b', 'name')")

    @pytest.mark.parametrize("role", ["anon", "authenticated"])
    def test_it_is_closed_to_users(self, sql: Any, role: str) -> None:
        sql(f"set local role {role}")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="permission denied for schema vault"):
            sql("select * from vault.decrypted_secrets")


class TestExtensions:
    @given(name=st.text(max_size=200).filter(lambda text: "\x00" not in text))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
    def test_name_based_uuids_are_those_of_the_rfc(self, sql: Any, name: str) -> None:
        assert sql(
            "select uuid_generate_v3(uuid_ns_dns(), %s)::text, uuid_generate_v5(uuid_ns_url(), %s)::text",
            name,
            name,
        ) == [(str(uuid.uuid3(uuid.NAMESPACE_DNS, name)), str(uuid.uuid5(uuid.NAMESPACE_URL, name)))]

    def test_hashes_of_many_blocks(self, sql: Any) -> None:
        for length in (0, 38, 39, 40, 47, 48, 103, 104, 1000):
            name = "x" * length
            assert one(sql("select uuid_generate_v5(uuid_ns_oid(), %s)::text", name)) == str(
                uuid.uuid5(uuid.NAMESPACE_OID, name)
            )

    def test_time_based_uuids_carry_the_time_and_never_repeat(self, sql: Any) -> None:
        rows = sql(
            "select uuid_generate_v1()::text, uuid_generate_v1mc()::text from generate_series(1, 2000)"
        )
        values = [uuid.UUID(value) for row in rows for value in row]
        assert len(set(values)) == 4000
        assert {value.version for value in values} == {1}
        assert {value.variant for value in values} == {uuid.RFC_4122}
        stamp = datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=values[0].time // 10)
        assert abs(datetime.now(UTC) - stamp) < timedelta(minutes=5)
        assert all(value.node >> 40 & 1 for value in values)

    def test_constants(self, sql: Any) -> None:
        assert sql("select uuid_nil()::text, uuid_ns_x500()::text, uuid_ns_oid()::text") == [
            (str(uuid.UUID(int=0)), str(uuid.NAMESPACE_X500), str(uuid.NAMESPACE_OID))
        ]
        assert uuid.UUID(one(sql("select uuid_generate_v4()::text"))).version == 4

    def test_graphql_says_that_it_is_off(self, sql: Any) -> None:
        sql("set local role anon")
        assert one(sql("select graphql_public.graphql(query => '{ a }')")) == {
            "errors": [{"message": "pg_graphql extension is not enabled."}]
        }


class TestSchemaReload:
    @pytest.fixture
    def listener(self, own: Database) -> Iterator[psycopg2.extensions.connection]:
        with closing(psycopg2.connect(own.conninfo("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("listen pgrst")
            yield connection

    @staticmethod
    def heard(listener: psycopg2.extensions.connection, statements: str) -> list[str]:
        # A connection gets its own notifications with the answer to the statement: nothing to wait for.
        with listener.cursor() as cursor:
            cursor.execute(statements)
        messages = [notify.payload for notify in listener.notifies]
        listener.notifies.clear()
        return messages

    @pytest.mark.parametrize(
        ("make", "drop"),
        [
            ("create table public.n (i int)", "drop table public.n"),
            ("create table public.n as select 1 as i", "drop table public.n"),
            ("create view public.n as select 1 as i", "drop view public.n"),
            ("create function public.n() returns int language sql as 'select 1'", "drop function public.n()"),
            ("create schema n", "drop schema n"),
            ("create type public.n as (i int)", "drop type public.n"),
        ],
    )
    def test_changes_of_the_schema_are_told(
        self, listener: psycopg2.extensions.connection, make: str, drop: str
    ) -> None:
        assert self.heard(listener, make) == ["reload schema"]
        assert self.heard(listener, drop) == ["reload schema"]

    @pytest.mark.parametrize(
        "quiet",
        [
            "create temporary table n (i int); drop table n",
            "create policy n on storage.objects using (true); drop policy n on storage.objects",
            "grant usage on schema public to anon",
            "select 1",
        ],
    )
    def test_what_changes_no_api_is_not(self, listener: psycopg2.extensions.connection, quiet: str) -> None:
        assert self.heard(listener, quiet) == []
