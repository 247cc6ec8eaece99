"""What the migrations build, read from the system catalogues as lines of text."""
# ruff: noqa: E501  (queries stay on the lines where they read best)

from __future__ import annotations

from contextlib import closing

import psycopg2

from headway.local.database import Database

__all__ = ["describe"]

_OURS = "('headway', 'headway_private', 'public')"

# Each query answers lines; names are always qualified, because search_path is empty while they run.
_QUERIES = {
    "schemas": f"""
        select format('schema %s: %s', nspname, coalesce(
          (select string_agg(format('%s=%s', g.who, g.rights), ', ' order by g.who) from (
            select coalesce(r.rolname, 'public') as who, string_agg(a.privilege_type, '+' order by 1) as rights
            from aclexplode(n.nspacl) a left join pg_roles r on r.oid = a.grantee group by 1) g), 'default'))
        from pg_namespace n where nspname in {_OURS} and nspname <> 'public'
    """,
    "types": f"""
        select format('type %s: %s', t.oid::regtype, string_agg(
          format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum))
        from pg_type t
        join pg_class c on c.oid = t.typrelid and c.relkind = 'c'
        join pg_namespace n on n.oid = t.typnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where n.nspname in {_OURS}
        group by t.oid
    """,
    "relations": f"""
        select format('%s %s%s%s', case c.relkind when 'r' then 'table' when 'v' then 'view' when 'S' then 'sequence'
            else 'relation of kind ' || c.relkind::text end, c.oid::regclass,
          case when c.relrowsecurity then ' (row level security)' else '' end,
          coalesce(' with ' || (select string_agg(o, ', ' order by o) from unnest(c.reloptions) o), ''))
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in {_OURS} and c.relkind not in ('i', 'c', 't', 'I')
    """,
    "columns": f"""
        select format('column %s.%s %s%s%s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
          case when a.attnotnull then ' not null' else '' end,
          case when d.oid is null then '' when a.attgenerated <> '' then ' generated ' || pg_get_expr(d.adbin, d.adrelid)
            else ' default ' || pg_get_expr(d.adbin, d.adrelid) end)
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where n.nspname in {_OURS} and c.relkind in ('r', 'v')
    """,
    "constraints": f"""
        select format('constraint %s.%s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
        from pg_constraint k join pg_namespace n on n.oid = k.connamespace
        where n.nspname in {_OURS} and k.conrelid <> 0 and k.contype <> 'n'
    """,
    "indexes": f"""
        select format('index %s', pg_get_indexdef(i.indexrelid))
        from pg_index i
        join pg_class c on c.oid = i.indrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in {_OURS}
    """,
    "triggers": f"""
        select format('trigger %s', regexp_replace(pg_get_triggerdef(t.oid), '^CREATE (CONSTRAINT )?TRIGGER ', '\\1'))
        from pg_trigger t
        join pg_class c on c.oid = t.tgrelid
        join pg_namespace n on n.oid = c.relnamespace
        where not t.tgisinternal and n.nspname in {_OURS}
    """,
    "functions": f"""
        select format('function %s returns %s: %s %s%s%s%s', p.oid::regprocedure, pg_get_function_result(p.oid), l.lanname,
          case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
          case when p.prosecdef then ' security definer' else '' end,
          case p.proparallel when 's' then ' parallel safe' when 'r' then ' parallel restricted' else '' end,
          coalesce(' set ' || array_to_string(p.proconfig, ', '), ''))
        from pg_proc p
        join pg_namespace n on n.oid = p.pronamespace
        join pg_language l on l.oid = p.prolang
        where n.nspname in {_OURS}
    """,
    "policies": f"""
        select format('policy %s.%s %L for %s to %s%s%s', schemaname, tablename, policyname, lower(cmd),
          array_to_string(roles, ', '), coalesce(' using ' || regexp_replace(qual, '\\s+', ' ', 'g'), ''),
          coalesce(' check ' || regexp_replace(with_check, '\\s+', ' ', 'g'), ''))
        from pg_policies
        where schemaname in {_OURS} or policyname like 'headway: %'
    """,
    "grants on relations": f"""
        select format('grant on %s to %s: %s', c.oid::regclass, coalesce(r.rolname, 'public'),
          string_agg(lower(a.privilege_type), ', ' order by a.privilege_type))
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        cross join lateral aclexplode(c.relacl) a
        left join pg_roles r on r.oid = a.grantee
        where n.nspname in {_OURS} and a.grantee <> c.relowner
        group by c.oid, r.rolname
    """,
    "grants on columns": f"""
        select format('grant on columns of %s to %s: %s (%s)', c.oid::regclass, coalesce(r.rolname, 'public'),
          lower(a.privilege_type), string_agg(t.attname, ', ' order by t.attnum))
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute t on t.attrelid = c.oid
        cross join lateral aclexplode(t.attacl) a
        left join pg_roles r on r.oid = a.grantee
        where n.nspname in {_OURS}
        group by c.oid, r.rolname, a.privilege_type
    """,
    "grants on functions": f"""
        select format('grant on %s to %s', p.oid::regprocedure, coalesce(string_agg(
          coalesce(r.rolname, 'public'), ', ' order by r.rolname) filter (where a.grantee <> p.proowner), 'nobody'))
        from pg_proc p
        join pg_namespace n on n.oid = p.pronamespace
        left join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a on true
        left join pg_roles r on r.oid = a.grantee
        where n.nspname in {_OURS}
        group by p.oid
    """,
    "owners": f"""
        select format('owned by %s: %s', r.rolname, o.name)
        from (
          select c.oid::regclass::text as name, c.relowner as owner
          from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname in {_OURS}
          union all
          select p.oid::regprocedure::text, p.proowner
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in {_OURS}
        ) o join pg_roles r on r.oid = o.owner
        where r.rolname <> 'postgres'
    """,
    "buckets": """
        select format('bucket %s: %s, at most %s bytes, %s', id, case when public then 'public' else 'private' end,
          file_size_limit, coalesce(array_to_string(allowed_mime_types, ' '), 'any type'))
        from storage.buckets
    """,
    "published tables": f"""
        select format('published in %s: %s.%s', pubname, schemaname, tablename)
        from pg_publication_tables where schemaname in {_OURS}
    """,
}


def describe(database: Database) -> list[str]:
    """Every object of the project's own schemas, with its definition and its privileges, in a stable order.

    Args:
        database: A database with the migrations applied.
    """
    lines: list[str] = []
    with (
        closing(psycopg2.connect(database.conninfo("supabase_admin"))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("set search_path = ''")
        for section, query in _QUERIES.items():
            cursor.execute(query)
            found = sorted(" ".join(row[0].split()) for row in cursor.fetchall())
            lines += [f"## {section} ({len(found)})", *found, ""]
    return lines
