"""All that the bootstrap makes, held against a committed summary and against the reference's tables.

``python -m sql.test_bootstrap_contract`` in ``tests/`` prints the summary of a fresh database; a change of the
bootstrap shows as a reviewable change of ``bootstrap_contract.json``.
"""

# ruff: noqa: E501  (catalogue queries and column lists)

from __future__ import annotations

import asyncio
import difflib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.local.database import Database
from headway.local.postgres.bootstrap import bootstrap
from support.own_cluster import own_cluster

EXPECTED = Path(__file__).with_name("bootstrap_contract.json")
_SCHEMAS = "n.nspname !~ '^pg_(toast|temp|catalog)' and n.nspname <> 'information_schema'"
_NOT_OF_EXTENSION = "not exists (select from pg_depend d where d.objid = {oid} and d.deptype = 'e')"
# A grant is shown as "grantee=privileges" without m (MAINTAIN), which only 17 has.
_GRANTS = "array(select regexp_replace(a::text, '=([^m/]*)m?.*$', '=\\1') from unnest({acl}) as a order by 1)"

_QUERIES = {
    "schemas": f"""
        select n.nspname as key, n.nspowner::regrole::text as owner,
               {_GRANTS.format(acl="n.nspacl")} as grants
          from pg_namespace n where {_SCHEMAS}""",
    "roles": """
        select rolname as key,
               concat_ws(' ', case when rolsuper then 'superuser' end, case when rolcanlogin then 'login' end,
                 case when rolinherit then 'inherit' end, case when rolcreatedb then 'createdb' end,
                 case when rolcreaterole then 'createrole' end, case when rolreplication then 'replication' end,
                 case when rolbypassrls then 'bypassrls' end) as attributes,
               array(select roleid::regrole::text || case when admin_option then ' with admin' else '' end
                       from pg_auth_members where member = r.oid order by 1) as member_of,
               array(select unnest(setconfig) from pg_db_role_setting where setrole = r.oid and setdatabase = 0
                      order by 1) as settings
          from pg_roles r where rolname !~ '^pg_'""",
    "tables": f"""
        select format('%s.%s', n.nspname, c.relname) as key, c.relkind::text as kind,
               c.relowner::regrole::text as owner, c.relrowsecurity as row_level_security,
               array(select concat_ws(' ', attname, format_type(atttypid, atttypmod),
                              case when attnotnull then 'not null' end,
                              case when attgenerated = 's' then 'generated' when atthasdef then 'default' end,
                              (select pg_get_expr(adbin, adrelid) from pg_attrdef
                                where adrelid = c.oid and adnum = attnum))
                       from pg_attribute where attrelid = c.oid and attnum > 0 order by attnum) as columns,
               array(select concat_ws(' ', conname, pg_get_constraintdef(oid)) from pg_constraint
                      where conrelid = c.oid and contype in ('p', 'u', 'f') order by 1) as keys,
               array(select indexrelid::regclass::text from pg_index where indrelid = c.oid order by 1) as indexes,
               array(select tgname::text from pg_trigger where tgrelid = c.oid and not tgisinternal
                      order by 1) as triggers,
               array(select polname::text from pg_policy where polrelid = c.oid order by 1) as policies,
               {_GRANTS.format(acl="c.relacl")} as grants
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'v', 'p') and not c.relispartition and {_SCHEMAS}
           and {_NOT_OF_EXTENSION.format(oid="c.oid")}""",
    "functions": f"""
        select format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_arguments(p.oid)) as key,
               pg_get_function_result(p.oid) as returns, l.lanname as language,
               case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end as volatility,
               p.prosecdef as security_definer, p.proconfig as settings, p.proowner::regrole::text as owner,
               {_GRANTS.format(acl="p.proacl")} as grants
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
         where {_SCHEMAS} and {_NOT_OF_EXTENSION.format(oid="p.oid")}""",
    "types": f"""
        select format('%s.%s', n.nspname, t.typname) as key, t.typowner::regrole::text as owner,
               array(select enumlabel::text from pg_enum where enumtypid = t.oid order by enumsortorder) as labels,
               array(select attname || ' ' || format_type(atttypid, atttypmod) from pg_attribute
                      where attrelid = t.typrelid order by attnum) as fields
          from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
         where {_SCHEMAS} and (t.typtype = 'e' or c.relkind = 'c')""",
    "publications": """
        select pubname as key, pubowner::regrole::text as owner, puballtables as all_tables,
               array(select format('%s.%s', schemaname, tablename) from pg_publication_tables t
                      where t.pubname = p.pubname) as tables
          from pg_publication p""",
    "event_triggers": """
        select evtname as key, evtevent::text as event, evtowner::regrole::text as owner,
               evtfoid::regproc::text as function, evttags as tags, evtenabled::text as enabled
          from pg_event_trigger""",
    "extensions": """
        select extname as key, extnamespace::regnamespace::text as schema, extowner::regrole::text as owner
          from pg_extension""",
    "default_privileges": f"""
        select format('%s in %s on %s', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype) as key,
               {_GRANTS.format(acl="defaclacl")} as grants
          from pg_default_acl""",
    "parameters": f"""
        select parname as key, {_GRANTS.format(acl="paracl")} as grants
          from pg_parameter_acl""",
}  # fmt: skip


async def _summary(database: Database) -> dict[str, Any]:
    connection = await database.connect("supabase_admin")
    try:
        await connection.execute("set search_path = ''")
        result: dict[str, Any] = {"version": connection.get_server_version().major}
        for kind, query in _QUERIES.items():
            rows = await connection.fetch(query)
            # Empty lists, nulls and false say nothing and would hide what does.
            result[kind] = {
                row["key"]: {name: value for name, value in row.items() if name != "key" and value}
                for row in sorted(rows, key=lambda row: row["key"])
            }
        return result
    finally:
        await connection.close()


async def summary() -> dict[str, Any]:
    """A fresh project's catalogue, but for what the clock decides (the partitions of ``realtime.messages``)."""
    async with own_cluster() as database:
        await bootstrap(database, password="x")
        return await _summary(database)


@pytest.fixture(scope="module")
def actual() -> dict[str, Any]:
    found = asyncio.run(summary())
    if found["version"] != 17:
        pytest.skip(f"the summary was written on Postgres 17, and this is {found['version']}")
    return found


def _shown(value: Any) -> list[str]:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).splitlines()


def test_the_catalogue_is_the_committed_one(actual: dict[str, Any]) -> None:
    expected = json.loads(EXPECTED.read_text("utf-8"))
    difference = list(
        difflib.unified_diff(_shown(expected), _shown(actual), "committed", "actual", lineterm="", n=2)
    )
    assert not difference, "\n".join(difference[:200])


# Reference A.1.
@pytest.mark.parametrize(
    ("role", "attributes"),
    [
        ("supabase_admin", "superuser login inherit createdb createrole replication bypassrls"),
        ("postgres", "login inherit createdb createrole replication bypassrls"),
        ("anon", "inherit"),
        ("authenticated", "inherit"),
        ("service_role", "inherit bypassrls"),
        ("authenticator", "login"),
        ("supabase_auth_admin", "login"),
        ("supabase_storage_admin", "login createrole"),
        ("supabase_realtime_admin", ""),
        ("supabase_read_only_user", "login inherit bypassrls"),
    ],
)
def test_roles_have_the_attributes_of_the_reference(
    actual: dict[str, Any], role: str, attributes: str
) -> None:
    assert actual["roles"][role].get("attributes", "") == attributes


def test_memberships_are_those_of_the_reference(actual: dict[str, Any]) -> None:
    members = {name: set(role.get("member_of", [])) for name, role in actual["roles"].items()}
    assert members["authenticator"] == {"anon", "authenticated", "service_role"}
    assert members["supabase_storage_admin"] == {"anon", "authenticated", "service_role", "authenticator"}
    assert {"anon with admin", "authenticated with admin", "service_role with admin"} <= members["postgres"]
    assert not {name.split()[0] for name in members["postgres"]} & {
        "supabase_admin",
        "supabase_auth_admin",
        "supabase_storage_admin",
        "supabase_realtime_admin",
        "_local_platform_owner",
    }


# Reference A.2 and A.4.
def test_schemas_belong_to_the_platform(actual: dict[str, Any]) -> None:
    owners = {name: schema["owner"] for name, schema in actual["schemas"].items()}
    assert owners["auth"] == "supabase_auth_admin"
    assert owners["storage"] == "supabase_storage_admin"
    assert {"public", "extensions", "realtime", "vault", "graphql", "graphql_public", "pgbouncer"} <= set(
        owners
    )
    closed = ("auth", "storage", "realtime", "vault", "graphql_public", "_local", "_storage_local")
    for schema in closed:
        grants = dict(grant.split("=") for grant in actual["schemas"][schema].get("grants", []))
        for role in ("", "postgres", "anon", "authenticated", "service_role"):
            assert "C" not in grants.get(role, ""), (schema, role)


# Reference A.6 to A.8: what policies and triggers call.
@pytest.mark.parametrize(
    ("function", "returns", "volatility"),
    [
        ("auth.uid()", "uuid", "stable"),
        ("auth.role()", "text", "stable"),
        ("auth.email()", "text", "stable"),
        ("auth.jwt()", "jsonb", "stable"),
        ("storage.foldername(name text)", "text[]", "immutable"),
        ("storage.filename(name text)", "text", "immutable"),
        ("storage.extension(name text)", "text", "immutable"),
        ("storage.operation()", "text", "stable"),
        ("storage.allow_only_operation(expected_operation text)", "boolean", "stable"),
        ("storage.allow_any_operation(expected_operations text[])", "boolean", "stable"),
        (
            "storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb)",
            "void",
            "volatile",
        ),
        ("storage.protect_delete()", "trigger", "volatile"),
        ("realtime.topic()", "text", "stable"),
        (
            "realtime.send(payload jsonb, event text, topic text, private boolean DEFAULT true)",
            "void",
            "volatile",
        ),
        (
            "realtime.send_binary(payload bytea, event text, topic text, private boolean DEFAULT true)",
            "void",
            "volatile",
        ),
        (
            "realtime.broadcast_changes(topic_name text, event_name text, operation text, table_name text, "
            "table_schema text, new record, old record, level text DEFAULT 'ROW'::text)",
            "void",
            "volatile",
        ),
    ],
)
def test_functions_have_the_shape_of_the_reference(
    actual: dict[str, Any], function: str, returns: str, volatility: str
) -> None:
    found = actual["functions"][function]
    assert (found["returns"], found["volatility"]) == (returns, volatility)
    assert not found.get("security_definer"), "they run with the caller's rights"


def test_only_vault_and_the_guard_run_with_the_owners_rights(actual: dict[str, Any]) -> None:
    definers = {name: value for name, value in actual["functions"].items() if value.get("security_definer")}
    assert {name.split(".")[0] for name in definers} == {"vault", "_local"}
    for name, function in definers.items():
        assert function["settings"] == ['search_path=""'], name
        assert not any(grant.startswith("=") for grant in function["grants"]), f"{name} is open to everyone"


# Reference A.6 to A.8: columns.
@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (
            "auth.users",
            "instance_id id aud role email encrypted_password email_confirmed_at invited_at confirmation_token"
            " confirmation_sent_at recovery_token recovery_sent_at email_change_token_new email_change"
            " email_change_sent_at last_sign_in_at raw_app_meta_data raw_user_meta_data is_super_admin created_at"
            " updated_at phone phone_confirmed_at phone_change phone_change_token phone_change_sent_at confirmed_at"
            " email_change_token_current email_change_confirm_status banned_until reauthentication_token"
            " reauthentication_sent_at is_sso_user deleted_at is_anonymous",
        ),
        (
            "auth.identities",
            "provider_id user_id identity_data provider last_sign_in_at created_at updated_at email id",
        ),
        (
            "auth.sessions",
            "id user_id created_at updated_at factor_id aal not_after refreshed_at user_agent ip tag oauth_client_id"
            " refresh_token_hmac_key refresh_token_counter scopes",
        ),
        (
            "auth.refresh_tokens",
            "instance_id id token user_id revoked created_at updated_at parent session_id",
        ),
        (
            "storage.buckets",
            "id name owner created_at updated_at public avif_autodetection file_size_limit allowed_mime_types"
            " owner_id type versioning_status",
        ),
        (
            "storage.objects",
            "id bucket_id name owner created_at updated_at last_accessed_at metadata path_tokens version owner_id"
            " user_metadata archived_at is_delete_marker is_versioned",
        ),
        (
            "realtime.messages",
            "topic extension payload event private updated_at inserted_at id binary_payload",
        ),
        (
            "realtime.subscription",
            "id subscription_id entity filters claims claims_role created_at action_filter selected_columns",
        ),
    ],
)
def test_tables_have_the_columns_of_the_reference(actual: dict[str, Any], table: str, columns: str) -> None:
    assert [column.split()[0] for column in actual["tables"][table]["columns"]] == columns.split()


def test_platform_tables_are_closed_by_row_level_security(actual: dict[str, Any]) -> None:
    for name, table in actual["tables"].items():
        if name.startswith("storage.") or name in {"realtime.messages", "auth.users", "auth.refresh_tokens"}:
            assert table.get("row_level_security"), name
        assert not table.get("policies"), name
    for name, table in actual["tables"].items():
        if name.startswith("auth."):
            reached = {grant.split("=")[0] for grant in table["grants"]}
            assert not reached & {"", "anon", "authenticated", "service_role"}, name


if __name__ == "__main__":
    sys.stdout.write("\n".join(_shown(asyncio.run(summary()))) + "\n")
